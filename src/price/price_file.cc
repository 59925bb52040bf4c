#include "price/price_file.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "json/write.h"

namespace turnpike::price {
namespace {

using boost::json::error_code;

constexpr std::string_view kNotModels[] = {"sample_spec", "fallback_generalizations"};
constexpr std::string_view kLeftOut[] = {"source", "comment", "metadata"};
constexpr std::string_view kTiers = "tiered_pricing";
constexpr std::string_view kRange = "range";
constexpr std::string_view kSearchByPrompt[] = {"gemini", "vertex_ai", "vertex_ai-language-models"};
constexpr std::string_view kSearch = "search_context_cost_per_query";

template <std::size_t kSize>
bool one_of(std::string_view text, const std::string_view (&list)[kSize]) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

// Sizes are written as integers, as 256000.0 and as 1e6. They are no money: a double holds them exactly.
std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr double kSizeMax = 1e15;
  double value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (!(value >= 0) || value > kSizeMax || value != std::floor(value)) return std::nullopt;
  return static_cast<std::uint64_t>(value);
}

bool parse_flag(std::string_view text) {
  return text == "true" || text == "True";
}

// Takes the values of one entry as the parser meets them and makes Prices of them.
class EntryBuilder {
 public:
  void begin(std::string_view name) {
    prices_ = Prices();
    prices_.name = name;
    cache_hit_ = Price();
    legacy_max_ = 0;
    elsewhere_ = false;
    by_query_ = false;
    tier_ = {};
  }

  // `path` is the field, then what is nested in it; list positions leave no trace.
  Status value(std::span<const std::string> path, std::string_view text) {
    const std::string& field = path.front();
    if (field == kTiers) return path.size() == 2 ? tier_value(path[1], text) : Status();
    if (field == kSearch && path.size() == 2) return price_of(path[1], text);
    if (path.size() > 1) return {};
    if (field == kCacheHitAlias) {
      Result<Price> price = Price::parse(text);
      if (!price) return named(price.error(), field);
      cache_hit_ = *price;
      return {};
    }
    if (field == "supported_regions") {
      const bool only = !elsewhere_ && text == "global";
      elsewhere_ = !only;
      prices_.traits.set(domain::Trait::GlobalOnly, only);
      return {};
    }
    if (field == "web_search_billing_unit") {
      by_query_ = text == "per_query";
      return {};
    }
    if (field == "max_tokens") {
      legacy_max_ = parse_size(text).value_or(0);
      return {};
    }
    if (Result<bool> applied = apply_price_field(prices_, field, text); !applied) return named(applied.error(), field);
    return {};
  }

  // A list or an object stands where `field` should have a price.
  Status nested(std::string_view field) {
    if (!parse_field(field)) return {};
    return base::fail(ErrorKind::InvalidRequest, where(field) + "a price is a number");
  }

  void end_tier() {
    if (!tier_.rates.empty()) prices_.add_row(std::move(tier_));
    tier_ = {};
  }

  Prices end() {
    const bool has_cache_read = prices_.find(PriceField::CacheRead).known();
    if (cache_hit_.known() && !has_cache_read) prices_.set({PriceField::CacheRead}, cache_hit_);
    if (prices_.max_output_tokens == 0) prices_.max_output_tokens = legacy_max_;
    // Google charges its older models' searches by the prompt; all others charge each search.
    prices_.search_by_prompt = one_of(prices_.provider, kSearchByPrompt) && !by_query_;
    return std::move(prices_);
  }

  const Prices& prices() const { return prices_; }

 private:
  std::string where(std::string_view field) const { return prices_.name + ": " + std::string(field) + ": "; }

  tl::unexpected<Error> named(Error error, std::string_view field) const {
    error.message = where(field) + error.message;
    error.param = field;
    return base::fail(std::move(error));
  }

  Status price_of(std::string_view field, std::string_view text) {
    const std::optional<FieldKey> key = parse_field(field);
    if (!key) return {};
    Result<Price> price = Price::parse(text);
    if (!price) return named(price.error(), field);
    prices_.set(*key, *price);
    return {};
  }

  Status tier_value(std::string_view field, std::string_view text) {
    if (field == kRange) {
      const std::optional<std::uint64_t> edge = parse_size(text);
      if (!edge) return base::fail(ErrorKind::InvalidRequest, where(kTiers) + "a range has two whole numbers");
      tier_.to_tokens = *edge;  // The second one stays.
      return {};
    }
    const std::optional<FieldKey> key = parse_field(field);
    if (!key) return {};
    Result<Price> price = Price::parse(text);
    if (!price) return named(price.error(), field);
    tier_.rates.push_back({*key, *price});
    return {};
  }

  Prices prices_;
  Price cache_hit_;
  std::uint64_t legacy_max_ = 0;
  bool elsewhere_ = false;  // A region that is not "global" has been named.
  bool by_query_ = false;   // web_search_billing_unit
  Prices::Row tier_;
};

// Follows the parser through one entry (`entry_depth` 1) or a file of entries (2). Rewrites each entry of a file as
// compact text on the way, numbers as they stand.
struct Handler {
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  explicit Handler(std::size_t entry_depth_) : entry_depth(entry_depth_) {}

