#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace turnpike::router {

/// A count that belongs to one minute of the wall clock: minute and count in one word, so that no thread loses an
/// addition when the minute changes.
class MinuteCount {
 public:
  std::uint32_t get(std::int64_t now_us) const {
    return static_cast<std::uint32_t>(current(packed_.load(std::memory_order_relaxed), now_us) & kCountMask);
  }
  void add(std::uint64_t more, std::int64_t now_us);
  /// Adds one if that stays within `limit`; exact between threads.
  bool take(double limit, std::int64_t now_us);
  void give_back();

 private:
  static constexpr std::int64_t kMinuteUs = 60'000'000;
  static constexpr std::uint64_t kCountMask = 0xffff'ffff;
  /// The word as it counts now: emptied when its minute is over. One who comes late counts in the newer minute.
  static std::uint64_t current(std::uint64_t packed, std::int64_t now_us) {
    const auto minute = static_cast<std::uint64_t>(now_us / kMinuteUs);
    return packed >> 32 >= minute ? packed : minute << 32;
  }
  std::atomic<std::uint64_t> packed_{0};  // Minute above, count below.
};

/// The middle (p50) of the latest samples of one measure, in seconds. The oldest sample is overwritten; all are
/// forgotten together when none has come for a time.
class Recent {
 public:
  static constexpr std::size_t kSamplesMax = 32;
  static constexpr float kUnseen = -1;

  /// `window`: how many of the latest samples count, at most kSamplesMax.
  void add(double seconds, std::size_t window, std::int64_t now_us, std::int64_t ttl_us);
  float middle(std::int64_t now_us, std::int64_t ttl_us) const;

 private:
  std::array<std::atomic<float>, kSamplesMax> samples_{};  // 0: none yet.
  std::atomic<std::uint32_t> next_{0};
  std::atomic<float> middle_{kUnseen};
  std::atomic<std::int64_t> latest_us_{0};
};

/// How a deployment is doing: what the strategies choose by. Every call writes it, every pick reads it, without a lock;
/// figures that belong together may be a call apart.
struct Load {
  std::atomic<std::int32_t> in_flight{0};  // Streams until their end.
  MinuteCount requests;                    // Begun in the current minute,
  MinuteCount answered;                    // ended well in it,
  MinuteCount tokens;                      // and used by those.
  Recent per_token;      // Seconds of an answer per token it wrote; of the whole answer if it wrote none.
  Recent first_content;  // Of streams: seconds until their first content.
  std::atomic<std::int64_t> timed_out_us{0};
};

}  // namespace turnpike::router
