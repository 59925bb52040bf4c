#include "price/operation_usage.h"

#include <gtest/gtest.h>

#include "price/bill.h"
#include "price/catalogue.h"
#include "price/estimate.h"

namespace turnpike::price::operation_usage_test {
namespace {

using domain::Measures;
using domain::Operation;
using domain::Unit;

Prices prices_of(std::string_view provider, std::string_view model, std::vector<PriceOverride> overrides = {}) {
  PriceQuery query;
  query.provider = provider;
  query.model = model;
  query.overrides = overrides;
  const Result<Prices> prices = Catalogue::built_in()->resolve(query);
  EXPECT_TRUE(prices) << model;
  return prices ? *prices : Prices();
}

Measures image(std::uint64_t count, std::uint32_t width = 0, std::uint32_t height = 0, std::string quality = {}) {
  Measures measures;
  measures.images = count;
  measures.width = width;
  measures.height = height;
  measures.quality = std::move(quality);
  return measures;
}
Measures spoken(std::uint64_t characters) {
  Measures measures;
  measures.characters = characters;
  return measures;
}
Measures heard(std::uint64_t milliseconds) {
  Measures measures;
  measures.audio_ms = milliseconds;
  return measures;
}
Measures ranked(std::uint64_t documents) {
  Measures measures;
  measures.documents = documents;
  return measures;
}

/// What is held before a call that the list prices, and billed after it where the provider says nothing; the arithmetic
/// stands beside it.
struct Case {
  const char* name;
  const char* provider;
  const char* model;
  Operation operation;
  Measures measures;
  std::uint64_t prompt_tokens;
  std::int64_t nano;  // Of the hold, rounded up.
};

const Case kCases[] = {
    {"a price for any size", "aiml", "dall-e-2", Operation::ImageGeneration, image(2), 5, 2 * 26'000'000},
    {"pixels: 512 x 512 x 6.86e-08", "openai", "dall-e-2", Operation::ImageGeneration, image(1, 512, 512), 5,
     17'983'079},
    {"no size: the square of 1024, 1048576 x 1.9e-08", "openai", "dall-e-2", Operation::ImageGeneration, image(1), 5,
     19'922'944},
    {"quality and size: 1024 x 1792 x 6.539e-08", "openai", "dall-e-3", Operation::ImageGeneration,
     image(1, 1024, 1792, "hd"), 5, 119'991'174},
    {"no quality: standard, 1048576 x 3.81469e-08", "openai", "dall-e-3", Operation::ImageGeneration, image(1), 5,
     39'999'924},
    {"a size that is not listed: the price of any", "openai", "dall-e-3", Operation::ImageGeneration, image(1, 7, 7), 5,
     40'000'000},
    {"Azure lists sizes only: 1024 x 1792 x 4.359e-08", "azure", "dall-e-3", Operation::ImageGeneration,
     image(1, 1024, 1792, "standard"), 5, 79'987'999},
    {"the price of an image before that of its pixels", "openai", "gpt-image-1", Operation::ImageGeneration,
     image(3, 1024, 1024, "high"), 5, 3 * 167'000'000},
    {"no quality of a model that has medium", "openai", "gpt-image-1", Operation::ImageGeneration, image(1), 5,
     42'000'000},
    {"tokens where no image has a price: 9 x 5e-06 + 2 x 4160 x 3e-05", "openai", "gpt-image-2",
     Operation::ImageGeneration, image(2, 1024, 1024, "high"), 9, 45'000 + 2 * 4160 * 30'000},
    {"pixels of any size: 512 x 512 x 1.3e-09", "nscale", "black-forest-labs/FLUX.1-schnell",
     Operation::ImageGeneration, image(1, 512, 512), 5, 340'788},
    {"Bedrock's steps: the usual fifty", "bedrock", "amazon.nova-canvas-v1:0", Operation::ImageGeneration,
     image(1, 1024, 1024), 5, 60'000'000},
    {"characters", "openai", "tts-1", Operation::Speech, spoken(1000), 300, 15'000'000},
    {"tokens read and seconds spoken: 300 x 2.5e-06 + 66.666 x 0.00025", "openai", "gpt-4o-mini-tts", Operation::Speech,
     spoken(1000), 300, 750'000 + 16'666'500},
    {"seconds heard", "openai", "whisper-1", Operation::Transcription, heard(12'345), 5, 1'234'500},
    {"tokens heard and written: 5 + 100 at 2.5e-06, 40 at 1e-05", "openai", "gpt-4o-transcribe",
     Operation::Transcription, heard(10'000), 5, 12'500 + 250'000 + 400'000},
    {"a search unit for each hundred documents", "cohere", "rerank-english-v3.0", Operation::Rerank, ranked(101), 900,
     4'000'000},
    {"tokens where no query has a price: 900 x 5e-08", "voyage", "rerank-2", Operation::Rerank, ranked(101), 900,
     45'000},
    {"moderations are free", "openai", "omni-moderation-latest", Operation::Moderation, {}, 900, 0},
};

TEST(OperationUsage, HoldsAndBillsByTheUnitThatIsPriced) {
  for (const Case& c : kCases) {
    const Prices prices = prices_of(c.provider, c.model);
    BillTerms terms;
    if (domain::makes_images(c.operation)) {
      terms.image = prices.image(c.measures.quality, c.measures.width, c.measures.height);
    }
    const domain::Usage usage = expected_usage(prices, c.operation, c.measures, c.prompt_tokens);
    EXPECT_FALSE(bill(prices, usage, terms).unknown) << c.name;
    EXPECT_EQ(held_for(prices, usage, terms).nano(), c.nano) << c.name;
    const domain::Usage worst = expected_usage(prices, c.operation, c.measures, c.prompt_tokens, true);
    EXPECT_GE(held_for(prices, worst, terms).nano(), c.nano) << c.name << ", at worst";
  }
}

TEST(OperationUsage, AnOwnPriceEndsTheListedSizes) {
  const Prices own = prices_of("openai", "dall-e-3", {{"output_cost_per_image", "0.5"}});
  EXPECT_FALSE(own.image("hd", 1024, 1792).known());
  domain::Usage usage;
  usage.set(Unit::Images, 2);
  EXPECT_EQ(bill(own, usage).cost.nano(), 1'000'000'000);
}

TEST(OperationUsage, NobodyKnowsThePriceOfAnUnknownModel) {
  const Prices prices = prices_of("openai", "no-such-image-model");
  const domain::Usage usage = expected_usage(prices, Operation::ImageGeneration, image(1), 5);
  EXPECT_TRUE(bill(prices, usage).unknown);
  EXPECT_FALSE(prices.known());
}

TEST(OperationUsage, ARecordingIsNotChargedForTheTimeOfItsCall) {
  const Prices prices = prices_of("openai", "whisper-1");
  domain::Usage usage = expected_usage(prices, Operation::Transcription, heard(2000), 0);
  add_own_units(usage, prices, 60'000);
  EXPECT_EQ(usage.of(Unit::Milliseconds), 2000U);
}

}  // namespace
}  // namespace turnpike::price::operation_usage_test
