#include "price/catalogue.h"

#include <algorithm>
#include <set>

#include "base/hash.h"
#include "base/text.h"
#include "price/embedded.h"
#include "price/price_file.h"

namespace turnpike::price {
namespace {

// Bedrock ids come with a cross-region profile ("us.anthropic...") or a place in front ("us-east-1/anthropic...");
// the list knows many of them only without.
constexpr std::string_view kBedrockProfiles[] = {"us.", "us-gov.", "eu.", "apac.", "au.", "jp.", "ca.", "global."};
constexpr std::string_view kBedrockRoutes[] = {"converse/", "converse_like/", "invoke/"};

bool is_bedrock(std::string_view provider) {
  return provider == "bedrock" || provider == "bedrock_converse";
}

std::string_view without_route(std::string_view model) {
  for (const std::string_view route : kBedrockRoutes) {
    if (model.starts_with(route)) return model.substr(route.size());
  }
  return model;
}

std::string_view without_region(std::string_view model) {
  model = without_route(model);
  // A region path; ARNs and imported models have other slashes and are in no list anyway.
  if (const std::size_t slash = model.find('/'); slash != std::string_view::npos) model = model.substr(slash + 1);
  for (const std::string_view profile : kBedrockProfiles) {
    if (model.starts_with(profile)) return model.substr(profile.size());
  }
  return model;
}

std::string joined(std::string_view provider, std::string_view model) {
  std::string name(provider);
  name.push_back('/');
  name += model;
  return name;
}

// An own price replaces what the list says about the same side of the call.
constexpr std::string_view kSizeSign = "-x-";  // "1024-x-1024/dall-e-2": the price of one size.

bool prices_images(std::string_view key) {
  return key.find("_cost_per_image") != std::string_view::npos || key.find("_cost_per_pixel") != std::string_view::npos;
}

/// What the parts of a name before the model say: "hd/1024-x-1792", "azure/low/1024-x-1024", "1024-x-1024/50-steps".
/// False when they are no size and quality.
bool read_image_name(std::string_view parts, std::string_view provider, Prices::ImagePrice& out) {
  constexpr std::string_view kQualities[] = {"low", "medium", "high", "standard", "hd"};
  constexpr std::string_view kUsualSteps = "50-steps";
  for (const std::string_view part : base::split(parts, '/')) {
    if (const std::size_t times = part.find(kSizeSign); times != std::string_view::npos) {
      const auto width = base::parse_unsigned(part.substr(0, times));
      const auto height = base::parse_unsigned(part.substr(times + kSizeSign.size()));
      if (!width || !height) return false;
      out.width = static_cast<std::uint32_t>(*width);
      out.height = static_cast<std::uint32_t>(*height);
    } else if (std::find(std::begin(kQualities), std::end(kQualities), part) != std::end(kQualities)) {
      out.quality = part;
    } else if (part != kUsualSteps && part != provider) {
      return false;
    }
  }
  return out.width != 0 && out.height != 0;
}

bool replaces_family(std::string_view key) {
  return key == "input_cost_per_token" || key == "output_cost_per_token" || key == "input_cost_per_second" ||
         key == "output_cost_per_second";
}

}  // namespace

bool same_provider_family(std::string_view entry_provider, std::string_view provider) {
  constexpr std::string_view kTextCompletion = "text-completion-";
  if (provider.empty() || entry_provider == provider) return true;
  if (entry_provider.starts_with(kTextCompletion)) entry_provider.remove_prefix(kTextCompletion.size());
  if (provider.starts_with(kTextCompletion)) provider.remove_prefix(kTextCompletion.size());
  if (entry_provider == provider) return true;
  if (is_bedrock(entry_provider) && is_bedrock(provider)) return true;
  if ((entry_provider == "cohere_chat" && provider == "cohere") ||
      (entry_provider == "cohere" && provider == "cohere_chat")) {
    return true;
  }
  if (entry_provider == "azure_text" && provider == "azure") return true;
  // "vertex_ai-anthropic_models", "fireworks_ai-embedding-models".
  return entry_provider.size() > provider.size() && entry_provider.starts_with(provider) &&
         entry_provider[provider.size()] == '-';
}

std::shared_ptr<const Catalogue> Catalogue::built_in() {
  return std::shared_ptr<const Catalogue>(new Catalogue(embedded_prices()));
}

Result<std::shared_ptr<const Catalogue>> Catalogue::load(std::string_view json, std::string_view label) {
  constexpr std::size_t kHashShown = 8;
  Result<std::vector<PriceEntry>> entries = read_price_file(json);
  if (!entries) return base::fail(entries.error());
  if (entries->empty()) return base::fail(ErrorKind::InvalidRequest, "the price file holds no model");
  const std::string version = std::string(label) + " sha256:" + base::sha256_hex(json).substr(0, kHashShown);
  return std::shared_ptr<const Catalogue>(new Catalogue(pack_prices(*entries, version)));
}

std::optional<std::string_view> Catalogue::entry_json(std::string_view name) const {
  const std::size_t index = table_.find(name);
  if (index == table_.size()) return std::nullopt;
  return table_.at(index).json;
}

std::optional<Prices> Catalogue::find(std::string_view name) const {
  return find_of_family(name, {});
}

std::optional<Prices> Catalogue::find_of_family(std::string_view name, std::string_view provider) const {
  const std::size_t index = table_.find(name);
  if (index == table_.size()) return std::nullopt;
  const PriceTable::Entry entry = table_.at(index);
  if (!same_provider_family(entry.provider, provider)) return std::nullopt;
  Result<Prices> prices = read_price_entry(name, entry.json);
  // Entries were read once when their table was made; the test reads each of the compiled-in copy again.
  return prices ? std::optional(std::move(*prices)) : std::nullopt;
}

std::optional<Prices> Catalogue::find_listed(const PriceQuery& query) const {
  if (!query.base_model.empty()) {
    if (auto prices = find(query.base_model)) return prices;
    if (auto prices = find(joined(query.provider, query.base_model))) return prices;
  }
  if (auto prices = find(joined(query.provider, query.model))) return prices;
  if (auto prices = find_of_family(query.model, query.provider)) return prices;
  if (!is_bedrock(query.provider)) return std::nullopt;
  if (auto prices = find_of_family(without_route(query.model), query.provider)) return prices;
  return find_of_family(without_region(query.model), query.provider);
}

const std::vector<std::uint32_t>& Catalogue::image_entries() const {
  std::call_once(image_entries_once_, [this] {
    for (std::size_t index = 0; index < table_.size(); ++index) {
      if (table_.at(index).name.find(kSizeSign) != std::string_view::npos)
        image_entries_.push_back(static_cast<std::uint32_t>(index));
    }
  });
  return image_entries_;
}

void Catalogue::add_image_sizes(const PriceQuery& query, Prices& prices) const {
  std::string_view model = query.base_model.empty() ? query.model : query.base_model;
  if (model.size() > query.provider.size() && model.starts_with(query.provider) &&
      model[query.provider.size()] == '/') {
    model.remove_prefix(query.provider.size() + 1);
  }
  const std::string ending = "/" + std::string(model);
  for (const std::uint32_t index : image_entries()) {
    const PriceTable::Entry entry = table_.at(index);
    if (!entry.name.ends_with(ending) || !same_provider_family(entry.provider, query.provider)) continue;
    Prices::ImagePrice image;
    const std::string_view parts = entry.name.substr(0, entry.name.size() - ending.size());
    if (!read_image_name(parts, query.provider, image)) continue;
    const Result<Prices> own = read_price_entry(entry.name, entry.json);
    if (!own) continue;
    // Some entries say both what an image and what its pixels cost: the same, but for rounding.
    for (const PriceField field : {PriceField::ImageOutput, PriceField::ImageInput}) {
      if (!image.price.known()) image.price = own->find(field);
    }
    if (!image.price.known()) image.price = own->image(image.quality, image.width, image.height);
    if (image.price.known()) prices.add_image(std::move(image));
  }
}

Result<Prices> Catalogue::resolve(const PriceQuery& query) const {
  std::optional<Prices> listed = find_listed(query);
  Prices prices = listed ? std::move(*listed) : Prices();
  const bool own_images = std::ranges::any_of(query.overrides, [](const PriceOverride& setting) {
    return prices_images(setting.key) || replaces_family(setting.key);
  });
  if ((!listed || prices.mode.starts_with("image")) && !own_images) add_image_sizes(query, prices);
  prices.traits.listed = listed.has_value() || !prices.images().empty();
  prices.traits.responses_only = prices.mode == "responses";
  if (prices.provider.empty()) prices.provider = query.provider;
  for (const PriceOverride& setting : query.overrides) {
    if (replaces_family(setting.key)) prices.drop_family(parse_field(setting.key)->field);
  }
  for (const PriceOverride& setting : query.overrides) {
    const std::string_view key =
        setting.key == kCacheHitAlias ? "cache_read_input_token_cost" : std::string_view(setting.key);
    if (key == "litellm_provider" || setting.value.empty() || setting.value == "null") continue;
    if (Result<bool> applied = apply_price_field(prices, key, setting.value); !applied) {
      Error error = applied.error();
      error.message = setting.key + ": " + error.message;
      error.param = setting.key;
      return base::fail(std::move(error));
    }
  }
  return prices;
}

std::vector<std::string> Catalogue::names_of(std::string_view provider) const {
  std::set<std::string> names;
  const std::string prefix = joined(provider, "");
  for (std::size_t index = 0; index < table_.size(); ++index) {
    const PriceTable::Entry entry = table_.at(index);
    if (!same_provider_family(entry.provider, provider)) continue;
    const bool prefixed = entry.name.starts_with(prefix);
    names.emplace(prefixed ? entry.name.substr(prefix.size()) : entry.name);
  }
  return {names.begin(), names.end()};
}

}  // namespace turnpike::price
