#include "price/bill.h"

#include <array>
#include <limits>

namespace turnpike::price {
namespace {

using domain::Unit;

constexpr Grains kProductMax = kGrainsPerDollar * 1'000'000;
constexpr std::size_t kFactorsMax = 5;  // And the host's.

enum class Rounding : std::uint8_t { HalfEven, Up };

// Which price a unit takes, best first: a kind of token without a price of its own costs what its side costs.
std::span<const PriceField> fields_of(Unit unit) {
  using enum PriceField;
  static constexpr PriceField kInput[] = {Input};
  static constexpr PriceField kCached[] = {CacheRead, Input};
  static constexpr PriceField kWrite[] = {CacheWrite, Input};
  static constexpr PriceField kWrite1h[] = {CacheWrite1h, CacheWrite, Input};
  static constexpr PriceField kAudioIn[] = {AudioInput, Input};
  static constexpr PriceField kImageIn[] = {ImageTokenInput, Input};
  static constexpr PriceField kOutput[] = {Output};
  static constexpr PriceField kReasoning[] = {Reasoning, Output};
  static constexpr PriceField kAudioOut[] = {AudioOutput, Output};
  static constexpr PriceField kImageOut[] = {ImageTokenOutput, Output};
  static constexpr PriceField kImages[] = {ImageOutput, ImageInput};
  // Some entries name both sides of the second; only one is charged.
  static constexpr PriceField kSeconds[] = {SecondInput, SecondOutput, AudioSecond};
  static constexpr PriceField kCharacters[] = {CharacterInput, CharacterOutput};
  static constexpr PriceField kPages[] = {Page};
  static constexpr PriceField kQueries[] = {Query, SearchMedium, SearchLow, SearchHigh};
  static constexpr PriceField kRequests[] = {Request};
  switch (unit) {
    case Unit::InputTokens:
      return kInput;
    case Unit::CachedInputTokens:
      return kCached;
    case Unit::CacheWriteTokens:
      return kWrite;
    case Unit::CacheWrite1hTokens:
      return kWrite1h;
    case Unit::AudioInputTokens:
      return kAudioIn;
    case Unit::ImageInputTokens:
      return kImageIn;
    case Unit::OutputTokens:
      return kOutput;
    case Unit::ReasoningTokens:
      return kReasoning;
    case Unit::AudioOutputTokens:
      return kAudioOut;
    case Unit::ImageOutputTokens:
      return kImageOut;
    case Unit::Images:
      return kImages;
    case Unit::Milliseconds:
      return kSeconds;
    case Unit::Characters:
      return kCharacters;
    case Unit::Pages:
      return kPages;
    case Unit::Queries:
      return kQueries;
    case Unit::Requests:
      return kRequests;
    case Unit::UnbilledInputTokens:
    case Unit::UnbilledOutputTokens:
      break;
  }
  return {};
}

bool is_token(Unit unit) {
  return unit < Unit::Images;
}

bool is_unbilled(Unit unit) {
  return unit == Unit::UnbilledInputTokens || unit == Unit::UnbilledOutputTokens;
}

Price price_of(const Prices& prices, Unit unit, std::uint64_t prompt_tokens, const BillTerms& terms) {
  if (unit == Unit::Images && terms.image.known()) return terms.image;
  if (unit == Unit::Queries) {
    const Price search = prices.find(terms.search, prompt_tokens, terms.service);
    if (search.known() && !prices.find(PriceField::Query).known()) return search;
  }
  for (const PriceField field : fields_of(unit)) {
    const Price price = prices.find(field, prompt_tokens, terms.service);
    if (!price.known()) continue;
    if (unit != Unit::Milliseconds) return price;
    // The price of a second becomes that of a millisecond once; a grain that does not divide is rounded to the nearest.
    return Price::from_grains((price.grains() + 500) / 1000);
  }
  return {};
}

struct Sum {
  Grains grains = 0;
  bool unknown = false;
  bool partial = false;
  bool absurd = false;
};

Sum add_up(const Prices& prices, const domain::Usage& usage, const BillTerms& terms) {
  const std::uint64_t prompt_tokens = usage.prompt_tokens();
  Sum sum;
  bool token_without_price = false;
  bool other_unit_priced = false;
  bool anything_priced = false;
  for (const domain::UnitCount& entry : usage.counts) {
    if (entry.count == 0 || is_unbilled(entry.unit)) continue;
    if (entry.count > domain::kUnitCountMax) {
      sum.absurd = true;
      continue;
    }
    const Price price = price_of(prices, entry.unit, prompt_tokens, terms);
    if (!price.known()) {
      token_without_price |= is_token(entry.unit);
      sum.partial |= entry.unit == Unit::Queries && !prices.free();
      continue;
    }
    anything_priced = true;
    other_unit_priced |= !is_token(entry.unit);
    const bool once = entry.unit == Unit::Queries && prices.search_by_prompt;
    const Grains product = price.grains() * static_cast<Grains>(once ? 1 : entry.count);
    sum.absurd |= product > kProductMax;
    sum.grains += product;
  }
  sum.unknown = sum.absurd || (token_without_price && !other_unit_priced) || (!anything_priced && !usage.empty());
  return sum;
}

// Unsigned integer of 512 bits, least limb first: 128 bits of sum times up to six factors of 64, the host's included.
class Wide {
 public:
  explicit Wide(Grains value)
      : limbs_{static_cast<std::uint64_t>(value),
               static_cast<std::uint64_t>(static_cast<unsigned __int128>(value) >> 64)} {}

