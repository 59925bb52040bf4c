#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "config/settings.h"
#include "telemetry/event.h"

namespace turnpike::telemetry {

/// Decides which sightings are worth an event: thresholds of outages, and the same thing only once within its time to
/// live. Pure but for what it remembers.
///
/// Limits: remembers at most `kTracesMax` deployments and regions; those that are quiet are forgotten first.
class EventRules {
 public:
  static constexpr std::size_t kTracesMax = 20'000;

  explicit EventRules(const config::AlertSettings& settings) : settings_(settings) {}
  void set(const config::AlertSettings& settings) { settings_ = settings; }

  /// Appends the events that follow from it, without their numbers.
  void take(const Sighting& sighting, std::vector<Event>& out);
  std::size_t traces() const { return told_.size() + failures_.size(); }

 private:
  struct Failure {
    std::int64_t at_us;
    std::string deployment_id;
  };
  using Failures = std::deque<Failure>;

  bool first_in(const std::string& what, std::int64_t at_us, config::Milliseconds ttl);
  void failed(const Sighting& sighting, std::vector<Event>& out);
  void count_outage(const Sighting& sighting, std::vector<Event>& out);
  void count_region(const Sighting& sighting, std::vector<Event>& out);
  const Failures& remember(const std::string& where, const Sighting& sighting, config::Milliseconds window);
  void forget_quiet(std::int64_t now_us);

  config::AlertSettings settings_;
  std::unordered_map<std::string, std::int64_t> told_;  // What was told, and when.
  std::unordered_map<std::string, Failures> failures_;
};

}  // namespace turnpike::telemetry
