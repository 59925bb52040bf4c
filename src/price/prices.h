#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/model_traits.h"
#include "price/price.h"
#include "price/price_field.h"

namespace turnpike::price {

/// Everything the ledger knows of one model: its prices and its sizes. A value; a deployment keeps its own.
///
/// Source:    LiteLLM's price file (`data/prices/README.md`), field by field.
/// Units:     token counts; multipliers in parts per 1e9.
/// Threading: immutable once built; any thread reads.
class Prices {
 public:
  /// The price of `field` for a whole request of `prompt_tokens` (all of them, cached included), or unknown.
  ///
  /// A `tiered_pricing` row is chosen by the prompt first. Else the highest threshold of the model that the prompt
  /// exceeds picks the context tier. Within that: tier and service, tier alone, service alone, the plain price.
  /// A batch price that is missing is half of the standard one where the provider is OpenAI or Azure.
  Price find(PriceField field, std::uint64_t prompt_tokens = 0, ServiceTier service = ServiceTier::Standard) const;

  /// Some price is known (also an explicit 0).
  bool known() const { return !rates_.empty() || !rows_.empty() || !images_.empty(); }
  /// Explicitly free: input and output (or every price there is) are given, and all are 0.
  bool free() const { return free_; }
  /// Charged by time alone: the call's duration belongs into its Usage as Milliseconds.
  bool by_second() const { return by_second_; }

  /// What one image of this size and quality costs: the list's own price for them, else pixels at the price of a pixel;
  /// unknown where only a price for any image is known. Sides of 0: the usual square; an empty quality: the usual one.
  Price image(std::string_view quality, std::uint32_t width, std::uint32_t height) const;

  /// Takes the factor of a regional host ("eu.api.openai.com") over, where the model has one.
  void apply_host(std::string_view host);

  std::string name;                     // Key of the price file, or empty when only overrides gave prices.
  std::string provider;                 // `litellm_provider` of the entry.
  std::string mode;                     // "chat", "embedding", ...; empty when unknown.
  std::uint64_t max_input_tokens = 0;   // 0: unknown.
  std::uint64_t max_output_tokens = 0;  // 0: unknown. The older `max_tokens` where that is all there is.
  std::uint64_t uplift_us_ppb = 0;      // Factor for a regional host; 0: none.
  std::uint64_t uplift_eu_ppb = 0;
  std::uint64_t host_factor_ppb = 0;  // Multiplies every bill; 0: none. Set by `apply_host`.
  domain::ModelTraits traits;         // What the model can do.
  bool search_by_prompt = false;      // Searches of the web are charged once a call, however many there were.

  /// The price of an image of one quality ("": of any) and size, where the list has several.
  struct ImagePrice {
    std::string quality;
    std::uint32_t width = 0;
    std::uint32_t height = 0;
    Price price;
  };

  /// One price with the circumstances it holds for.
  struct Rate {
    FieldKey key;
    Price price;
  };
  /// One row of `tiered_pricing`: holds for prompts of at most `to_tokens`.
  struct Row {
    std::uint64_t to_tokens = 0;
    std::vector<Rate> rates;
  };

  /// Adds or replaces one price.
  void set(FieldKey key, Price price);
  /// Forgets every price that goes with `field` (an own price for Input ends the listed cache, audio and tier prices of
  /// the prompt; one for Output likewise; a price per second ends all prices per token).
  void drop_family(PriceField field);
  void add_row(Row row);
  void add_image(ImagePrice image);
  const std::vector<Rate>& rates() const { return rates_; }
  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<ImagePrice>& images() const { return images_; }

 private:
  Price exact(PriceField field, std::uint32_t above_tokens, ServiceTier service) const;
  void changed();

  std::vector<Rate> rates_;
  std::vector<Row> rows_;  // Ascending.
  std::vector<ImagePrice> images_;
  std::vector<std::uint32_t> thresholds_;  // Of rates_, ascending, distinct.
  bool free_ = false;                      // Asked with every call: known since the last change.
  bool by_second_ = false;
};

}  // namespace turnpike::price
