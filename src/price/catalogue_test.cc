#include "price/catalogue.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "price/bill.h"
#include "price/price_file.h"

namespace turnpike::price::catalogue_test {
namespace {

std::string file_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream out;
  out << file.rdbuf();
  return out.str();
}

std::string committed() {
  return file_text(std::string(TURNPIKE_SOURCE_DIR) + "/data/prices/model_prices.json");
}

std::string input_price(const Result<Prices>& prices, PriceField field = PriceField::Input) {
  return prices ? prices->find(field).to_string() : prices.error().message;
}

TEST(Catalogue, CompiledInCopyHasAVersionAndEveryModel) {
  const auto catalogue = Catalogue::built_in();
  EXPECT_EQ(catalogue->version(), "2026-08-01 sha256:f3586896");
  EXPECT_EQ(catalogue->size(), 2984);
  EXPECT_FALSE(catalogue->find("sample_spec"));
  EXPECT_FALSE(catalogue->find("gpt-4o "));
  const std::optional<Prices> prices = catalogue->find("gpt-4o");
  ASSERT_TRUE(prices);
  EXPECT_EQ(prices->find(PriceField::Input).to_string(), "0.0000025");
  EXPECT_EQ(prices->find(PriceField::CacheRead).to_string(), "0.00000125");
  EXPECT_EQ(prices->find(PriceField::Output, 0, ServiceTier::Priority).to_string(), "0.000017");
  EXPECT_EQ(prices->max_output_tokens, 16384);
  EXPECT_EQ(prices->max_input_tokens, 128000);
  EXPECT_EQ(prices->mode, "chat");
  EXPECT_EQ(prices->provider, "openai");
  EXPECT_TRUE(prices->traits.has(domain::Trait::Vision));
  EXPECT_FALSE(prices->traits.has(domain::Trait::Reasoning));
}

TEST(Catalogue, SaysWhatBedrockTakesOfAModel) {
  const auto catalogue = Catalogue::built_in();
  const auto opus = catalogue->resolve({"bedrock", "us.anthropic.claude-opus-4-7", "", {}});
  ASSERT_TRUE(opus);
  EXPECT_TRUE(opus->traits.has(domain::Trait::CacheHour));
  EXPECT_EQ(opus->traits.bedrock_effort_ceiling, 'x');
  const auto haiku = catalogue->resolve({"bedrock", "anthropic.claude-3-haiku-20240307-v1:0", "", {}});
  ASSERT_TRUE(haiku);
  EXPECT_FALSE(haiku->traits.has(domain::Trait::CacheHour));
  EXPECT_EQ(haiku->traits.bedrock_effort_ceiling, 0);
}

TEST(Catalogue, SaysWhichModelsAreServedGloballyOnly) {
  const auto global_only = [](std::string_view name) {
    const std::optional<Prices> prices = Catalogue::built_in()->find(name);
    return prices && prices->traits.has(domain::Trait::GlobalOnly);
  };
  EXPECT_TRUE(global_only("vertex_ai/qwen/qwen3-coder-480b-a35b-instruct-maas"));
  EXPECT_FALSE(global_only("vertex_ai/qwen/qwen3-235b-a22b-instruct-2507-maas")) << "and in us-south1";
  EXPECT_FALSE(global_only("vertex_ai/deepseek-ai/deepseek-v3.1-maas"));
  EXPECT_FALSE(global_only("gemini-2.5-pro"));
}

TEST(Catalogue, LoadedCopyOfTheSameFileIsTheSameCatalogue) {
  const auto built_in = Catalogue::built_in();
  const auto loaded = Catalogue::load(committed(), "file");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->version(), "file sha256:f3586896");
  ASSERT_EQ((*loaded)->size(), built_in->size());
  const auto entries = read_price_file(committed());
  ASSERT_TRUE(entries);
  for (const PriceEntry& entry : *entries) {
    SCOPED_TRACE(entry.name);
    ASSERT_EQ(built_in->entry_json(entry.name), (*loaded)->entry_json(entry.name));
    ASSERT_TRUE(built_in->find(entry.name)) << "not readable";
  }
}

struct Lookup {
  const char* name;
  const char* provider;
  const char* model;
  const char* base_model;
  const char* found;  // Key of the entry that answers.
};

