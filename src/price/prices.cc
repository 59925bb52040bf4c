#include "price/prices.h"

#include <algorithm>
#include <span>

namespace turnpike::price {
namespace {

constexpr PriceField kInputFamily[] = {PriceField::Input,        PriceField::CacheRead,  PriceField::CacheWrite,
                                       PriceField::CacheWrite1h, PriceField::AudioInput, PriceField::ImageTokenInput};
constexpr PriceField kOutputFamily[] = {PriceField::Output, PriceField::Reasoning, PriceField::AudioOutput,
                                        PriceField::ImageTokenOutput};

bool in(PriceField field, std::span<const PriceField> family) {
  return std::find(family.begin(), family.end(), field) != family.end();
}

bool per_token(PriceField field) {
  return in(field, kInputFamily) || in(field, kOutputFamily);
}

Price find_rate(const std::vector<Prices::Rate>& rates, FieldKey key) {
  for (const Prices::Rate& rate : rates) {
    if (rate.key == key) return rate.price;
  }
  return {};
}

// OpenAI and Azure sell batches at half price where the file names no price of their own.
bool halves_batches(std::string_view provider) {
  return provider == "openai" || provider == "azure";
}

}  // namespace

Price Prices::exact(PriceField field, std::uint32_t above_tokens, ServiceTier service) const {
  return find_rate(rates_, {field, service, above_tokens});
}

Price Prices::find(PriceField field, std::uint64_t prompt_tokens, ServiceTier service) const {
  if (!rows_.empty()) {
    const auto row = std::find_if(rows_.begin(), rows_.end(),
                                  [&](const Row& candidate) { return prompt_tokens <= candidate.to_tokens; });
    const Price price = find_rate((row == rows_.end() ? rows_.back() : *row).rates, {field});
    if (price.known()) return price;
  }
  std::uint32_t above = 0;
  for (const std::uint32_t threshold : thresholds_) {
    if (prompt_tokens > threshold) above = threshold;
  }
  const bool special = service != ServiceTier::Standard;
  if (special) {
    if (const Price price = exact(field, above, service); price.known()) return price;
  }
  Price price = above > 0 ? exact(field, above, ServiceTier::Standard) : Price();
  if (!price.known() && special && above > 0) {
    if (const Price plain = exact(field, 0, service); plain.known()) return plain;
  }
  if (!price.known()) price = exact(field, 0, ServiceTier::Standard);
  if (service == ServiceTier::Batch && price.known() && per_token(field) && halves_batches(provider)) {
    return Price::from_grains(price.grains() / 2);
  }
  return price;
}

Price Prices::image(std::string_view quality, std::uint32_t width, std::uint32_t height) const {
  constexpr std::uint32_t kUsualSide = 1024;
  constexpr std::string_view kUsualQualities[] = {"", "standard", "medium"};
  if (width == 0 || height == 0) width = height = kUsualSide;
  Price dearest;  // Of this size: what an unknown quality is held at.
  const auto find_quality = [&](std::string_view wanted) {
    Price found;
    for (const ImagePrice& entry : images_) {
      if (entry.width != width || entry.height != height) continue;
      if (entry.quality == wanted) found = entry.price;
      if (!dearest.known() || dearest.grains() < entry.price.grains()) dearest = entry.price;
    }
    return found;
  };
  if (!quality.empty()) {
    if (const Price price = find_quality(quality); price.known()) return price;
    if (const Price price = find_quality(""); price.known()) return price;
  } else {
    for (const std::string_view usual : kUsualQualities) {
      if (const Price price = find_quality(usual); price.known()) return price;
    }
  }
  if (dearest.known()) return dearest;
  const Price in = exact(PriceField::PixelInput, 0, ServiceTier::Standard);
  const Price out = exact(PriceField::PixelOutput, 0, ServiceTier::Standard);
  if (!in.known() && !out.known()) return {};
  return Price::from_grains((in.grains() + out.grains()) * width * height);
}

void Prices::changed() {
  const auto has = [&](PriceField field) { return exact(field, 0, ServiceTier::Standard).known(); };
  by_second_ = (has(PriceField::SecondInput) || has(PriceField::SecondOutput)) && !has(PriceField::Input) &&
               !has(PriceField::Output);
  const bool has_token_prices = has(PriceField::Input) && has(PriceField::Output);
  const auto costs_nothing = [&](const std::vector<Rate>& rates) {
    return std::all_of(rates.begin(), rates.end(), [&](const Rate& rate) {
      const bool counts = !has_token_prices || per_token(rate.key.field) || rate.key.field == PriceField::Request;
      return !counts || rate.price.is_zero();
    });
  };
  free_ = known() && costs_nothing(rates_) &&
          std::all_of(rows_.begin(), rows_.end(), [&](const Row& row) { return costs_nothing(row.rates); }) &&
          std::all_of(images_.begin(), images_.end(), [](const ImagePrice& image) { return image.price.is_zero(); });
}

void Prices::add_row(Row row) {
  rows_.push_back(std::move(row));
  changed();
}

void Prices::add_image(ImagePrice image) {
  images_.push_back(std::move(image));
  changed();
}

void Prices::apply_host(std::string_view host) {
  host_factor_ppb = host.starts_with("us.") ? uplift_us_ppb : host.starts_with("eu.") ? uplift_eu_ppb : 0;
}

void Prices::set(FieldKey key, Price price) {
  const auto found = std::find_if(rates_.begin(), rates_.end(), [&](const Rate& rate) { return rate.key == key; });
  if (found != rates_.end()) {
    found->price = price;
  } else {
    rates_.push_back({key, price});
    const auto at = std::lower_bound(thresholds_.begin(), thresholds_.end(), key.above_tokens);
    const bool tier = key.above_tokens != 0 && (at == thresholds_.end() || *at != key.above_tokens);
    if (tier) thresholds_.insert(at, key.above_tokens);
  }
  changed();
}

void Prices::drop_family(PriceField field) {
  const auto belongs = [&](const Rate& rate) {
    if (field == PriceField::Input) return in(rate.key.field, kInputFamily);
    if (field == PriceField::Output) return in(rate.key.field, kOutputFamily);
    if (field == PriceField::SecondInput || field == PriceField::SecondOutput) return per_token(rate.key.field);
    return rate.key.field == field;
  };
  std::erase_if(rates_, belongs);
  for (Row& row : rows_) std::erase_if(row.rates, belongs);
  std::erase_if(rows_, [](const Row& row) { return row.rates.empty(); });
  changed();
}

}  // namespace turnpike::price
