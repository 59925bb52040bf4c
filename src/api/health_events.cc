#include <fmt/format.h>

#include "api/handlers.h"
#include "api/health_state.h"
#include "api/query.h"
#include "base/text.h"
#include "telemetry/events.h"

namespace turnpike::api {
namespace {

using telemetry::Event;
using telemetry::EventKind;

Result<std::optional<EventKind>> asked_kind(const Context& context) {
  const std::string name = context.request().query_value("kind");
  if (name.empty()) return std::nullopt;
  std::string known;
  for (std::size_t i = 0; i < telemetry::kEventKinds; ++i) {
    const auto kind = static_cast<EventKind>(i);
    if (telemetry::event_kind_name(kind) == name) return kind;
    known.append(known.empty() ? "" : ", ").append(telemetry::event_kind_name(kind));
  }
  return refuse_field("kind", "kind must be one of " + known + ".");
}

void write_event(json::Writer& writer, const Event& event) {
  writer.begin_object();
  writer.key("id").number(event.number);
  writer.key("kind").string(telemetry::event_kind_name(event.kind));
  writer.key("level").string(telemetry::event_level_name(event.level));
  writer.key("at").string(base::iso_time(event.at_us));
  if (!event.model_group.empty()) writer.key("model_name").string(event.model_group);
  if (!event.deployment_id.empty()) writer.key("model_id").string(event.deployment_id);
  if (!event.provider.empty()) writer.key("provider").string(event.provider);
  if (!event.region.empty()) writer.key("region").string(event.region);
  if (event.status != 0) writer.key("status").number(std::int64_t{event.status});
  writer.key("value").raw(fmt::format("{}", event.value));
  writer.key("text").string(event.text);
  writer.end_object();
}

void write_rest(json::Writer& writer, const router::Deployment& deployment, std::int64_t now_us) {
  const router::Health& state = *deployment.health;
  const std::int64_t until_us = state.cooling_until_us.load();
  writer.begin_object();
  writer.key("model_id").string(deployment.id);
  writer.key("model_name").string(deployment.model_group);
  writer.key("model").string(deployment.config_model);
  if (deployment.target.provider != nullptr) writer.key("provider").string(deployment.target.provider->name);
  writer.key("since").string(base::iso_time(state.cooling_since_us.load()));
  writer.key("until").string(base::iso_time(until_us));
  writer.key("seconds_left").number(whole_seconds(until_us - now_us));
  writer.key("status").number(std::int64_t{state.cooling_status.load()});
  writer.key("error").string(domain::kind_name(state.cooling_kind.load()));
  write_minute(writer, deployment, now_us);
  writer.key("cooldowns").number(state.cooldowns.load());
  writer.key("probe_out").boolean(state.probing.load());
  writer.end_object();
}

}  // namespace

Task<Result<Reply>> health_events(const Context& context) {
  constexpr std::uint64_t kEventsListedMax = 1000;
  const Result<std::optional<EventKind>> kind = asked_kind(context);
  if (!kind) co_return base::fail(kind.error());
  const Result<std::uint64_t> since =
      query_count(context, "since", 0, 0, std::uint64_t{1} << 53);  // What JSON's readers hold exactly.
  if (!since) co_return base::fail(since.error());
  const Result<std::uint64_t> limit = query_count(context, "limit", kEventsListedMax, 1, kEventsListedMax);
  if (!limit) co_return base::fail(limit.error());
  std::vector<Event> events;
  if (context.gateway.events != nullptr) events = context.gateway.events->find({*kind, *since, *limit});
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("events").begin_array();
  for (const Event& event : events) write_event(writer, event);
  writer.end_array();
  writer.key("last_id").number(events.empty() ? *since : events.back().number);
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> health_cooldowns(const Context& context) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("cooldowns").begin_array();
  std::uint64_t count = 0;
  for (const router::ModelGroupRef& group : context.snapshot->routing->groups()) {
    for (const router::DeploymentRef& deployment : group->deployments) {
      if (!is_resting(*deployment, context.now_us)) continue;
      write_rest(writer, *deployment, context.now_us);
      ++count;
    }
  }
  writer.end_array();
  writer.key("count").number(count);
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

Task<Result<Reply>> health_backlog(const Context& context) {
  std::string body;
  json::Writer writer(body);
  writer.begin_object();
  writer.key("in_flight_requests").number(context.gateway.calls_open.load());
  writer.end_object();
  co_return private_json_reply(std::move(body));
}

}  // namespace turnpike::api
