#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace turnpike::telemetry {

/// What an operator may want to be told of; named as LiteLLM's alert types, with one of our own for good news.
enum class EventKind : std::uint8_t {
  CooldownDeployment,   // A deployment was put to rest.
  Outage,               // Many failures of one deployment, or all of a group rest.
  RegionOutage,         // Many failures of several deployments of one provider's region.
  TooSlow,              // An answer took longer than alerting_threshold.
  Hanging,              // A call has had no answer for that long.
  Exceptions,           // A provider failed a call.
  DeploymentRecovered,  // A deployment that rested has answered again.
  Budget,               // What somebody has spent has passed a threshold of his budget.
  FailedTracking,       // Entries of the ledger that the database does not take.
};
inline constexpr std::size_t kEventKinds = 9;
std::string_view event_kind_name(EventKind kind);  // "cooldown_deployment", ...

enum class EventLevel : std::uint8_t { Low, Medium, High };
std::string_view event_level_name(EventLevel level);  // "Low", ...

/// One thing that happened, told once however many calls met it. Holds names of the configuration and nothing that
/// providers or callers wrote.
struct Event {
  std::uint64_t number = 0;  // Rises by one; from 1 at every start.
  EventKind kind = EventKind::Exceptions;
  EventLevel level = EventLevel::Low;
  std::int64_t at_us = 0;  // Unix microseconds.
  std::string model_group;
  std::string deployment_id;  // Empty: of a group or region.
  std::string provider;
  std::string region;
  int status = 0;  // The provider's; 0: none.
  std::string text;
  double value = 0;  // Seconds (of a rest, an answer, a wait), failures, dollars spent or entries.
};

/// Where events go beside the ring that GET /health/events reads; mail, chat and webhooks will be such.
class EventSink {
 public:
  virtual ~EventSink() = default;
  /// On the events' own thread, one at a time, in order. May wait, but holds up all later events as long.
  virtual void raised(const Event& event) = 0;
};

/// What the path of a call has seen of a deployment; the rules make events of it.
struct Sighting {
  enum class What : std::uint8_t {
    Failed,      // An attempt failed, and the provider is to blame.
    Rests,       // It was put to rest for `seconds`.
    Back,        // It has answered after a rest.
    AllResting,  // Everybody of the group rests; the first rest ends in `seconds`.
    Slow,        // An answer took `seconds`.
    Hangs,       // A call has waited for `seconds`.
  };
  What what = What::Failed;
  std::int64_t at_us = 0;
  std::string model_group, deployment_id, provider, region;
  ErrorKind error = ErrorKind::Internal;
  int status = 0;
  double seconds = 0;
};

}  // namespace turnpike::telemetry
