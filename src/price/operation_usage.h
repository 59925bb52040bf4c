#pragma once

#include <cstdint>

#include "domain/call_record.h"
#include "domain/measures.h"
#include "domain/usage.h"
#include "price/prices.h"

namespace turnpike::price {

/// What a call that writes no text uses, by what it asks for, in the units that the model is priced by: before it is
/// made (the hold), and after it where its provider does not say. `prompt_tokens`: of the text the model reads.
/// `worst`: the most it can come to (budget_mode: strict).
///
/// Guesses, all from the providers' own price pages: speech of 15 characters a second; 10 tokens a second of recording
/// heard and 4 written, 25 a second spoken; an image of 272, 1,290 or 4,160 tokens by quality, half as many again when
/// it is no square, 1,000 for one that is read; one search unit for each hundred documents.
domain::Usage expected_usage(const Prices& prices, domain::Operation operation, const domain::Measures& measures,
                             std::uint64_t prompt_tokens, bool worst = false);

}  // namespace turnpike::price
