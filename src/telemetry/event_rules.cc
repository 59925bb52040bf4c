#include "telemetry/event_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "domain/call_record.h"

namespace turnpike::telemetry {
namespace {

using What = Sighting::What;

constexpr std::array<std::string_view, kEventKinds> kKindNames = {
    "cooldown_deployment",  "outage_alerts",        "region_outage_alerts",
    "llm_too_slow",         "llm_requests_hanging", "llm_exceptions",
    "deployment_recovered", "budget_alerts",        "failed_tracking_spend"};

std::int64_t microseconds(config::Milliseconds time) {
  return std::chrono::microseconds(time).count();
}

/// The provider is away, as opposed to: refuses this key, or has enough calls.
bool is_outage(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Timeout:
    case ErrorKind::UpstreamTimeout:
    case ErrorKind::UpstreamInternal:
    case ErrorKind::UpstreamBadGateway:
    case ErrorKind::UpstreamUnavailable:
    case ErrorKind::UpstreamConnection:
    case ErrorKind::UpstreamMalformed:
    case ErrorKind::UpstreamTruncated:
      return true;
    default:
      return false;
  }
}

/// "deployment d1 of group chat (openai)"
std::string named(const Sighting& sighting) {
  return fmt::format("deployment {} of group {} ({})", sighting.deployment_id, sighting.model_group, sighting.provider);
}

/// "status 429, upstream_rate_limited"
std::string reason(const Sighting& sighting) {
  const std::string_view kind = domain::kind_name(sighting.error);
  return sighting.status > 0 ? fmt::format("status {}, {}", sighting.status, kind) : std::string(kind);
}

std::string seconds_text(double seconds) {
  return fmt::format("{} s", std::round(seconds * 10) / 10);
}

Event event_of(EventKind kind, EventLevel level, const Sighting& sighting, std::string text) {
  Event event;
  event.kind = kind;
  event.level = level;
  event.at_us = sighting.at_us;
  event.model_group = sighting.model_group;
  event.deployment_id = sighting.deployment_id;
  event.provider = sighting.provider;
  event.region = sighting.region;
  event.status = sighting.status;
  event.text = std::move(text);
  event.value = sighting.seconds;
  return event;
}

}  // namespace

