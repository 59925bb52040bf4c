#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace turnpike::domain {

/// What a provider bills by. Token kinds are disjoint here, whatever the provider's own sub-counts look like: a cached
/// prompt token is CachedInput and not Input as well.
enum class Unit : std::uint8_t {
  InputTokens,  // Prompt text that was neither read from nor written to a cache.
  CachedInputTokens,
  CacheWriteTokens,
  CacheWrite1hTokens,
  AudioInputTokens,
  ImageInputTokens,
  OutputTokens,  // Text, without reasoning and audio.
  ReasoningTokens,
  AudioOutputTokens,
  ImageOutputTokens,
  Images,
  Milliseconds,
  Characters,
  Pages,
  Queries,
  Requests,
  UnbilledInputTokens,  // Read or written, and on no invoice: what Cohere puts around a prompt and a tool call.
  UnbilledOutputTokens,
};
constexpr std::size_t kUnitCount = static_cast<std::size_t>(Unit::UnbilledOutputTokens) + 1;
std::string_view unit_name(Unit unit);

/// More of anything in one call is not believed, whoever says it.
constexpr std::uint64_t kUnitCountMax = 1'000'000'000;

struct UnitCount {
  Unit unit = Unit::InputTokens;
  std::uint64_t count = 0;  // At most kUnitCountMax.
  bool operator==(const UnitCount&) const = default;
};

/// A list that has room for every unit in itself: usages are made and copied several times a call.
class UnitCounts {
 public:
  const UnitCount* begin() const { return items_.data(); }
  const UnitCount* end() const { return items_.data() + size_; }
  UnitCount* begin() { return items_.data(); }
  UnitCount* end() { return items_.data() + size_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// At most `kUnitCount` items.
  void push_back(UnitCount item) { items_[size_++] = item; }
  void erase(UnitCount* item) {
    std::copy(item + 1, end(), item);
    --size_;
  }
  bool operator==(const UnitCounts& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

 private:
  std::array<UnitCount, kUnitCount> items_;
  std::size_t size_ = 0;
};

/// What one attempt used: a short list of (unit, count), each unit at most once, no zero counts.
struct Usage {
  UnitCounts counts;
  bool estimated = false;                          // Counted by us, not said by the provider.
  bool input_unsaid = false;                       // The provider named the output only,
  bool output_unsaid = false;                      // or the input only: no 0, but nothing.
  std::optional<std::int64_t> provider_cost_nano;  // The provider's own figure, where it gives one.
  std::optional<std::int64_t> list_cost_nano;      // What our prices say, where the provider's figure was booked.

  std::uint64_t of(Unit unit) const;
  void set(Unit unit, std::uint64_t count);
  bool empty() const { return counts.empty(); }

  /// The figures callers know (OpenAI's terms): prompt includes cached, completion includes reasoning.
  std::uint64_t prompt_tokens() const;
  std::uint64_t completion_tokens() const;
  /// Both: what budgets in tokens count.
  std::int64_t tokens() const { return static_cast<std::int64_t>(prompt_tokens() + completion_tokens()); }
};

/// Both together; one that is absent adds nothing.
std::optional<Usage> sum(std::optional<Usage> a, const std::optional<Usage>& b);

}  // namespace turnpike::domain
