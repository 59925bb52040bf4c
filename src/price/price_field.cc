#include "price/price_field.h"

#include "base/text.h"

namespace turnpike::price {
namespace {

struct FieldName {
  std::string_view name;
  PriceField field;
};

constexpr FieldName kFieldNames[] = {
    {"input_cost_per_token", PriceField::Input},
    {"output_cost_per_token", PriceField::Output},
    {"cache_read_input_token_cost", PriceField::CacheRead},
    {"cache_creation_input_token_cost", PriceField::CacheWrite},
    {"cache_creation_input_token_cost_above_1hr", PriceField::CacheWrite1h},
    {"output_cost_per_reasoning_token", PriceField::Reasoning},
    {"input_cost_per_audio_token", PriceField::AudioInput},
    {"output_cost_per_audio_token", PriceField::AudioOutput},
    {"input_cost_per_image_token", PriceField::ImageTokenInput},
    {"output_cost_per_image_token", PriceField::ImageTokenOutput},
    {"input_cost_per_request", PriceField::Request},
    {"input_cost_per_second", PriceField::SecondInput},
    {"output_cost_per_second", PriceField::SecondOutput},
    {"input_cost_per_audio_per_second", PriceField::AudioSecond},
    {"input_cost_per_character", PriceField::CharacterInput},
    {"output_cost_per_character", PriceField::CharacterOutput},
    {"input_cost_per_image", PriceField::ImageInput},
    {"output_cost_per_image", PriceField::ImageOutput},
    {"input_cost_per_pixel", PriceField::PixelInput},
    {"output_cost_per_pixel", PriceField::PixelOutput},
    {"input_cost_per_query", PriceField::Query},
    {"ocr_cost_per_page", PriceField::Page},
    {"search_context_size_low", PriceField::SearchLow},
    {"search_context_size_medium", PriceField::SearchMedium},
    {"search_context_size_high", PriceField::SearchHigh},
};

struct ServiceSuffix {
  std::string_view suffix;
  ServiceTier service;
};

constexpr ServiceSuffix kServiceSuffixes[] = {
    {"_flex", ServiceTier::Flex}, {"_priority", ServiceTier::Priority}, {"_batches", ServiceTier::Batch}};

}  // namespace

ServiceTier parse_service_tier(std::string_view name) {
  if (name == "flex") return ServiceTier::Flex;
  if (name == "priority") return ServiceTier::Priority;
  return ServiceTier::Standard;
}

std::string_view service_tier_name(ServiceTier service) {
  switch (service) {
    case ServiceTier::Standard:
      return {};
    case ServiceTier::Flex:
      return "flex";
    case ServiceTier::Priority:
      return "priority";
    case ServiceTier::Batch:
      return "batch";
  }
  return {};
}

std::optional<FieldKey> parse_field(std::string_view name) {
  constexpr std::string_view kAbove = "_above_";
  constexpr std::string_view kThousandTokens = "k_tokens";
  constexpr std::uint64_t kThousandsMax = 1'000'000;
  FieldKey key{PriceField::Input};
  for (const ServiceSuffix& service : kServiceSuffixes) {
    if (name.ends_with(service.suffix)) {
      key.service = service.service;
      name.remove_suffix(service.suffix.size());
      break;
    }
  }
  if (name.ends_with(kThousandTokens)) {
    const std::size_t at = name.rfind(kAbove);
    if (at == std::string_view::npos) return std::nullopt;
    const std::size_t digits_at = at + kAbove.size();
    const std::optional<std::uint64_t> thousands =
        base::parse_unsigned(name.substr(digits_at, name.size() - kThousandTokens.size() - digits_at));
    if (!thousands || *thousands == 0 || *thousands > kThousandsMax) return std::nullopt;
    key.above_tokens = static_cast<std::uint32_t>(*thousands * 1000);
    name = name.substr(0, at);
  }
  for (const FieldName& field : kFieldNames) {
    if (field.name == name) {
      key.field = field.field;
      return key;
    }
  }
  return std::nullopt;
}

}  // namespace turnpike::price
