#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "telemetry/event.h"

namespace turnpike::telemetry {

/// Which of the kept events are asked for.
struct EventQuery {
  std::optional<EventKind> kind = {};
  std::uint64_t since = 0;  // Only those with a higher number.
  std::size_t limit = 1000;
};

/// From the path of a call to whoever is to be told: the path leaves a sighting without a lock, one thread makes events
/// of them (EventRules), keeps the newest `kept`, logs each in one line and hands it to the sinks.
///
/// Limits:    a thread whose `kSightingsMax` sightings nobody has collected yet loses further ones, counted.
/// Threading: `see` of one `thread` is called by one thread at a time and takes no lock; the rest by anyone.
class Events {
 public:
  static constexpr std::size_t kSightingsMax = 512;
  struct Options {
    std::size_t threads = 1;
    std::size_t kept = 1000;
    std::chrono::milliseconds interval{100};
    config::AlertSettings alerts = {};
  };
  static std::unique_ptr<Events> start(Options options);
  virtual ~Events() = default;  // Collects what is left.

  virtual void see(std::size_t thread, Sighting sighting) = 0;
  /// An event that needs no rule: whoever raises it knows that it is worth telling, and once. From any thread; takes a
  /// lock.
  virtual void raise(Event event) = 0;
  virtual void set_alerts(const config::AlertSettings& alerts) = 0;
  virtual void add_sink(std::shared_ptr<EventSink> sink) = 0;
  /// The newest that fit the query, oldest first; collects what is waiting before.
  virtual std::vector<Event> find(const EventQuery& query) = 0;

  virtual std::array<std::uint64_t, kEventKinds> raised() const = 0;
  virtual std::uint64_t dropped() const = 0;
};

/// turnpike_events_total{kind} and turnpike_events_dropped_total, for Metrics::observe_text.
void append_event_metrics(std::string& out, const Events& events);

}  // namespace turnpike::telemetry