  std::size_t entry_depth;
  EntryBuilder builder;
  std::vector<PriceEntry> entries;
  std::optional<Error> error;

  struct Level {
    bool object;
    bool has_items = false;
  };
  std::vector<Level> levels;
  std::vector<std::string> path;  // Keys of the entry's objects that are open.
  std::string entry_name;
  std::string json;
  std::string text;
  bool no_model = false;  // Inside a reserved key.
  bool left_out = false;  // Inside a field that is not kept.

  bool in_entry() const { return levels.size() >= entry_depth && !no_model; }
  bool file() const { return entry_depth == 2; }

  bool check(const Status& status, error_code& failure) {
    if (status) return true;
    error = status.error();
    failure = boost::json::error::syntax;
    return false;
  }

  void separate() {
    if (levels.empty() || !in_entry() || left_out) return;
    Level& level = levels.back();
    if (level.has_items && !level.object) json.push_back(',');
    level.has_items = true;
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }

  bool open(bool object, error_code& failure) {
    if (levels.empty() && !object) return check(base::fail(ErrorKind::InvalidRequest, "not a JSON object"), failure);
    if (file() && levels.size() == 1 && !object) return not_an_object(failure);
    if (in_entry()) {
      if (path.size() == 1 && !check(builder.nested(path[0]), failure)) return false;
      separate();
      if (!left_out) json.push_back(object ? '{' : '[');
    }
    levels.push_back({object});
    if (levels.size() == entry_depth) {
      builder.begin(entry_name);
      json = "{";
    }
    return true;
  }

  bool close(bool object) {
    if (in_entry()) {
      if (levels.size() == entry_depth) {
        json.push_back('}');
        finish_entry();
      } else if (!left_out) {
        json.push_back(object ? '}' : ']');
      }
      if (object && levels.size() == entry_depth + 2 && !path.empty() && path[0] == kTiers) builder.end_tier();
    }
    levels.pop_back();
    const std::size_t keys_open = objects_open() - std::min<std::size_t>(objects_open(), file() ? 1 : 0);
    if (path.size() > keys_open) path.resize(keys_open);
    return true;
  }

  void finish_entry() {
    if (!file()) return;
    PriceEntry entry;
    entry.name = entry_name;
    entry.provider = builder.prices().provider;
    entry.json = std::move(json);
    entries.push_back(std::move(entry));
    json = {};
  }

  bool not_an_object(error_code& failure) {
    return check(base::fail(ErrorKind::InvalidRequest, entry_name + ": a model is an object"), failure);
  }

  bool on_object_begin(error_code& failure) { return open(true, failure); }
  bool on_object_end(std::size_t, error_code&) { return close(true); }
  bool on_array_begin(error_code& failure) { return open(false, failure); }
  bool on_array_end(std::size_t, error_code&) { return close(false); }

  bool on_key_part(boost::json::string_view part, std::size_t, error_code&) {
    text.append(part.data(), part.size());
    return true;
  }
  bool on_key(boost::json::string_view part, std::size_t, error_code&) {
    text.append(part.data(), part.size());
    if (file() && levels.size() == 1) {
      entry_name = text;
      no_model = one_of(text, kNotModels);
    } else if (in_entry()) {
      // Keys of this object replace one another at its place in the path.
      const std::size_t place = objects_open() - (file() ? 2 : 1);
      path.resize(place);
      path.push_back(text);
      if (levels.size() == entry_depth) left_out = one_of(text, kLeftOut);
      if (!left_out) {
        if (levels.back().has_items) json.push_back(',');
        levels.back().has_items = true;
        json::append_string(json, text);
        json.push_back(':');
      }
    }
    text.clear();
    return true;
  }

  std::size_t objects_open() const {
    return static_cast<std::size_t>(
        std::count_if(levels.begin(), levels.end(), [](const Level& level) { return level.object; }));
  }

  bool scalar(std::string_view shown, std::string_view value, error_code& failure) {
    if (levels.empty()) return check(base::fail(ErrorKind::InvalidRequest, "not a JSON object"), failure);
    if (file() && levels.size() == 1) {
      return no_model || not_an_object(failure);
    }
    if (!in_entry()) return true;
    separate();
    if (!left_out) json += shown;
    // An explicit null is a field that is not there.
    return value == "null" || check(builder.value(path, value), failure);
  }

