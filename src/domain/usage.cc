#include "domain/usage.h"

#include <algorithm>

namespace turnpike::domain {

std::string_view unit_name(Unit unit) {
  switch (unit) {
    case Unit::InputTokens:
      return "input_tokens";
    case Unit::CachedInputTokens:
      return "cached_input_tokens";
    case Unit::CacheWriteTokens:
      return "cache_write_tokens";
    case Unit::CacheWrite1hTokens:
      return "cache_write_1h_tokens";
    case Unit::AudioInputTokens:
      return "audio_input_tokens";
    case Unit::ImageInputTokens:
      return "image_input_tokens";
    case Unit::OutputTokens:
      return "output_tokens";
    case Unit::ReasoningTokens:
      return "reasoning_tokens";
    case Unit::AudioOutputTokens:
      return "audio_output_tokens";
    case Unit::ImageOutputTokens:
      return "image_output_tokens";
    case Unit::Images:
      return "images";
    case Unit::Milliseconds:
      return "milliseconds";
    case Unit::Characters:
      return "characters";
    case Unit::Pages:
      return "pages";
    case Unit::Queries:
      return "queries";
    case Unit::Requests:
      return "requests";
    case Unit::UnbilledInputTokens:
      return "unbilled_input_tokens";
    case Unit::UnbilledOutputTokens:
      return "unbilled_output_tokens";
  }
  return "";
}

std::uint64_t Usage::of(Unit unit) const {
  for (const UnitCount& entry : counts) {
    if (entry.unit == unit) return entry.count;
  }
  return 0;
}

void Usage::set(Unit unit, std::uint64_t count) {
  const auto found =
      std::find_if(counts.begin(), counts.end(), [&](const UnitCount& entry) { return entry.unit == unit; });
  if (found == counts.end()) {
    if (count > 0) counts.push_back({unit, count});
  } else if (count > 0) {
    found->count = count;
  } else {
    counts.erase(found);
  }
}

namespace {

std::uint64_t sum(const Usage& usage, Unit first, Unit last) {
  std::uint64_t total = 0;
  for (const UnitCount& entry : usage.counts) {
    if (entry.unit >= first && entry.unit <= last) total += entry.count;
  }
  return total;
}

}  // namespace

std::optional<Usage> sum(std::optional<Usage> a, const std::optional<Usage>& b) {
  if (!a) return b;
  if (!b) return a;
  for (const UnitCount& entry : b->counts) a->set(entry.unit, a->of(entry.unit) + entry.count);
  a->estimated |= b->estimated;
  return a;
}

std::uint64_t Usage::prompt_tokens() const {
  return sum(*this, Unit::InputTokens, Unit::ImageInputTokens) + of(Unit::UnbilledInputTokens);
}

std::uint64_t Usage::completion_tokens() const {
  return sum(*this, Unit::OutputTokens, Unit::ImageOutputTokens) + of(Unit::UnbilledOutputTokens);
}

}  // namespace turnpike::domain
