#include <algorithm>
#include <array>

#include "base/money.h"
#include "json/write.h"
#include "protocol/openai_reply.h"

namespace turnpike::protocol {
namespace {

using domain::Unit;
using domain::Usage;
using json::Kind;
using json::Value;

/// Reads counts and remembers whether one was beyond belief.
class Counts {
 public:
  /// The first of `values` that is there and no null; 0 when none is.
  std::uint64_t first(std::initializer_list<Value> values) {
    for (const Value& value : values) {
      if (!value || value.is(Kind::Null)) continue;
      const auto count = value.whole();
      if (!count || *count > domain::kUnitCountMax) {
        believed_ = false;
        return 0;
      }
      return *count;
    }
    return 0;
  }
  bool believed() const { return believed_; }

 private:
  bool believed_ = true;
};

/// The members of a usage object, and of its two objects of details, by their place in the lists of names.
enum Said : std::size_t {
  kPromptTokens,
  kInputTokens,
  kCompletionTokens,
  kOutputTokens,
  kTotalTokens,
  kPromptDetails,
  kInputDetails,
  kCompletionDetails,
  kOutputDetails,
  kCacheHitTokens,
  kCachedTokens,
  kCacheReadTokens,
  kCacheCreationTokens,
  kReasoningTokens,
  kSearchQueries,
  kCost,
  kEstimatedCost,
  kSaidCount
};
constexpr std::array<std::string_view, kSaidCount> kSaidNames = {
    "prompt_tokens",
    "input_tokens",
    "completion_tokens",
    "output_tokens",
    "total_tokens",
    "prompt_tokens_details",
    "input_tokens_details",
    "completion_tokens_details",
    "output_tokens_details",
    "prompt_cache_hit_tokens",
    "cached_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "reasoning_tokens",
    "num_search_queries",
    "cost",            // Perplexity: an object
    "estimated_cost",  // DeepInfra
};

enum Detail : std::size_t {
  kCached,
  kCacheWrite,
  kCacheCreation,
  kCacheCreationDetails,
  kAudio,
  kImage,
  kReasoning,
  kDetailCount
};
constexpr std::array<std::string_view, kDetailCount> kDetailNames = {
    "cached_tokens", "cache_write_tokens", "cache_creation_tokens", "cache_creation_token_details",
    "audio_tokens",  "image_tokens",       "reasoning_tokens",
};

template <std::size_t N>
std::array<Value, N> members(const Value& object, const std::array<std::string_view, N>& names) {
  std::array<Value, N> found{};
  object.find_each(names, found);
  return found;
}

// Takes up to `part` out of `whole`: a sub-count can never exceed what it is a part of.
std::uint64_t take(std::uint64_t& whole, std::uint64_t part) {
  const std::uint64_t taken = std::min(whole, part);
  whole -= taken;
  return taken;
}

std::optional<std::int64_t> read_cost(Value cost, const Value& estimated_cost) {
  if (cost.is(Kind::Object)) cost = cost.find("total_cost");
  if (!cost) cost = estimated_cost;
  if (!cost.is(Kind::Number)) return std::nullopt;
  const auto money = Money::parse(cost.raw());
  if (!money || money->nano() < 0) return std::nullopt;
  return money->nano();
}

}  // namespace

std::optional<Usage> read_usage(const Value& usage) {
  if (!usage.is(Kind::Object)) return std::nullopt;
  const auto said = members(usage, kSaidNames);
  Value in_details = said[kPromptDetails];
  if (!in_details.is(Kind::Object)) in_details = said[kInputDetails];
  const auto in = members(in_details, kDetailNames);
  Value out_details = said[kCompletionDetails];
  if (!out_details.is(Kind::Object)) out_details = said[kOutputDetails];
  const auto out = members(out_details, kDetailNames);

  Counts counts;
  std::uint64_t prompt = counts.first({said[kPromptTokens], said[kInputTokens]});
  std::uint64_t completion = counts.first({said[kCompletionTokens], said[kOutputTokens]});
  const std::uint64_t total = counts.first({said[kTotalTokens]});
  // Voyage and others bill embeddings and say the total only.
  if (prompt == 0 && completion == 0) prompt = total;

  std::uint64_t cached = counts.first({in[kCached]});
  if (cached == 0) cached = counts.first({said[kCacheHitTokens], said[kCachedTokens], said[kCacheReadTokens]});
  std::uint64_t written = counts.first({in[kCacheWrite], in[kCacheCreation]});
  if (written == 0) written = counts.first({said[kCacheCreationTokens]});
  const std::uint64_t written_1h = counts.first({in[kCacheCreationDetails].find("ephemeral_1h_input_tokens")});
  const std::uint64_t audio_in = counts.first({in[kAudio]});
  const std::uint64_t image_in = counts.first({in[kImage]});
  std::uint64_t reasoning = counts.first({out[kReasoning]});
  if (reasoning == 0) reasoning = counts.first({said[kReasoningTokens]});
  const std::uint64_t audio_out = counts.first({out[kAudio]});
  const std::uint64_t image_out = counts.first({out[kImage]});
  const std::uint64_t queries = counts.first({said[kSearchQueries]});
  if (!counts.believed()) return std::nullopt;
  if (prompt == 0 && completion == 0) return std::nullopt;

  // xAI leaves reasoning out of completion_tokens; its total gives that away, or a part greater than the whole.
  const bool reasoning_apart =
      reasoning > 0 && (reasoning > completion || (total > 0 && total == prompt + completion + reasoning));
  if (reasoning_apart) completion += reasoning;

  Usage read;
  const auto absent = [&said](Said one, Said other) {
    const auto none = [](const Value& value) { return !value || value.is(Kind::Null); };
    return none(said[one]) && none(said[other]);
  };
  read.input_unsaid = prompt == 0 && absent(kPromptTokens, kInputTokens);
  read.output_unsaid = !absent(kPromptTokens, kInputTokens) && absent(kCompletionTokens, kOutputTokens);
  const std::uint64_t cached_taken = take(prompt, cached);
  const std::uint64_t written_1h_taken = take(prompt, std::min(written_1h, written));
  const std::uint64_t written_taken = take(prompt, written - std::min(written_1h, written));
  const std::uint64_t audio_in_taken = take(prompt, audio_in);
  const std::uint64_t image_in_taken = take(prompt, image_in);
  const std::uint64_t reasoning_taken = take(completion, reasoning);
  const std::uint64_t audio_out_taken = take(completion, audio_out);
  const std::uint64_t image_out_taken = take(completion, image_out);
  const auto add = [&](Unit unit, std::uint64_t count) {
    if (count > 0) read.counts.push_back({unit, count});
  };
  add(Unit::InputTokens, prompt);
  add(Unit::CachedInputTokens, cached_taken);
  add(Unit::CacheWriteTokens, written_taken);
  add(Unit::CacheWrite1hTokens, written_1h_taken);
  add(Unit::AudioInputTokens, audio_in_taken);
  add(Unit::ImageInputTokens, image_in_taken);
  add(Unit::OutputTokens, completion);
  add(Unit::ReasoningTokens, reasoning_taken);
  add(Unit::AudioOutputTokens, audio_out_taken);
  add(Unit::ImageOutputTokens, image_out_taken);
  add(Unit::Queries, queries);
  read.provider_cost_nano = read_cost(said[kCost], said[kEstimatedCost]);
  return read;
}

std::optional<Usage> read_usage(std::string_view usage_text) {
  json::Document document;
  if (!document.parse(usage_text)) return std::nullopt;
  return read_usage(document.root());
}

bool adds_up(const Value& usage, const Usage& read) {
  const auto said = [&](std::string_view name) { return usage.find(name).whole(); };
  const std::uint64_t completion = read.completion_tokens();
  return said("prompt_tokens") == read.prompt_tokens() &&
         (said("completion_tokens") == completion || (completion == 0 && !said("completion_tokens"))) &&
         said("total_tokens") == read.prompt_tokens() + completion;
}

namespace {

/// Writes counts that are there; a zero is left out.
void count(json::Writer& writer, std::string_view name, std::uint64_t number) {
  if (number > 0) writer.key(name).number(number);
}

}  // namespace

std::optional<std::string> shown_usage(domain::Operation operation, const Value& usage, const Usage& read) {
  if (!adds_up(usage, read)) return usage_json(operation, read);
  // DeepSeek and Moonshot say cache hits in words of their own.
  const std::uint64_t cached = read.of(Unit::CachedInputTokens);
  const Value details = usage.find("prompt_tokens_details");
  if (cached == 0 || details.is(Kind::Object)) return std::nullopt;
  const std::string said = "{\"cached_tokens\":" + std::to_string(cached) + "}";
  std::string text(usage.raw());
  if (details) {
    const json::Range whole = usage.range();
    text.replace(details.range().begin - whole.begin, details.raw().size(), said);
  } else {
    text.insert(1, "\"prompt_tokens_details\":" + said + ",");
  }
  return text;
}

std::string usage_json(domain::Operation operation, const Usage& usage) {
  std::string text;
  json::Writer writer(text);
  const std::uint64_t prompt = usage.prompt_tokens();
  const std::uint64_t completion = usage.completion_tokens();
  writer.begin_object();
  writer.key("prompt_tokens").number(prompt);
  if (operation != domain::Operation::Embedding) writer.key("completion_tokens").number(completion);
  writer.key("total_tokens").number(prompt + completion);

  const std::uint64_t written_5m = usage.of(Unit::CacheWriteTokens);
  const std::uint64_t written_1h = usage.of(Unit::CacheWrite1hTokens);
  const std::uint64_t written = written_5m + written_1h;
  const std::uint64_t cached = usage.of(Unit::CachedInputTokens);
  const std::uint64_t audio_in = usage.of(Unit::AudioInputTokens);
  const std::uint64_t image_in = usage.of(Unit::ImageInputTokens);
  const std::uint64_t searches = usage.of(Unit::Queries);
  if (cached + written + audio_in + image_in + searches > 0) {
    writer.key("prompt_tokens_details").begin_object();
    writer.key("cached_tokens").number(cached);
    count(writer, "cache_write_tokens", written);
    count(writer, "cache_creation_tokens", written);
    if (written > 0) {
      writer.key("cache_creation_token_details").begin_object();
      writer.key("ephemeral_5m_input_tokens").number(written_5m);
      writer.key("ephemeral_1h_input_tokens").number(written_1h).end_object();
    }
    count(writer, "audio_tokens", audio_in);
    count(writer, "image_tokens", image_in);
    count(writer, "web_search_requests", searches);
    writer.end_object();
  }
  const std::uint64_t reasoning = usage.of(Unit::ReasoningTokens);
  const std::uint64_t audio_out = usage.of(Unit::AudioOutputTokens);
  const std::uint64_t image_out = usage.of(Unit::ImageOutputTokens);
  if (reasoning + audio_out + image_out > 0) {
    writer.key("completion_tokens_details").begin_object();
    writer.key("reasoning_tokens").number(reasoning);
    count(writer, "audio_tokens", audio_out);
    count(writer, "image_tokens", image_out);
    writer.end_object();
  }
  // LiteLLM's clients read them here.
  count(writer, "cache_read_input_tokens", cached);
  count(writer, "cache_creation_input_tokens", written);
  writer.end_object();
  return text;
}

}  // namespace turnpike::protocol