  bool on_string_part(boost::json::string_view part, std::size_t, error_code&) {
    text.append(part.data(), part.size());
    return true;
  }
  bool on_string(boost::json::string_view part, std::size_t, error_code& failure) {
    text.append(part.data(), part.size());
    std::string shown;
    if (file() && in_entry() && !left_out) json::append_string(shown, text);
    const bool good = scalar(shown, text, failure);
    text.clear();
    return good;
  }
  bool on_number_part(boost::json::string_view part, error_code&) {
    text.append(part.data(), part.size());
    return true;
  }
  bool number(boost::json::string_view part, error_code& failure) {
    text.append(part.data(), part.size());
    const bool good = scalar(text, text, failure);
    text.clear();
    return good;
  }
  bool on_int64(std::int64_t, boost::json::string_view part, error_code& failure) { return number(part, failure); }
  bool on_uint64(std::uint64_t, boost::json::string_view part, error_code& failure) { return number(part, failure); }
  bool on_double(double, boost::json::string_view part, error_code& failure) { return number(part, failure); }
  bool on_bool(bool value, error_code& failure) {
    return scalar(value ? "true" : "false", value ? "true" : "false", failure);
  }
  bool on_null(error_code& failure) { return scalar("null", "null", failure); }
  bool on_comment_part(boost::json::string_view, error_code&) { return true; }
  bool on_comment(boost::json::string_view, error_code&) { return true; }
};

Status run(boost::json::basic_parser<Handler>& parser, std::string_view json, std::string_view what) {
  error_code failure;
  const std::size_t read = parser.write_some(false, json.data(), json.size(), failure);
  if (parser.handler().error) return base::fail(*parser.handler().error);
  const bool spaces_follow = json.find_first_not_of(" \t\r\n", read) == std::string_view::npos;
  if (!failure && spaces_follow) return {};
  return base::fail(ErrorKind::InvalidRequest, std::string(what) + ": broken JSON at byte " + std::to_string(read) +
                                                   (failure ? ": " + failure.message() : ": text after the document"));
}

}  // namespace

Result<bool> apply_price_field(Prices& prices, std::string_view key, std::string_view value) {
  if (const std::optional<FieldKey> field = parse_field(key)) {
    Result<Price> price = Price::parse(value);
    if (!price) return base::fail(price.error());
    prices.set(*field, *price);
    if (field->field == PriceField::CacheWrite1h) prices.traits.set(domain::Trait::CacheHour, true);
    return true;
  }
  const auto size = [&](std::uint64_t& out) -> Result<bool> {
    const std::optional<std::uint64_t> parsed = parse_size(value);
    if (!parsed)
      return base::fail(ErrorKind::InvalidRequest, "not a whole number: " + std::string(value.substr(0, 64)));
    out = *parsed;
    return true;
  };
  const auto factor = [&](std::uint64_t& out) -> Result<bool> {
    Result<Price> parsed = Price::parse(value);
    if (!parsed) return base::fail(ErrorKind::InvalidRequest, "not a factor: " + std::string(value.substr(0, 64)));
    out = static_cast<std::uint64_t>(parsed->grains() / kGrainsPerNano);  // Parts per 1e9, as $1 is 1e9 nanodollars.
    return true;
  };
  if (key == "max_input_tokens") return size(prices.max_input_tokens);
  if (key == "max_output_tokens" || key == "max_tokens") return size(prices.max_output_tokens);
  if (key == "regional_processing_uplift_multiplier_us") return factor(prices.uplift_us_ppb);
  if (key == "regional_processing_uplift_multiplier_eu") return factor(prices.uplift_eu_ppb);
  if (key == "mode") {
    prices.mode = value;
    return true;
  }
  if (key == "litellm_provider") {
    prices.provider = value;
    return true;
  }
  if (key == "prompt_cache_min_tokens") return size(prices.traits.prompt_cache_min_tokens);
  if (key == "bedrock_output_config_effort_ceiling") {
    prices.traits.bedrock_effort_ceiling = value.empty() ? '\0' : value[0];
    return true;
  }
  if (!key.starts_with("supports_") && !key.starts_with("bedrock_") && !key.starts_with("uses_")) return false;
  for (std::size_t i = 0; i < domain::kTraitCount; ++i) {
    const auto trait = static_cast<domain::Trait>(i);
    if (domain::trait_field(trait) != key) continue;
    prices.traits.set(trait, parse_flag(value));
    return true;
  }
  return false;
}

Result<Prices> read_price_entry(std::string_view name, std::string_view json) {
  boost::json::basic_parser<Handler> parser(boost::json::parse_options(), 1);
  parser.handler().entry_name = name;
  if (Status status = run(parser, json, name); !status) return base::fail(status.error());
  return parser.handler().builder.end();
}

Result<std::vector<PriceEntry>> read_price_file(std::string_view json) {
  boost::json::basic_parser<Handler> parser(boost::json::parse_options(), 2);
  if (Status status = run(parser, json, "price file"); !status) return base::fail(status.error());
  // Of a name that stands twice the last counts.
  std::map<std::string, PriceEntry> by_name;
  for (PriceEntry& entry : parser.handler().entries) {
    std::string name = entry.name;
    by_name.insert_or_assign(std::move(name), std::move(entry));
  }
  std::vector<PriceEntry> distinct;
  distinct.reserve(by_name.size());
  for (auto& [name, entry] : by_name) distinct.push_back(std::move(entry));
  return distinct;
}

}  // namespace turnpike::price
