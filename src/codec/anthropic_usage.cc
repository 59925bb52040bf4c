#include "codec/anthropic_usage.h"

#include <algorithm>

namespace turnpike::codec {
namespace {

using domain::Unit;
using json::Value;

void take_count(const Value& value, std::optional<std::uint64_t>& count) {
  if (const auto said = value.whole(); said && *said <= domain::kUnitCountMax) count = said;
}

}  // namespace

void AnthropicUsage::take_counts(const Members& usage, Counts& counts) {
  take_count(usage[kInputTokens], counts[kInput]);
  take_count(usage[kCacheReadTokens], counts[kCacheRead]);
  take_count(usage[kCacheWriteTokens], counts[kCacheWrite]);
  take_count(usage[kCacheCreation].find("ephemeral_5m_input_tokens"), counts[kCacheWrite5m]);
  take_count(usage[kCacheCreation].find("ephemeral_1h_input_tokens"), counts[kCacheWrite1h]);
  take_count(usage[kOutputTokens], counts[kOutput]);
  take_count(usage[kOutputDetails].find("thinking_tokens"), counts[kThinking]);
}

std::string_view AnthropicUsage::take(const Value& usage, bool placeholder) {
  Members members;
  usage.find_each(kNames, members);
  take_counts(members, counts_);
  if (placeholder) counts_[kOutput] = counts_[kThinking] = std::nullopt;
  take_count(members[kServerToolUse].find("web_search_requests"), searches_);
  const Value iterations = members[kIterations];
  if (iterations.is(json::Kind::Array)) compaction_ = {};
  for (const Value iteration : iterations.elements()) {
    if (iteration.find("type").inner() != "compaction") continue;
    Members of_one;
    iteration.find_each(kNames, of_one);
    Counts one;
    take_counts(of_one, one);
    for (std::size_t count = 0; count < kCounts; ++count) {
      if (one[count]) compaction_[count] = compaction_[count].value_or(0) + *one[count];
    }
  }
  return members[kServiceTier].inner();
}

std::optional<domain::Usage> AnthropicUsage::said() const {
  const auto total = [&](Count count) { return counts_[count].value_or(0) + compaction_[count].value_or(0); };
  const std::uint64_t written = std::max(total(kCacheWrite), total(kCacheWrite5m) + total(kCacheWrite1h));
  const std::uint64_t output = total(kOutput);
  // Nobody reads a prompt of no tokens: a zero is a server that does not count.
  const bool input_said = total(kInput) + total(kCacheRead) + written > 0;
  const bool output_said = counts_[kOutput].has_value();
  if (!input_said && output == 0) return std::nullopt;
  const std::uint64_t thinking = std::min(total(kThinking), output);
  domain::Usage usage;
  const auto set = [&](Unit unit, std::uint64_t count) {
    if (count > 0) usage.set(unit, std::min(count, domain::kUnitCountMax));
  };
  set(Unit::InputTokens, total(kInput));
  set(Unit::CachedInputTokens, total(kCacheRead));
  set(Unit::CacheWriteTokens, written - total(kCacheWrite1h));
  set(Unit::CacheWrite1hTokens, total(kCacheWrite1h));
  if (output_said) {
    set(Unit::OutputTokens, output - thinking);
    set(Unit::ReasoningTokens, thinking);
  }
  set(Unit::Queries, searches_.value_or(0));
  usage.input_unsaid = !input_said;
  usage.output_unsaid = !output_said;
  return usage;
}

}  // namespace turnpike::codec
