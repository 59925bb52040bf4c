#include "account/key_routing.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/text.h"
#include "config/settings.h"
#include "json/document.h"
#include "protocol/field_readers.h"

namespace turnpike::account {
namespace {

constexpr std::size_t kFallbacksMax = 256;  // Entries of one list; every call of the key looks through them.
constexpr std::size_t kPoliciesMax = 64;
constexpr std::uint64_t kCountMax = 100;

Status read_limit(const json::Value& value, const std::string& param, std::optional<double>& seconds) {
  const Status read = protocol::read_seconds(value, param, seconds);
  if (read && (!seconds || *seconds > 0)) return {};
  return protocol::refuse(param, "'" + param + "' must be seconds above 0");
}

/// `{"RateLimitErrorRetries": 3}`
Status read_retries(const json::Value& value, const std::string& param, base::ErrorCounts& counts) {
  if (value.is(json::Kind::Null)) return {};
  if (!value.is(json::Kind::Object)) {
    return protocol::refuse(
        param, "'" + param + "' must be an object of error classes, for example {\"RateLimitErrorRetries\": 3}");
  }
  std::vector<std::string> known;
  for (const base::ErrorClass& row : base::kErrorClasses) known.push_back(std::string(row.name) + "Retries");
  for (const json::Value::Pair member : value.members()) {
    const std::string name = member.key.text().value_or("");
    const auto at = static_cast<std::size_t>(std::ranges::find(known, name) - known.begin());
    if (at == known.size()) {
      const std::vector<std::string> near = base::nearest(name, known, 1);
      return protocol::refuse(param, "'" + param + "': no class of error is called " + name.substr(0, 100) +
                                         (near.empty() ? fmt::format("; use {}", fmt::join(known, ", "))
                                                       : "; did you mean " + near.front() + "?"));
    }
    std::optional<std::uint64_t> count;
    if (Status read = protocol::read_count(member.value, param + "." + name, kCountMax, count); !read) return read;
    if (count) counts.*base::kErrorClasses[at].count = static_cast<std::int64_t>(*count);
  }
  return {};
}

Status read_group_retries(const json::Value& value, const std::string& param, domain::KeyRouting& routing) {
  if (value.is(json::Kind::Null)) return {};
  if (!value.is(json::Kind::Object))
    return protocol::refuse(param, "'" + param + "' must be an object of model groups and their retry policies");
  for (const json::Value::Pair member : value.members()) {
    const std::optional<std::string> group = member.key.text();
    if (!group) return protocol::refuse(param, "'" + param + "' holds a name with a broken escape");
    if (routing.model_group_retry_policy.size() == kPoliciesMax) {
      return protocol::refuse(param, "'" + param + "' holds more than " + std::to_string(kPoliciesMax) + " groups");
    }
    auto& policy = routing.model_group_retry_policy.emplace_back(*group, base::ErrorCounts());
    if (Status read = read_retries(member.value, param + "." + *group, policy.second); !read) return read;
  }
  return {};
}

Status read_strategy(const json::Value& value, const std::string& param, std::string& strategy) {
  if (Status read = protocol::read_text(value, param, strategy); !read) return read;
  if (strategy.empty() || std::ranges::find(config::kStrategies, strategy) != config::kStrategies.end()) return {};
  std::string names;
  for (const std::string_view known : config::kStrategies) names += (names.empty() ? "" : ", ") + std::string(known);
  return protocol::refuse(param, "'" + param + "' must be one of " + names);
}

Status read_field(std::string_view name, const json::Value& value, domain::KeyRouting& routing) {
  const std::string param = "router_settings." + std::string(name.substr(0, 100));
  if (name == "fallbacks") return protocol::read_fallbacks(value, param, kFallbacksMax, routing.fallbacks);
  if (name == "context_window_fallbacks")
    return protocol::read_fallbacks(value, param, kFallbacksMax, routing.context_window_fallbacks);
  if (name == "content_policy_fallbacks")
    return protocol::read_fallbacks(value, param, kFallbacksMax, routing.content_policy_fallbacks);
  if (name == "max_fallbacks") return protocol::read_count(value, param, kCountMax, routing.max_fallbacks);
  if (name == "num_retries") return protocol::read_count(value, param, kCountMax, routing.num_retries);
  if (name == "timeout" || name == "request_timeout") return read_limit(value, param, routing.timeout_seconds);
  if (name == "stream_timeout") return read_limit(value, param, routing.stream_timeout_seconds);
  if (name == "retry_policy") return read_retries(value, param, routing.retry_policy);
  if (name == "model_group_retry_policy") return read_group_retries(value, param, routing);
  if (name == "routing_strategy") return read_strategy(value, param, routing.routing_strategy);
  if (name == "enable_tag_filtering") {
    if (value.is(json::Kind::Null)) return {};
    return protocol::read_flag(value, param, routing.enable_tag_filtering.emplace());
  }
  if (protocol::asks_for_nothing(value)) return {};
  return protocol::refuse(param, param +
                                     " cannot be set for one key by this version of Turnpike, so it is refused rather "
                                     "than stored and ignored. A key may have fallbacks, context_window_fallbacks, "
                                     "content_policy_fallbacks, max_fallbacks, num_retries, timeout, stream_timeout, "
                                     "retry_policy, model_group_retry_policy, routing_strategy and "
                                     "enable_tag_filtering; the rest belongs into the configuration.");
}

}  // namespace

Result<domain::KeyRouting> parse_key_routing(std::string_view json_text) {
  domain::KeyRouting routing;
  json::Document document;
  if (Status parsed = document.parse(json_text); !parsed) return base::fail(std::move(parsed.error()));
  if (!document.root().is(json::Kind::Object))
    return protocol::refuse("router_settings", "router_settings must be an object, for example {\"num_retries\": 1}");
  for (const json::Value::Pair member : document.root().members()) {
    const std::optional<std::string> name = member.key.text();
    if (!name) return protocol::refuse("router_settings", "router_settings holds a name with a broken escape");
    if (Status read = read_field(*name, member.value, routing); !read) return base::fail(std::move(read.error()));
  }
  return routing;
}

}  // namespace turnpike::account
