// Feeds bytes to the YAML reader and to the whole loader: whatever a file holds, loading answers with settings or with
// findings, and reads the same twice.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "config/effective.h"
#include "config/settings.h"
#include "config/yaml.h"

namespace {

void require(bool truth) {
  if (!truth) std::abort();
}

constexpr std::string_view kMarker = "zq7marker7qz";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMost = 16 * 1024;
  if (size > kMost) return 0;
  const std::string text(reinterpret_cast<const char*>(data), size);
  // Includes would read files of the machine that fuzzes.
  if (text.find("include") != std::string::npos) return 0;

  turnpike::config::YamlLimits limits;
  limits.nodes_max = 20'000;
  const auto tree = turnpike::config::parse_yaml(text, "fuzz.yaml", limits);
  if (!tree) {
    require(!tree.error().text.empty());
    return 0;
  }
  (void)tree->to_json(false);

  turnpike::config::LoadOptions options;
  options.path = "fuzz.yaml";
  options.environment = [](const std::string& name) -> std::optional<std::string> {
    if (name.starts_with("KEY")) return std::string(kMarker);
    return std::nullopt;
  };
  const turnpike::config::Loaded first = turnpike::config::load_text(text, options);
  const turnpike::config::Loaded second = turnpike::config::load_text(text, options);
  require(first.diagnostics == second.diagnostics);
  require((first.settings == nullptr) == (second.settings == nullptr));
  if (first.settings == nullptr) {
    require(turnpike::config::worst(first.diagnostics) == turnpike::config::Severity::Error);
    return 0;
  }
  require(first.settings->fingerprint == second.settings->fingerprint);
  require(turnpike::config::diff(*first.settings, *second.settings).empty());
  (void)turnpike::config::to_yaml(*first.settings);
  return 0;
}
