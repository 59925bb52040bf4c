#include "price/operation_usage.h"

#include <algorithm>

namespace turnpike::price {
namespace {

using domain::Measures;
using domain::Operation;
using domain::Unit;
using domain::Usage;

bool has(const Prices& prices, std::initializer_list<PriceField> fields) {
  return std::any_of(fields.begin(), fields.end(), [&](PriceField field) { return prices.find(field).known(); });
}

void add_image(const Prices& prices, const Measures& asked, std::uint64_t prompt_tokens, bool worst, Usage& out) {
  using enum PriceField;
  if (has(prices, {ImageOutput, ImageInput}) || prices.image(asked.quality, asked.width, asked.height).known()) {
    out.set(Unit::Images, asked.images);
    return;
  }
  constexpr std::uint64_t kLow = 272;
  constexpr std::uint64_t kMedium = 1290;
  constexpr std::uint64_t kHigh = 4160;
  constexpr std::uint64_t kRead = 1000;
  const bool high = asked.quality == "high" || asked.quality == "hd" || (worst && asked.quality.empty());
  std::uint64_t each = high ? kHigh : asked.quality == "low" ? kLow : kMedium;
  if (asked.width != asked.height || (worst && asked.width == 0)) each += each / 2;
  out.set(Unit::InputTokens, prompt_tokens);
  out.set(Unit::ImageInputTokens, asked.images_in * kRead);
  out.set(Unit::ImageOutputTokens, each * asked.images);
}

void add_speech(const Prices& prices, const Measures& asked, std::uint64_t prompt_tokens, bool worst, Usage& out) {
  using enum PriceField;
  if (has(prices, {CharacterInput, CharacterOutput})) {
    out.set(Unit::Characters, asked.characters);
    return;
  }
  constexpr std::uint64_t kCharactersPerSecond = 15;
  constexpr std::uint64_t kTokensPerSecond = 25;
  std::uint64_t milliseconds = asked.audio_ms;
  if (milliseconds == 0) milliseconds = asked.characters * 1000 / kCharactersPerSecond;
  if (worst) milliseconds *= 2;
  out.set(Unit::InputTokens, prompt_tokens);
  if (has(prices, {SecondInput, SecondOutput, AudioSecond})) {
    out.set(Unit::Milliseconds, milliseconds);
  } else {
    out.set(Unit::AudioOutputTokens, (milliseconds * kTokensPerSecond + 999) / 1000);
  }
}

void add_transcription(const Prices& prices, const Measures& asked, std::uint64_t prompt_tokens, bool worst,
                       Usage& out) {
  using enum PriceField;
  constexpr std::uint64_t kGuessFactor = 8;  // The slowest codecs in use store a tenth of what a guess assumes.
  constexpr std::uint64_t kHeardPerSecond = 10;
  constexpr std::uint64_t kWrittenPerSecond = 4;
  std::uint64_t milliseconds = asked.audio_ms;
  if (worst && asked.audio_guessed) milliseconds *= kGuessFactor;
  if (has(prices, {SecondInput, SecondOutput, AudioSecond})) {
    out.set(Unit::Milliseconds, milliseconds);
    return;
  }
  out.set(Unit::InputTokens, prompt_tokens);
  out.set(Unit::AudioInputTokens, (milliseconds * kHeardPerSecond + 999) / 1000);
  out.set(Unit::OutputTokens, (milliseconds * kWrittenPerSecond + 999) / 1000);
}

}  // namespace

Usage expected_usage(const Prices& prices, Operation operation, const Measures& measures, std::uint64_t prompt_tokens,
                     bool worst) {
  constexpr std::uint64_t kDocumentsPerUnit = 100;
  Usage out;
  if (worst) prompt_tokens += (prompt_tokens + 19) / 20;
  switch (operation) {
    case Operation::Chat:
    case Operation::Completion:
      break;
    case Operation::Embedding:
    case Operation::Moderation:
      out.set(Unit::InputTokens, prompt_tokens);
      break;
    case Operation::Rerank:
      if (has(prices, {PriceField::Query})) {
        out.set(Unit::Queries, (measures.documents + kDocumentsPerUnit - 1) / kDocumentsPerUnit);
      } else {
        out.set(Unit::InputTokens, prompt_tokens);
      }
      break;
    case Operation::ImageGeneration:
    case Operation::ImageEdit:
      add_image(prices, measures, prompt_tokens, worst, out);
      break;
    case Operation::Speech:
      add_speech(prices, measures, prompt_tokens, worst, out);
      break;
    case Operation::Transcription:
    case Operation::Translation:
      add_transcription(prices, measures, prompt_tokens, worst, out);
      break;
  }
  return out;
}

}  // namespace turnpike::price