constexpr Lookup kLookups[] = {
    {"bare name of the provider's own", "openai", "gpt-4o", "", "gpt-4o"},
    {"provider prefix first", "azure", "gpt-4o", "", "azure/gpt-4o"},
    {"base_model before all", "azure", "my-deployment", "azure/gpt-4o", "azure/gpt-4o"},
    {"base_model without prefix", "azure", "my-deployment", "gpt-4o-mini", "gpt-4o-mini"},
    {"unknown base_model is passed over", "openai", "gpt-4o", "nobody-knows", "gpt-4o"},
    {"gemini", "gemini", "gemini-2.5-pro", "", "gemini/gemini-2.5-pro"},
    {"vertex family", "vertex_ai", "gemini-2.5-pro", "", "gemini-2.5-pro"},
    {"bedrock as listed", "bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "",
     "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
    {"bedrock with a route", "bedrock", "converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "",
     "us.anthropic.claude-sonnet-4-5-20250929-v1:0"},
    {"bedrock without its region", "bedrock", "ca.anthropic.claude-3-haiku-20240307-v1:0", "",
     "anthropic.claude-3-haiku-20240307-v1:0"},
    {"somebody else's bare name is no price", "hosted_vllm", "gpt-4o", "", ""},
    {"unknown model", "openai", "gpt-99", "", ""},
};

TEST(Catalogue, FindsADeploymentsEntryInOrder) {
  const auto catalogue = Catalogue::built_in();
  for (const Lookup& c : kLookups) {
    SCOPED_TRACE(c.name);
    const auto prices = catalogue->resolve({c.provider, c.model, c.base_model, {}});
    ASSERT_TRUE(prices);
    EXPECT_EQ(prices->name, c.found);
    EXPECT_EQ(prices->known(), *c.found != '\0');
  }
}

TEST(Catalogue, OverridesReplaceTheirSideOfTheList) {
  const auto catalogue = Catalogue::built_in();
  const auto resolve = [&](const std::vector<PriceOverride>& overrides) {
    return catalogue->resolve({"openai", "gpt-4o", "", overrides});
  };
  const auto cheaper = resolve({{"input_cost_per_token", "2e-6"}, {"max_output_tokens", "1000"}, {"id", "x"}});
  EXPECT_EQ(input_price(cheaper), "0.000002");
  EXPECT_EQ(input_price(cheaper, PriceField::CacheRead), "unknown")
      << "the list's cache price goes with the list's price";
  EXPECT_EQ(input_price(cheaper, PriceField::Output), "0.00001");
  EXPECT_EQ(cheaper->max_output_tokens, 1000);
  EXPECT_EQ(input_price(resolve({{"cache_read_input_token_cost", "1e-7"}, {"input_cost_per_token", "2e-6"}}),
                        PriceField::CacheRead),
            "0.0000001");
  EXPECT_TRUE(resolve({{"input_cost_per_token", "0"}, {"output_cost_per_token", "0.0"}})->free());
  EXPECT_TRUE(resolve({{"input_cost_per_second", "0.002"}})->by_second());
  const auto broken = resolve({{"input_cost_per_token", "cheap"}});
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().param, "input_cost_per_token");
  // An own model that no list knows.
  const std::vector<PriceOverride> own = {{"input_cost_per_token", "1e-6"}, {"output_cost_per_token", "1e-6"}};
  EXPECT_EQ(input_price(catalogue->resolve({"hosted_vllm", "mine", "", own})), "0.000001");
}

struct Broken {
  const char* name;
  const char* json;
  const char* message;  // Part of it.
};

constexpr Broken kBroken[] = {
    {"no object", "[1]", "not a JSON object"},
    {"cut off", R"({"a": {"input_cost_per_token": 1)", "broken JSON"},
    {"text after it", R"({"a": {}} x)", "text after"},
    {"model is a number", R"({"a": 1})", "a: a model is an object"},
    {"model is a list", R"({"a": []})", "a: a model is an object"},
    {"price is a word", R"({"a": {"input_cost_per_token": "free"}})", "a: input_cost_per_token: not a price"},
    {"price is an object", R"({"a": {"output_cost_per_token": {}}})", "a: output_cost_per_token: a price is a number"},
    {"negative price", R"({"a": {"input_cost_per_token": -1}})", "a: input_cost_per_token"},
    {"absurd price", R"({"a": {}, "b": {"input_cost_per_token": 10001}})", "b: input_cost_per_token: a price above"},
    {"too fine", R"({"a": {"input_cost_per_token": 1e-30}})", "24 decimals"},
    {"broken tier", R"({"a": {"tiered_pricing": [{"input_cost_per_token": "x", "range": [0, 1]}]}})", "a: input_cost"},
    {"broken size", R"({"a": {"max_input_tokens": "many"}})", "a: max_input_tokens"},
    {"empty", "{}", "no model"},
};

TEST(Catalogue, BrokenFileIsRefusedWhole) {
  for (const Broken& c : kBroken) {
    SCOPED_TRACE(c.name);
    const auto loaded = Catalogue::load(c.json, "file");
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().message.find(c.message), std::string::npos) << loaded.error().message;
  }
}

TEST(Catalogue, ToleratesWhatNewerFilesBring) {
  const auto loaded = Catalogue::load(
      R"({"sample_spec": {"input_cost_per_token": "a text"}, "m\u00fc/\"q\"": {"input_cost_per_token": null, "new_thing": [{}, {"a": [1]}],
          "input_cost_per_fork": 3, "search_context_cost_per_query": {"search_context_size_medium": 0.01}, "source": {"x": 1},
          "output_cost_per_token": "1e-06", "litellm_provider": "p"}, "b": {}, "b": {"input_cost_per_token": 1}})",
      "file");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ((*loaded)->size(), 2);
  const auto prices = (*loaded)->find("m\u00fc/\"q\"");
  ASSERT_TRUE(prices);
  EXPECT_FALSE(prices->find(PriceField::Input).known());
  EXPECT_EQ(prices->find(PriceField::Output).to_string(), "0.000001");
  EXPECT_EQ(prices->find(PriceField::SearchMedium).to_string(), "0.01");
  EXPECT_EQ(prices->provider, "p");
  EXPECT_EQ((*loaded)->find("b")->find(PriceField::Input).to_string(), "1");
  EXPECT_EQ((*loaded)->entry_json("m\u00fc/\"q\"")->find("source"), std::string_view::npos);
}

TEST(Catalogue, NamesOfAProviderComeWithoutItsPrefix) {
  const auto catalogue = Catalogue::built_in();
  const auto has = [](const std::vector<std::string>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  EXPECT_TRUE(has(catalogue->names_of("openai"), "gpt-4o"));
  EXPECT_FALSE(has(catalogue->names_of("openai"), "claude-sonnet-4-5"));
  EXPECT_TRUE(has(catalogue->names_of("gemini"), "gemini-2.5-pro"));
  EXPECT_TRUE(has(catalogue->names_of("bedrock"), "us.anthropic.claude-sonnet-4-5-20250929-v1:0"));
  EXPECT_TRUE(catalogue->names_of("nobody").empty());
}

}  // namespace
}  // namespace turnpike::price::catalogue_test
