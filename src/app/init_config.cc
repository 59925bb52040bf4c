#include "app/init_config.h"

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "app/snapshot.h"
#include "config/settings.h"

namespace turnpike::app {

namespace {

constexpr std::string_view kHead =
    "# What Turnpike serves and how. docs/config.md lists every key; `turnpike check-config` checks this file.\n"
    "# A value of the form os.environ/NAME is taken from the environment, so that no secret stands here.\n"
    "\n"
    "model_list:\n";

constexpr std::string_view kExampleProvider =
    "  # No provider key was found in the environment. Set OPENAI_API_KEY (or another) and this entry serves\n"
    "  # every model of that provider under the name openai/<model>.\n"
    "  - model_name: \"openai/*\"\n"
    "    litellm_params:\n"
    "      model: \"openai/*\"\n"
    "      api_key: os.environ/OPENAI_API_KEY\n";

constexpr std::string_view kOneModel =
    "  # One model under a name of your own; two entries of one name share its calls.\n"
    "  # - model_name: gpt-4o\n"
    "  #   litellm_params:\n"
    "  #     model: openai/gpt-4o\n"
    "  #     api_key: os.environ/OPENAI_API_KEY\n";

constexpr std::string_view kTail =
    "\n"
    "router_settings:\n"
    "  num_retries: 2\n"
    "  # timeout: 600        # seconds for a whole call\n"
    "  # fallbacks:          # tried in order when a group fails\n"
    "  #   - gpt-4o: [\"claude-sonnet\"]\n"
    "\n"
    "general_settings:\n";

constexpr std::string_view kMasterKey = "  master_key: os.environ/LITELLM_MASTER_KEY\n";
constexpr std::string_view kMasterKeyMissing =
    "  # Everybody who reaches the port may call until this is set; keep it in the environment.\n"
    "  # master_key: os.environ/LITELLM_MASTER_KEY   # a text that starts with sk-\n";

std::string config_text(const std::vector<config::FoundKey>& found, bool master_key_set) {
  std::string text(kHead);
  for (const config::FoundKey& key : found) {
    text += fmt::format("  - model_name: \"{0}/*\"\n    litellm_params:\n      model: \"{0}/*\"\n", key.provider);
    text += key.api_key.empty()
                ? fmt::format("      # credentials: found by way of {}, see docs/credentials.md\n", key.variable)
                : fmt::format("      api_key: {}\n", key.api_key);
  }
  if (found.empty()) text += kExampleProvider;
  text += kOneModel;
  text += kTail;
  text += master_key_set ? kMasterKey : kMasterKeyMissing;
  return text;
}

}  // namespace

int init_config(const Options& options) {
  const std::string path = options.output.empty() ? "turnpike.yaml" : options.output;
  std::error_code failure;
  if (!options.overwrite && std::filesystem::exists(path, failure)) {
    fmt::print(stderr, "error: {} exists already; choose another name, or replace it with --force\n", path);
    return 1;
  }
  const config::Environment environment = config::process_environment();
  const std::vector<config::FoundKey> found = config::found_keys(provider_keys(environment), environment);
  const std::string text = config_text(found, !environment("LITELLM_MASTER_KEY").value_or("").empty());
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) {
    fmt::print(stderr, "error: {} cannot be written; check the directory and its permissions\n", path);
    return 1;
  }
  fmt::print("wrote {0}; check it with: turnpike check-config {0}\nand start with:     turnpike --config {0}\n", path);
  return 0;
}

}  // namespace turnpike::app
