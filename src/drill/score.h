#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "drill/outcome.h"
#include "drill/stage.h"

namespace turnpike::drill {

/// What a call is judged by.
enum class Criterion : std::uint8_t {
  Truthful,  // An answer, or an error in OpenAI's dialect whose class is the fault's.
  InTime,    // Within the deadline.
  InCap,     // No more attempts than allowed.
  Booked,    // The ledger's entry equals the provider's account.
  Answered,  // No error that another deployment, or a fallback that the configuration lacks, would have averted.
};
inline constexpr std::size_t kCriteria = 5;

/// How a fault ended.
struct Verdict {
  std::array<bool, kCriteria> met{};
  bool reached = false;  // An error reached the caller that somebody else could have averted.
  std::string why;       // What failed, in a few words; empty when nothing did.

  bool passed() const {
    return std::ranges::all_of(met, [](bool one) { return one; });
  }
};

/// The attempts a call may make.
struct Cap {
  int total = 6;
  int per_group = 3;  // 1 + num_retries, for each `order` of the group.
};
Cap cap_of(const config::Settings& settings);

/// Judges one outcome; pure.
Verdict judge(const Outcome& outcome, const Clock& clock, const Cap& cap);

/// Empty when what each provider has served and what was booked for it agree: to the nanodollar where it said what it
/// used; where it did not, the ledger says that it has estimated, and is within a factor of two. Else what does not
/// agree.
std::string compare_books(const Outcome& outcome);

struct Share {
  std::size_t met = 0;
  std::size_t of = 0;
  void count(bool good) { met += good ? 1 : 0, ++of; }
  bool full() const { return met == of; }
  /// Rounded down: 100 is all of them.
  std::size_t percent() const { return of == 0 ? 100 : met * 100 / of; }
};
struct Score {
  std::array<Share, kCriteria> met;
  Share passed;
};
/// Of all outcomes but the line without a fault; `rescued`: only those where somebody healthy could answer.
Score score_of(const std::vector<Outcome>& outcomes, const std::vector<Verdict>& verdicts, bool rescued);

}  // namespace turnpike::drill
