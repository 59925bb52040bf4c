#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "price/price_table.h"
#include "price/prices.h"

namespace turnpike::price {

/// A price or size set by the operator: a key of the price file with its value as text, from `litellm_params` or
/// `model_info` of a deployment.
struct PriceOverride {
  std::string key;
  std::string value;
};

/// Whose prices are asked for.
struct PriceQuery {
  std::string_view provider;                 // "openai", "azure", "bedrock", ...; empty: any.
  std::string_view model;                    // As sent upstream, without the provider prefix.
  std::string_view base_model;               // `model_info.base_model`, or empty.
  std::span<const PriceOverride> overrides;  // Later ones win; keys that are no price and no size are skipped.
};

/// The table of list prices: which model costs what, and how large it is.
///
/// Source:    LiteLLM's price file (MIT): a copy is compiled in (`data/prices/README.md`), another can be loaded.
///            Entries stay text until they are asked for: 3,000 models cost no start time and no heap.
/// Errors:    a broken file is refused whole; the message names the key and the field.
/// Threading: immutable; share as shared_ptr<const Catalogue> and swap whole.
class Catalogue {
 public:
  Catalogue(const Catalogue&) = delete;  // `table_` looks into `loaded_`.
  Catalogue& operator=(const Catalogue&) = delete;

  /// The compiled-in copy: no file, no network, no work.
  static std::shared_ptr<const Catalogue> built_in();

  /// Reads a price file. `label` says where it came from and starts its version.
  static Result<std::shared_ptr<const Catalogue>> load(std::string_view json, std::string_view label);

  /// "2026-08-01 sha256:f3586896": date or label, then the head of the file's hash.
  std::string_view version() const { return table_.version(); }
  std::size_t size() const { return table_.size(); }

  /// The compact JSON object of one entry by its exact key (all its fields but `source`, `comment` and `metadata`).
  std::optional<std::string_view> entry_json(std::string_view name) const;

  /// One entry by its exact key.
  std::optional<Prices> find(std::string_view name) const;

  /// A deployment's prices: base_model, provider/model, model, for Bedrock the id without region; the overrides on top.
  /// Nothing found and no override: `Prices` with nothing known, never an invented price. A bare model name counts only
  /// when its entry belongs to the same provider family.
  ///
  /// An override of the plain input price ends the list's other prices of the prompt (cache, audio, context and service
  /// tiers) unless they are overridden too; the plain output price likewise; a price per second ends all per token.
  /// Errors: InvalidRequest for an override that is no price; `param` names its key.
  Result<Prices> resolve(const PriceQuery& query) const;

  /// The models of a provider family, without its prefix, sorted, for `provider/*` in /v1/models.
  std::vector<std::string> names_of(std::string_view provider) const;

 private:
  explicit Catalogue(std::string_view bytes) : table_(bytes) {}
  explicit Catalogue(std::string bytes) : loaded_(std::move(bytes)), table_(loaded_) {}

  std::optional<Prices> find_of_family(std::string_view name, std::string_view provider) const;
  std::optional<Prices> find_listed(const PriceQuery& query) const;
  void add_image_sizes(const PriceQuery& query, Prices& prices) const;
  const std::vector<std::uint32_t>& image_entries() const;

  std::string loaded_;  // Empty for the compiled-in copy.
  PriceTable table_;
  mutable std::once_flag image_entries_once_;  // Sought out when the first is asked for.
  mutable std::vector<std::uint32_t> image_entries_;
};

/// Whether a catalogue entry of `entry_provider` ("vertex_ai-anthropic_models", "bedrock_converse") is sold by
/// `provider` ("vertex_ai", "bedrock").
bool same_provider_family(std::string_view entry_provider, std::string_view provider);

}  // namespace turnpike::price
