#include "api/shares.h"

#include <fmt/format.h>

#include <algorithm>

#include "account/promises.h"
#include "api/record_fields.h"

namespace turnpike::api {
namespace {

constexpr std::string_view kShareFields[] = {"rpm_limit_type", "tpm_limit_type"};
constexpr std::string_view kTypes[] = {"guaranteed_throughput", "best_effort_throughput", "dynamic"};

account::CapacityOf capacity_in(const pipeline::Snapshot& snapshot) {
  return [&snapshot](const std::string& model) -> domain::RateLimits {
    for (const router::ModelGroupRef& group : snapshot.routing->groups()) {
      if (group->name != model) continue;
      const router::Capacity capacity = router::capacity_of(model, group->deployments, {});
      return {capacity.requests, capacity.tokens, {}};
    }
    return {};
  };
}

}  // namespace

Status check_limit_type(std::string_view shown, const json::Value& value) {
  if (value.is(json::Kind::Null)) return {};
  const std::optional<std::string> type = value.text();
  if (type && std::ranges::find(kTypes, *type) != std::end(kTypes)) return {};
  return refuse_field(shown, fmt::format("{} must be \"guaranteed_throughput\", \"best_effort_throughput\" or "
                                         "\"dynamic\".",
                                         shown));
}

Status check_limit_types(std::string_view metadata_json) {
  json::Document metadata;
  if (!metadata.parse(metadata_json)) return {};
  for (const std::string_view field : kShareFields) {
    const json::Value type = metadata.root().find(field);
    if (!type) continue;
    if (Status known = check_limit_type(field, type); !known) return known;
  }
  return {};
}

bool asks_for_more(std::string_view metadata_json) {
  return std::ranges::any_of(kShareFields, [metadata_json](std::string_view field) {
    const std::string type = metadata_member(metadata_json, field);
    return !type.empty() && type != R"("best_effort_throughput")";
  });
}

Status may_set_priority(const domain::Caller& caller, std::string_view before_json, std::string_view after_json) {
  if (administers(caller)) return {};
  if (metadata_member(before_json, "priority") == metadata_member(after_json, "priority")) return {};
  return forbid_field("metadata.priority", "Only administrators say whose calls come first (metadata.priority).");
}

Status keep_promises(account::Records& records, const Context& context, const account::KeyRow& key) {
  return account::keep_promises(records, key, capacity_in(*context.snapshot));
}

Status keep_promises(account::Records& records, const Context& context, const account::Record& team) {
  return account::keep_promises(records, team, capacity_in(*context.snapshot));
}

}  // namespace turnpike::api
