#include "drill/stage.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "base/text.h"
#include "config/effective.h"

namespace turnpike::drill {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kMadeUpKey = "sk-drill-made-up-0123456789";

/// Two deployments that name one variable still share their key.
std::string made_up_key(std::string_view variable) {
  if (base::to_lower(variable).find("database_url") != std::string::npos) return "postgresql://drill.invalid/drill";
  return "sk-drill-" + std::string(variable);
}

bool holds_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words,
                             [text](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

bool is_secret(std::string_view variable) {
  return holds_any(base::to_lower(variable), {"key", "token", "secret", "passw", "credential", "database_url", "dsn"});
}

/// A label above 63 letters: the resolver refuses it without asking a name server.
std::string unknown_host() {
  return std::string(64, 'x') + ".invalid";
}

credential::Credential made_up_credential(const provider::Target& target) {
  using Kind = credential::Credential::Kind;
  credential::Credential made;
  const bool aws = target.shape == provider::Shape::BedrockConverse ||
                   target.shape == provider::Shape::AnthropicBedrock || target.provider->name.starts_with("sagemaker");
  if (target.provider->auth == provider::AuthScheme::None && !aws) return made;
  const bool bearer =
      target.provider->shape == provider::Shape::VertexGemini || target.provider->shape == provider::Shape::Watsonx;
  made.kind = aws ? Kind::Aws : bearer ? Kind::Bearer : Kind::Key;
  made.token = base::Secret(std::string(kMadeUpKey));
  made.access_key_id = base::Secret("AKIADRILLMADEUP00000");
  made.secret_access_key = base::Secret("drill/made/up/secret/access/key/00000000");
  return made;
}

/// What a configuration line may hold of secrets.
void hide_secrets(config::ModelEntry& entry) {
  if (!entry.api_key.empty()) entry.api_key = base::Secret(std::string(kMadeUpKey));
  for (auto& [name, value] : entry.extra_headers) value = base::Secret("drill");
  for (auto& [name, value] : entry.provider_params) {
    // A service account in the line also says which project is meant; its key is never used (`redirect`).
    const bool account = value.reveal().starts_with("{");
    if (config::is_secret_param(name) && !account) value = base::Secret("drill-made-up");
  }
}

void shorten(std::optional<milliseconds>& limit, const Clock& clock) {
  if (limit) limit = clock.scaled(*limit);
}

/// "{name: x}" of the file, without its secrets, in the environment that every deployment looks at.
void take_over_variables(config::Settings& settings) {
  for (const auto& [name, value] : settings.environment_variables) {
    if (!is_secret(name)) ::setenv(name.c_str(), value.reveal().c_str(), 1);
  }
  settings.environment_variables.clear();
}

}  // namespace

void hide_secrets_of_environment() {
  std::vector<std::string> names;
  for (char** line = environ; *line != nullptr; ++line) {
    const std::string_view text = *line;
    names.emplace_back(text.substr(0, text.find('=')));
  }
  for (const std::string& name : names) {
    if (is_secret(name)) ::setenv(name.c_str(), made_up_key(name).c_str(), 1);
  }
  ::setenv("LITELLM_LOCAL_MODEL_COST_MAP", "true", 1);
  ::setenv("VERTEXAI_PROJECT", "drill", 0);  // Often told by the service account alone, which is hidden now.
  ::unsetenv("SERVER_ROOT_PATH");
}

std::optional<std::string> made_up(const std::string& variable) {
  const std::string name = base::to_lower(variable);
  if (is_secret(name)) return made_up_key(variable);
  if (holds_any(name, {"_url", "_base", "endpoint"})) {
    std::string host = name;
    std::ranges::replace(host, '_', '-');
    return "https://" + host + ".invalid";
  }
  if (name.ends_with("_host")) return "drill.invalid";
  if (holds_any(name, {"region"})) return "us-east-1";
  if (holds_any(name, {"location"})) return "us-central1";
  if (holds_any(name, {"project", "account", "tenant", "_id"})) return "drill";
  return std::nullopt;
}

config::Environment staged_environment(const std::string& text) {
  std::map<std::string, std::string> named;  // The variable, and the key it stands for.
  constexpr std::string_view kPrefix = "os.environ/";
  const auto in_name = [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  for (std::size_t at = text.find(kPrefix); at != std::string::npos; at = text.find(kPrefix, at)) {
    std::size_t key_end = at;
    while (key_end > 0 && holds_any(": \"'", {std::string_view(&text[key_end - 1], 1)})) --key_end;
    std::size_t key = key_end;
    while (key > 0 && in_name(text[key - 1])) --key;
    at += kPrefix.size();
    std::size_t end = at;
    while (end < text.size() && in_name(text[end])) ++end;
    named.emplace(text.substr(at, end - at), text.substr(key, key_end - key));
  }
  return [named = std::move(named)](const std::string& name) -> std::optional<std::string> {
    std::optional<std::string> set = config::process_environment()(name);
    const auto found = named.find(name);
    if ((set && !set->empty()) || found == named.end()) return set;
    if (std::optional<std::string> made = made_up(name)) return made;
    // A name that says nothing: what it stands for does.
    return is_secret(found->second) ? made_up_key(name) : made_up(found->second);
  };
}

milliseconds Clock::scaled(milliseconds limit) const {
  if (!shortened()) return limit;
  const milliseconds part{
      static_cast<std::int64_t>(static_cast<double>(limit.count()) * static_cast<double>(deadline.count()) /
                                static_cast<double>(written.count()))};
  return std::min(limit, std::max(part, kLeastLimit));
}

Clock clock_of(const config::Settings& settings) {
  Clock clock;
  clock.written = settings.router.timeout;
  for (const config::ModelEntry& entry : settings.models) {
    clock.written = std::max(clock.written, entry.timeout.value_or(milliseconds(0)));
  }
  clock.deadline = std::min(clock.written, kDeadline);
  return clock;
}

config::SettingsRef staged_settings(const config::Settings& settings, const Clock& clock) {
  auto staged = std::make_shared<config::Settings>(settings);
  for (config::ModelEntry& entry : staged->models) {
    hide_secrets(entry);
    shorten(entry.timeout, clock);
    shorten(entry.stream_timeout, clock);
    entry.silent_models.clear();  // Mirrors are off the caller's path.
  }
  staged->router.timeout = clock.scaled(staged->router.timeout);
  shorten(staged->router.stream_timeout, clock);
  config::TurnpikeSettings& ours = staged->turnpike;
  ours.connect_timeout = clock.scaled(ours.connect_timeout);
  ours.stream_idle_timeout = clock.scaled(ours.stream_idle_timeout);
  ours.data_dir.clear();
  ours.journal_dir.clear();
  ours.ledger_ship_interval = milliseconds(10);
  ours.termination_grace = milliseconds(0);
  ours.mirroring.clear();
  config::GeneralSettings& general = staged->general;
  general.master_key = base::Secret(std::string(kMadeUpKey));
  general.litellm_key_header_name.clear();
  general.forbid_master_key_inference = false;
  general.disable_spend_logs = false;
  general.background_health_checks = false;  // What a probe finds is not what a caller finds.
  for (std::string* fixed : {&general.completion_model, &general.embedding_model}) fixed->clear();
  take_over_variables(*staged);
  return staged;
}

void redirect(provider::Target& target, const Stand& stand, std::string_view label, const Fault* fault) {
  target.credential = credential::static_credential(made_up_credential(target));
  const std::string own = target.shape == provider::Shape::OpenAi ? std::string("/v1")
                          : target.base.path.empty()              ? std::string(target.provider->bare_path)
                                                                  : target.base.path;
  target.base.path = "/fake/label=" + std::string(label) + own;
  http::Origin origin;
  origin.host = "127.0.0.1";
  origin.port = stand.provider_port;
  switch (fault == nullptr ? Place::Provider : fault->place) {
    case Place::Provider:
      break;
    case Place::Name:
      origin.host = unknown_host();
      break;
    case Place::Handshake:
      origin.tls = true;
      origin.verify = target.base.origin.verify;
      break;
    case Place::Connect:
      origin.port = stand.silent_port;
      break;
  }
  target.base.origin = std::move(origin);
}

}  // namespace turnpike::drill
