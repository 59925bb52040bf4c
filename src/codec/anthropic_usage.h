#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "domain/usage.h"
#include "json/document.h"

namespace turnpike::codec {

/// What Anthropic says was used. Its counts are totals so far: a later object replaces what it names and leaves the
/// rest (AC-PRICE-2). `input_tokens` leaves cache tokens out; what was written to the cache for an hour is part of
/// `cache_creation_input_tokens`; thinking is part of the output.
///
/// Source: `Usage` and `MessageDeltaUsage` of Anthropic's SDK; the tokens of a `compaction` iteration are billed but
///         stand in no total, so they are added here.
class AnthropicUsage {
 public:
  /// `placeholder`: the object is that of `message_start`, whose output count is a stand-in. Returns the service tier
  /// it names, or nothing.
  std::string_view take(const json::Value& usage, bool placeholder = false);
  /// Absent until a count was named. While only input was, the output is unsaid.
  std::optional<domain::Usage> said() const;

 private:
  enum Member : std::uint8_t {
    kInputTokens,
    kCacheReadTokens,
    kCacheWriteTokens,
    kCacheCreation,
    kOutputTokens,
    kOutputDetails,
    kServerToolUse,
    kIterations,
    kServiceTier,
    kMembers
  };
  static constexpr std::array<std::string_view, kMembers> kNames = {"input_tokens",
                                                                    "cache_read_input_tokens",
                                                                    "cache_creation_input_tokens",
                                                                    "cache_creation",
                                                                    "output_tokens",
                                                                    "output_tokens_details",
                                                                    "server_tool_use",
                                                                    "iterations",
                                                                    "service_tier"};
  using Members = std::array<json::Value, kMembers>;
  enum Count : std::uint8_t {
    kInput,
    kCacheRead,
    kCacheWrite,
    kCacheWrite5m,
    kCacheWrite1h,
    kOutput,
    kThinking,
    kCounts
  };
  using Counts = std::array<std::optional<std::uint64_t>, kCounts>;
  static void take_counts(const Members& usage, Counts& counts);

  Counts counts_;
  Counts compaction_;
  std::optional<std::uint64_t> searches_;
};

}  // namespace turnpike::codec
