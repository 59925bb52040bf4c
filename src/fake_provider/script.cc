#include "fake_provider/script.h"

#include <algorithm>
#include <charconv>

#include "json/scan.h"

namespace turnpike::fake_provider {
namespace {

struct NumberDirective {
  std::string_view name;
  std::int64_t Script::* field;
};
constexpr NumberDirective kNumbers[] = {
    {"burst", &Script::burst},
    {"cached_tokens", &Script::cached_tokens},
    {"cut_after", &Script::cut_after},
    {"end_after", &Script::end_after},
    {"error_after", &Script::error_after},
    {"fail_times", &Script::fail_times},
    {"latency_ms", &Script::latency_ms},
    {"pad_bytes", &Script::pad_bytes},
    {"prompt_tokens", &Script::prompt_tokens},
    {"reasoning_tokens", &Script::reasoning_tokens},
    {"retry_after", &Script::retry_after},
    {"slow_first_ms", &Script::slow_first_ms},
    {"stall_after", &Script::stall_after},
    {"status", &Script::status},
    {"token_ms", &Script::token_ms},
    {"tokens", &Script::tokens},
    {"tool_calls", &Script::tool_calls},
};

struct SwitchDirective {
  std::string_view name;
  bool Script::* field;
};
constexpr SwitchDirective kSwitches[] = {
    {"error_in_200", &Script::error_in_200},
    {"malformed_json", &Script::malformed_json},
    {"malformed_sse", &Script::malformed_sse},
    {"no_usage", &Script::no_usage},
    {"one_byte", &Script::one_byte},
    {"record", &Script::record},
    {"reset", &Script::reset},
    {"silent", &Script::silent},
};

struct TextDirective {
  std::string_view name;
  std::string Script::* field;
};
constexpr TextDirective kTexts[] = {
    {"error_code", &Script::error_code}, {"error_message", &Script::error_message}, {"id", &Script::id},
    {"label", &Script::label},           {"require_key", &Script::require_key},
};

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const std::size_t end = text.find_first_of("+, []\"");
    if (end != 0) words.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return words;
}

}  // namespace

bool Script::is_odd(std::string_view word) const {
  return !odd.empty() && std::find(odd.begin(), odd.end(), word) != odd.end();
}

void Script::heal() {
  const Script well;
  fault = well.fault;
  status = well.status;
  for (std::int64_t Script::* const place :
       {&Script::cut_after, &Script::end_after, &Script::stall_after, &Script::error_after, &Script::slow_first_ms}) {
    this->*place = well.*place;
  }
  for (bool Script::* const way : {&Script::no_usage, &Script::error_in_200, &Script::malformed_sse,
                                   &Script::malformed_json, &Script::silent, &Script::reset}) {
    this->*way = false;
  }
}

Status apply(Script& script, std::string_view name, std::string_view value) {
  for (const NumberDirective& directive : kNumbers) {
    if (directive.name != name) continue;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) {
      return base::fail(ErrorKind::InvalidRequest, "fake: " + std::string(name) + " needs a whole number");
    }
    script.*directive.field = number;
    return {};
  }
  for (const SwitchDirective& directive : kSwitches) {
    if (directive.name != name) continue;
    script.*directive.field = value.empty() || value == "true" || value == "1";
    return {};
  }
  for (const TextDirective& directive : kTexts) {
    if (directive.name != name) continue;
    script.*directive.field = std::string(value);
    return {};
  }
  if (name == "fault") {
    for (const std::string& word : words_of(value)) {
      if (auto applied = apply_fault(script, word); !applied) return applied;
    }
    return {};
  }
  if (name == "odd") {
    script.odd = words_of(value);
    for (const std::string& word : script.odd) {
      if (std::find(std::begin(kOddWords), std::end(kOddWords), word) == std::end(kOddWords)) {
        return base::fail(ErrorKind::InvalidRequest, "fake: odd does not know " + word);
      }
    }
    return {};
  }
  return base::fail(ErrorKind::InvalidRequest, "fake: unknown directive " + std::string(name));
}

Status apply_list(Script& script, std::string_view list) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view directive = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    if (directive.empty()) continue;
    const std::size_t equals = directive.find('=');
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : directive.substr(equals + 1);
    if (auto applied = apply(script, directive.substr(0, equals), value); !applied) return applied;
  }
  return {};
}

Status apply_object(Script& script, std::string_view object) {
  json::Scan scan;
  if (auto scanned = json::scan(object, {}, scan); !scanned) return scanned;
  for (const json::Member& member : scan.members) {
    if (member.kind == json::Kind::Null) continue;
    std::string text;
    if (member.kind == json::Kind::String) {
      auto unescaped = json::text_of(object, member);
      if (!unescaped) return base::fail(std::move(unescaped.error()));
      text = std::move(*unescaped);
    } else {
      text = std::string(member.value.in(object));
    }
    if (auto applied = apply(script, member.key, text); !applied) return applied;
  }
  return {};
}

}  // namespace turnpike::fake_provider