std::string_view event_kind_name(EventKind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

std::string_view event_level_name(EventLevel level) {
  constexpr std::array<std::string_view, 3> kNames = {"Low", "Medium", "High"};
  return kNames[static_cast<std::size_t>(level)];
}

bool EventRules::first_in(const std::string& what, std::int64_t at_us, config::Milliseconds ttl) {
  const auto [told, fresh] = told_.try_emplace(what, at_us);
  if (!fresh && at_us - told->second < microseconds(ttl)) return false;
  told->second = at_us;
  return true;
}

void EventRules::forget_quiet(std::int64_t now_us) {
  const std::int64_t ttl = microseconds(std::max(settings_.outage_ttl, settings_.region_outage_ttl));
  std::erase_if(told_, [&](const auto& entry) { return now_us - entry.second >= ttl; });
  std::erase_if(failures_, [&](const auto& entry) { return now_us - entry.second.back().at_us >= ttl; });
  // A table this large that is not quiet is no use to anybody.
  if (traces() < kTracesMax) return;
  told_.clear();
  failures_.clear();
}

const EventRules::Failures& EventRules::remember(const std::string& where, const Sighting& sighting,
                                                 config::Milliseconds window) {
  Failures& failures = failures_[where];
  const std::int64_t oldest_us = sighting.at_us - microseconds(window);
  failures.push_back({sighting.at_us, sighting.deployment_id});
  const auto most =
      static_cast<std::size_t>(std::max(settings_.minor_outage_threshold, settings_.major_outage_threshold));
  while (failures.size() > most || failures.front().at_us <= oldest_us) failures.pop_front();
  return failures;
}

void EventRules::count_outage(const Sighting& sighting, std::vector<Event>& out) {
  const std::size_t count = remember(sighting.deployment_id, sighting, settings_.outage_ttl).size();
  const auto tell = [&](EventLevel level, std::string_view name) {
    if (!first_in(fmt::format("{} outage {}", name, sighting.deployment_id), sighting.at_us, settings_.outage_ttl))
      return;
    Event event =
        event_of(EventKind::Outage, level, sighting,
                 fmt::format("{} outage: {} failures of {} within {}, the last: {}", name, count, named(sighting),
                             seconds_text(static_cast<double>(settings_.outage_ttl.count()) / 1000), reason(sighting)));
    event.value = static_cast<double>(count);
    out.push_back(std::move(event));
  };
  if (static_cast<std::int64_t>(count) >= settings_.major_outage_threshold) {
    tell(EventLevel::High, "major");
  } else if (static_cast<std::int64_t>(count) >= settings_.minor_outage_threshold) {
    tell(EventLevel::Medium, "minor");
  }
}

void EventRules::count_region(const Sighting& sighting, std::vector<Event>& out) {
  if (sighting.region.empty()) return;
  const std::string where = fmt::format("{} {}", sighting.provider, sighting.region);
  const Failures& failures = remember("region " + where, sighting, settings_.region_outage_ttl);
  const bool several = std::any_of(failures.begin(), failures.end(), [&](const Failure& failure) {
    return failure.deployment_id != sighting.deployment_id;
  });
  const auto count = static_cast<std::int64_t>(failures.size());
  if (!several || count < settings_.minor_outage_threshold) return;
  const bool major = count >= settings_.major_outage_threshold;
  const std::string_view name = major ? "major" : "minor";
  if (!first_in(fmt::format("{} region {}", name, where), sighting.at_us, settings_.region_outage_ttl)) return;
  Event event = event_of(EventKind::RegionOutage, major ? EventLevel::High : EventLevel::Medium, sighting,
                         fmt::format("{} outage of region {} ({}): {} failures of several deployments, the last: {}",
                                     name, sighting.region, sighting.provider, count, reason(sighting)));
  event.deployment_id.clear();
  event.model_group.clear();
  event.value = static_cast<double>(count);
  out.push_back(std::move(event));
}

void EventRules::failed(const Sighting& sighting, std::vector<Event>& out) {
  const std::string what = fmt::format("failed {} {}", domain::kind_name(sighting.error), sighting.deployment_id);
  if (first_in(what, sighting.at_us, settings_.outage_ttl)) {
    out.push_back(event_of(EventKind::Exceptions, EventLevel::Medium, sighting,
                           fmt::format("{} failed a call: {}", named(sighting), reason(sighting))));
  }
  if (!is_outage(sighting.error)) return;
  count_outage(sighting, out);
  count_region(sighting, out);
}

void EventRules::take(const Sighting& sighting, std::vector<Event>& out) {
  if (traces() >= kTracesMax) forget_quiet(sighting.at_us);
  const auto once = [&](std::string_view what, const std::string& of) {
    return first_in(fmt::format("{} {}", what, of), sighting.at_us, settings_.outage_ttl);
  };
  switch (sighting.what) {
    case What::Failed:
      failed(sighting, out);
      break;
    case What::Rests:
      if (!once("rests", sighting.deployment_id)) break;
      out.push_back(event_of(
          EventKind::CooldownDeployment, EventLevel::Medium, sighting,
          fmt::format("{} rests for {}: {}", named(sighting), seconds_text(sighting.seconds), reason(sighting))));
      break;
    case What::Back:
      if (!once("back", sighting.deployment_id)) break;
      out.push_back(event_of(EventKind::DeploymentRecovered, EventLevel::Low, sighting,
                             fmt::format("{} answers again", named(sighting))));
      break;
    case What::AllResting:
      if (!once("dark", sighting.model_group)) break;
      out.push_back(event_of(EventKind::Outage, EventLevel::High, sighting,
                             fmt::format("all deployments of group {} rest, the first one for {}", sighting.model_group,
                                         seconds_text(sighting.seconds))));
      break;
    case What::Slow:
      if (!once("slow", sighting.deployment_id)) break;
      out.push_back(event_of(EventKind::TooSlow, EventLevel::Low, sighting,
                             fmt::format("{} took {} for an answer", named(sighting), seconds_text(sighting.seconds))));
      break;
    case What::Hangs:
      if (!once("hangs", sighting.deployment_id)) break;
      out.push_back(
          event_of(EventKind::Hanging, EventLevel::Medium, sighting,
                   fmt::format("{} has not answered a call for {}", named(sighting), seconds_text(sighting.seconds))));
      break;
  }
}

}  // namespace turnpike::telemetry
