#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "limit/meter.h"

namespace turnpike::limit {

/// Why a call was not admitted: of several limits without room the one with the longest wait.
struct Refusal {
  enum class Why : std::uint8_t {
    Full,       // Room comes back after `wait`.
    TooLarge,   // The call asks for more than the whole limit: it can never pass.
    StoreAway,  // The shared count cannot be reached, and the configuration wants no call without it.
  };
  Why why = Why::Full;
  Subject subject;
  Unit unit = Unit::Requests;
  std::int64_t limit = 0;     // As it was held to,
  std::int64_t whole = 0;     // and as it is written: more where this replica, or this shard, had a part of it.
  bool of_shard = false;      // It is the part of a shard of the shared count.
  std::int64_t share_of = 0;  // What it is somebody's share of; 0: it is no share.
  std::int64_t used = 0;      // Before the call.
  std::int64_t amount = 0;    // What the call asked for.
  std::chrono::microseconds wait{0};

  /// Whole seconds, at least 1.
  std::int64_t retry_seconds() const;
  std::int64_t remaining() const;
};

/// The refusal as the caller reads it: 429 with LiteLLM's words, 503 for StoreAway. `name` is what people call the
/// subject; empty: its id. `unix_us` is the wall clock.
Error refusal_error(const Refusal& refusal, std::string_view name, std::int64_t unix_us);

/// Calls refused, by whose limit and of what. Any thread.
class RefusalCounts {
 public:
  void add(const Refusal& refusal);
  /// turnpike_limit_refusals_total, as Prometheus reads it.
  void append(std::string& page) const;

 private:
  std::array<std::array<std::atomic<std::uint64_t>, kUnits>, kKinds> full_{};
  std::atomic<std::uint64_t> store_away_{0};
};

/// What is left of one unit, of the limit with the least left.
struct Rate {
  std::int64_t limit = 0;
  std::int64_t remaining = 0;
  std::int64_t reset_seconds = 0;  // Until all of it is free again if nothing comes.
};
struct Rates {
  std::optional<Rate> requests, tokens;
};

/// Header lines, lower case: x-ratelimit-{limit,remaining,reset}-{requests,tokens}.
using HeaderLines = std::vector<std::pair<std::string, std::string>>;
HeaderLines rate_lines(const Rates& rates);
/// Those of a refusal: `rates` with the refused limit in them, retry-after, rate_limit_type, reset_at.
HeaderLines refusal_lines(const Refusal& refusal, Rates rates, std::int64_t unix_us);

}  // namespace turnpike::limit
