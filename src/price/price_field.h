#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace turnpike::price {

/// The prices of a model that we bill, one per field of the price file (without its tier and service suffixes).
enum class PriceField : std::uint8_t {
  Input,
  Output,
  CacheRead,
  CacheWrite,  // Five minutes.
  CacheWrite1h,
  Reasoning,
  AudioInput,
  AudioOutput,
  ImageTokenInput,
  ImageTokenOutput,
  Request,
  SecondInput,
  SecondOutput,
  AudioSecond,
  CharacterInput,
  CharacterOutput,
  ImageInput,
  ImageOutput,
  PixelInput,  // Per pixel of a made image, both of them.
  PixelOutput,
  Query,
  Page,
  SearchLow,  // Per web search, by the size of its context.
  SearchMedium,
  SearchHigh,
};

/// How fast the provider served the call, as its answer says; Batch is our own knowledge.
enum class ServiceTier : std::uint8_t { Standard, Flex, Priority, Batch };

/// The `service_tier` of an answer ("flex", "priority"); every other word is Standard.
ServiceTier parse_service_tier(std::string_view name);
/// The other way; empty: Standard. Lives for ever.
std::string_view service_tier_name(ServiceTier service);

/// What a field name of the price file means: "input_cost_per_token_above_272k_tokens_priority" is the price of Input
/// for requests above 272,000 prompt tokens served as priority.
struct FieldKey {
  PriceField field;
  ServiceTier service = ServiceTier::Standard;
  std::uint32_t above_tokens = 0;  // 0: no threshold.
  bool operator==(const FieldKey&) const = default;
};

/// Nothing for a name that is not a price we bill.
std::optional<FieldKey> parse_field(std::string_view name);

/// The older spelling of the cache read price; counts only where the newer one is absent.
constexpr std::string_view kCacheHitAlias = "input_cost_per_token_cache_hit";

}  // namespace turnpike::price