  void multiply(std::uint64_t factor) {
    unsigned __int128 carry = 0;
    for (std::uint64_t& limb : limbs_) {
      carry += static_cast<unsigned __int128>(limb) * factor;
      limb = static_cast<std::uint64_t>(carry);
      carry >>= 64;
    }
  }

  /// Returns the remainder.
  std::uint64_t divide(std::uint64_t divisor) {
    unsigned __int128 rest = 0;
    for (auto limb = limbs_.rbegin(); limb != limbs_.rend(); ++limb) {
      rest = rest << 64 | *limb;
      *limb = static_cast<std::uint64_t>(rest / divisor);
      rest %= divisor;
    }
    return static_cast<std::uint64_t>(rest);
  }

  bool fits_money() const {
    for (std::size_t i = 1; i < limbs_.size(); ++i) {
      if (limbs_[i] != 0) return false;
    }
    return limbs_[0] < static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  }
  std::uint64_t low() const { return limbs_[0]; }

 private:
  std::array<std::uint64_t, 8> limbs_{};
};

// `rest` is what the last division by a nanodollar left, `tail` whether anything finer than that was left before.
bool rounds_up(std::uint64_t quotient, std::uint64_t rest, bool tail, Rounding rounding) {
  if (rounding == Rounding::Up) return rest > 0 || tail;
  constexpr std::uint64_t kHalf = static_cast<std::uint64_t>(kGrainsPerNano / 2);
  if (rest != kHalf) return rest > kHalf;
  return tail || quotient % 2 == 1;
}

/// The usual bill, without factors: one division. A sum is below 2^127 and so its quotient below 2^78.
Bill rounded(Bill out, Grains grains, Rounding rounding) {
  const Grains quotient = grains / kGrainsPerNano;
  if (quotient >= std::numeric_limits<std::int64_t>::max()) {
    return {.cost = {}, .unknown = true, .partial = false, .free = false, .absurd = true};
  }
  const auto nano = static_cast<std::uint64_t>(quotient);
  const auto rest = static_cast<std::uint64_t>(grains - quotient * kGrainsPerNano);
  out.cost = Money::from_nano(static_cast<std::int64_t>(nano) + (rounds_up(nano, rest, false, rounding) ? 1 : 0));
  return out;
}

Bill make_bill(const Prices& prices, const domain::Usage& usage, const BillTerms& terms, Rounding rounding) {
  const Sum sum = add_up(prices, usage, terms);
  Bill out;
  out.unknown = sum.unknown;
  out.absurd = sum.absurd;
  if (out.unknown) return out;
  out.partial = sum.partial;
  out.free = prices.free();
  if (sum.grains == 0) return out;
  if (terms.factors_ppb.empty() && prices.host_factor_ppb == 0) return rounded(out, sum.grains, rounding);
  Wide value(sum.grains);
  bool tail = false;
  const bool too_many = terms.factors_ppb.size() > kFactorsMax;
  if (!too_many) {
    for (const std::uint64_t factor : terms.factors_ppb) value.multiply(factor);
    if (prices.host_factor_ppb != 0) value.multiply(prices.host_factor_ppb);
    const std::size_t divisions = terms.factors_ppb.size() + (prices.host_factor_ppb != 0 ? 1 : 0);
    for (std::size_t i = 0; i < divisions; ++i) tail |= value.divide(kFactorOne) != 0;
  }
  const std::uint64_t rest = value.divide(static_cast<std::uint64_t>(kGrainsPerNano));
  if (too_many || !value.fits_money())
    return {.cost = {}, .unknown = true, .partial = false, .free = false, .absurd = true};
  const bool up = rounds_up(value.low(), rest, tail, rounding);
  out.cost = Money::from_nano(static_cast<std::int64_t>(value.low()) + (up ? 1 : 0));
  return out;
}

}  // namespace

Bill bill(const Prices& prices, const domain::Usage& usage, const BillTerms& terms) {
  return make_bill(prices, usage, terms, Rounding::HalfEven);
}

Bill bill_rounded_up(const Prices& prices, const domain::Usage& usage, const BillTerms& terms) {
  return make_bill(prices, usage, terms, Rounding::Up);
}

PriceField parse_search_size(std::string_view size) {
  if (size == "low") return PriceField::SearchLow;
  return size == "high" ? PriceField::SearchHigh : PriceField::SearchMedium;
}

std::string_view search_size_name(PriceField search) {
  if (search == PriceField::SearchLow) return "low";
  return search == PriceField::SearchHigh ? "high" : "medium";
}

void add_own_units(domain::Usage& usage, const Prices& prices, std::uint64_t milliseconds) {
  if (prices.find(PriceField::Request).known()) usage.set(Unit::Requests, 1);
  if (prices.by_second() && usage.of(Unit::Milliseconds) == 0) usage.set(Unit::Milliseconds, milliseconds);
}

Grains bill_grains(const Prices& prices, const domain::Usage& usage, const BillTerms& terms) {
  const Sum sum = add_up(prices, usage, terms);
  return sum.unknown ? -1 : sum.grains;
}

}  // namespace turnpike::price
