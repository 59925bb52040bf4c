#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/id.h"

namespace turnpike::storm {

/// What befalls the calls that reach a provider at some moment.
enum class Fault : std::uint8_t {
  None,
  Slow,  // Answers after seconds, but answers.
  Internal,
  Unavailable,
  UnavailableRetryAfter,
  RateLimited,
  RateLimitedRetryAfter,
  Reset,        // The connection is closed without a word.
  Refused,      // Nobody listens.
  SilentHead,   // No head of an answer comes.
  SilentEvent,  // A head and a sign of life, and then no first content.
  ErrorIn200,
  Malformed,
  CutEarly,      // Closed before the first content.
  CutLate,       // Closed in the middle of the content.
  StallLate,     // Silent in the middle of the content.
  MissingUsage,  // A good answer that does not say what it used.
  Unauthorized,
  NoCredit,
};
inline constexpr std::size_t kFaults = 19;
std::string_view name_of(Fault fault);

/// Such calls can be answered, so that a deployment under it is as good as any.
constexpr bool is_harmless(Fault fault) {
  return fault == Fault::None || fault == Fault::MissingUsage;
}

/// How long after its end a fault may still keep a deployment at rest: the gateway's own rest, and before it the limit
/// of time of calls that were waiting when it ended.
struct Echo {
  std::int64_t rest_us = 0;
  std::int64_t patience_us = 0;
};

/// One provider's fate: phases of health and of faults, drawn from a seed, that follow each other without a gap.
class Weather {
 public:
  Weather(std::uint64_t seed, std::int64_t from_us, std::int64_t length_us);

  Fault at(std::int64_t now_us) const;
  /// When the phase of this moment ends.
  std::int64_t end_of_phase(std::int64_t now_us) const;
  /// Whether nothing was wrong in all this time, and the echo of what had been wrong before is over.
  bool was_good(std::int64_t from_us, std::int64_t to_us, const Echo& echo) const;

 private:
  struct Phase {
    std::int64_t from_us;
    std::int64_t to_us;
    Fault fault;
  };
  const Phase& phase_at(std::int64_t now_us) const;
  std::vector<Phase> phases_;
};

}  // namespace turnpike::storm
