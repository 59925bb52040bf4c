#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "price/price_table.h"
#include "price/prices.h"

namespace turnpike::price {

/// Reads a whole price file (one object: model name to entry) into entries sorted by name; of a name that stands twice
/// the last counts. The keys `sample_spec` and `fallback_generalizations` are no models and are left out.
///
/// Source: LiteLLM's model_prices_and_context_window.json, field rules in `data/prices/README.md`.
/// Limits: depth 32.
/// Errors: InvalidRequest for broken JSON or for any entry that `read_price_entry` refuses: whole or not at all.
Result<std::vector<PriceEntry>> read_price_file(std::string_view json);

/// Reads the object of one model. Unknown fields are skipped: newer files have fields that we do not bill.
/// Errors: InvalidRequest naming the model and the field when a price is no number (text with a number is one) or
/// absurd, or a size is no whole number.
Result<Prices> read_price_entry(std::string_view name, std::string_view json);

/// Puts one setting of a price file ("input_cost_per_token", "max_output_tokens", "mode", "supports_reasoning", ...)
/// on `prices`. Returns whether the key means something to us. Errors: InvalidRequest.
Result<bool> apply_price_field(Prices& prices, std::string_view key, std::string_view value);

}  // namespace turnpike::price
