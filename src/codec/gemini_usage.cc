#include <algorithm>
#include <array>
#include <initializer_list>

#include "codec/gemini_reply.h"
#include "protocol/openai_error.h"

namespace turnpike::codec {
namespace {

using domain::Unit;
using domain::Usage;
using json::Kind;
using json::Value;

enum Said : std::size_t {
  kPrompt,
  kCandidates,
  kThoughts,
  kToolUse,
  kTotal,
  kCached,
  kPromptDetails,
  kCandidatesDetails,
  kCacheDetails,
  kToolUseDetails,
  kSaidCount
};
constexpr std::array<std::string_view, kSaidCount> kSaidNames = {
    "promptTokenCount",   "candidatesTokenCount",      "thoughtsTokenCount",  "toolUsePromptTokenCount",
    "totalTokenCount",    "cachedContentTokenCount",   "promptTokensDetails", "candidatesTokensDetails",
    "cacheTokensDetails", "toolUsePromptTokensDetails"};

// [{"modality":"AUDIO","tokenCount":12}, ...]
std::uint64_t of_modality(const Value& details, std::string_view modality) {
  std::uint64_t count = 0;
  for (const Value detail : details.elements()) {
    if (detail.find("modality").inner() == modality) count += detail.find("tokenCount").whole().value_or(0);
  }
  return count;
}

// Takes up to `part` out of `whole`.
std::uint64_t take(std::uint64_t& whole, std::uint64_t part) {
  const std::uint64_t taken = std::min(whole, part);
  whole -= taken;
  return taken;
}

std::uint64_t less(std::uint64_t whole, std::uint64_t part) {
  return whole - std::min(whole, part);
}

Value error_of(const Value& root) {
  Value object = root;
  for (const Value element : root.elements()) {
    object = element;
    break;
  }
  return object.find("error");
}

}  // namespace

std::optional<Usage> read_gemini_usage(const Value& usage_metadata) {
  if (!usage_metadata.is(Kind::Object)) return std::nullopt;
  std::array<Value, kSaidCount> said;
  usage_metadata.find_each(kSaidNames, said);
  std::array<std::uint64_t, kPromptDetails> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (!said[i] || said[i].is(Kind::Null)) continue;
    const auto count = said[i].whole();
    if (!count || *count > domain::kUnitCountMax) return std::nullopt;
    counts[i] = *count;
  }
  std::uint64_t prompt = counts[kPrompt] + counts[kToolUse];
  std::uint64_t output = counts[kCandidates];
  std::uint64_t thoughts = counts[kThoughts];
  if (prompt + output + thoughts == 0) return std::nullopt;
  // The total gives away whether the candidates hold the thoughts.
  if (thoughts > 0 && prompt + output == counts[kTotal]) {
    thoughts = std::min(thoughts, output);
    output -= thoughts;
  }

  const auto image_of = [&said](Said list) { return of_modality(said[list], "IMAGE"); };
  const auto audio_of = [&said](Said list) { return of_modality(said[list], "AUDIO"); };
  const std::uint64_t cached = take(prompt, counts[kCached]);
  // The details of the prompt hold what came from the cache.
  const std::uint64_t audio_in =
      take(prompt, less(audio_of(kPromptDetails), audio_of(kCacheDetails)) + audio_of(kToolUseDetails));
  const std::uint64_t image_in =
      take(prompt, less(image_of(kPromptDetails), image_of(kCacheDetails)) + image_of(kToolUseDetails));
  const std::uint64_t audio_out = take(output, audio_of(kCandidatesDetails));
  const std::uint64_t image_out = take(output, image_of(kCandidatesDetails));
  Usage usage;
  const auto add = [&usage](Unit unit, std::uint64_t count) {
    if (count > 0) usage.counts.push_back({unit, count});
  };
  add(Unit::InputTokens, prompt);
  add(Unit::CachedInputTokens, cached);
  add(Unit::AudioInputTokens, audio_in);
  add(Unit::ImageInputTokens, image_in);
  add(Unit::OutputTokens, output);
  add(Unit::ReasoningTokens, thoughts);
  add(Unit::AudioOutputTokens, audio_out);
  add(Unit::ImageOutputTokens, image_out);
  return usage;
}

Error read_gemini_error(int status, std::string_view body, std::string_view label, std::string_view retry_after,
                        std::int64_t now_s) {
  json::Document document;
  std::string delay;
  if (document.parse(body)) {
    for (const Value detail : error_of(document.root()).find("details").elements()) {
      // A wrong key is a 400 here.
      if (detail.find("reason").inner() == "API_KEY_INVALID") status = 401;
      if (const Value said = detail.find("retryDelay"); said.is(Kind::String)) delay = said.inner();
    }
  }
  if (retry_after.empty() && delay.ends_with('s')) {
    delay.pop_back();  // "34s", "0.5s"
    retry_after = delay;
  }
  return protocol::read_error(status, body, label, retry_after, now_s);
}

}  // namespace turnpike::codec
