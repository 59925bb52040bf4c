#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/money.h"
#include "domain/usage.h"
#include "price/prices.h"

namespace turnpike::price {

constexpr std::uint64_t kFactorOne = 1'000'000'000;  // Factors are in parts per 1e9.

/// Circumstances of a bill beside what was used.
struct BillTerms {
  ServiceTier service = ServiceTier::Standard;   // Of the answer, not of the request.
  std::span<const std::uint64_t> factors_ppb{};  // Discount, margin, regional uplift: their product, applied once.
  Price image{};  // Of one image of the size and quality that were made, where it is known.
  PriceField search = PriceField::SearchMedium;  // Of one search of the web, by the size of its context.
};

/// What one attempt cost.
struct Bill {
  Money cost;            // 0 when unknown.
  bool unknown = false;  // Something was used that has no price.
  bool partial = false;  // Searches beside it have none: the cost is of all but them.
  bool free = false;     // Explicit price 0.
  bool absurd = false;   // A count above 1e9 or a product above $1,000,000: not believed; `unknown` is set too.
  bool operator==(const Bill&) const = default;
};

/// Prices one attempt: the exact sum of count x price in 128 bits, times all factors, rounded once to nanodollars, half
/// to even.
///
/// Tokens without a price of their own kind cost what their side costs (cached input: the input price; reasoning: the
/// output price; a one-hour cache write: the five-minute write). Token counts of a model that is charged by another
/// unit in this usage (images, time, characters, pages, queries, requests) cost nothing beside it. A search of the web
/// costs what its size does, else what the list has for another size.
Bill bill(const Prices& prices, const domain::Usage& usage, const BillTerms& terms = {});

/// The same rounded up, so that a hold for the worst case is never below the cost.
Bill bill_rounded_up(const Prices& prices, const domain::Usage& usage, const BillTerms& terms = {});

/// What a call uses by being made, where the model charges for it: one request, the time it took (unless a length of
/// time was used already, that of a recording).
void add_own_units(domain::Usage& usage, const Prices& prices, std::uint64_t milliseconds);

/// What "low", "medium" and "high" mean; else medium, as at those who sell searches.
PriceField parse_search_size(std::string_view size);
std::string_view search_size_name(PriceField search);  // Lives for ever.

/// Units x price in grains before factors and rounding, for callers who compare (dearest deployment); -1 when unknown.
Grains bill_grains(const Prices& prices, const domain::Usage& usage, const BillTerms& terms = {});

}  // namespace turnpike::price
