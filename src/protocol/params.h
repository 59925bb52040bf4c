#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

namespace turnpike::protocol {

/// The parameters of a chat call that a provider may not know. A set of them is one word.
enum class Param : std::uint8_t {
  Temperature,
  TopP,
  TopK,
  Choices,    // n
  MaxTokens,  // max_tokens and max_completion_tokens
  Stop,
  PresencePenalty,
  FrequencyPenalty,
  LogitBias,
  Logprobs,
  TopLogprobs,
  Seed,
  User,
  Tools,  // also `functions`
  ToolChoice,
  ParallelToolCalls,
  ResponseFormat,
  ReasoningEffort,
  Thinking,
  Verbosity,
  Modalities,
  Audio,
  Prediction,
  ServiceTier,
  Store,
  Metadata,
  WebSearchOptions,
  PromptCacheKey,
  PromptCacheRetention,
  PromptCacheOptions,
  SafetyIdentifier,
  Moderation,
};
constexpr std::size_t kParamCount = static_cast<std::size_t>(Param::Moderation) + 1;
std::string_view param_name(Param param);  // "max_tokens", "n", ...
/// By any of its names ("max_completion_tokens", "functions"); nothing for a name we do not know.
std::optional<Param> find_param(std::string_view name);

class ParamSet {
 public:
  constexpr ParamSet() = default;
  constexpr ParamSet(std::initializer_list<Param> params) {
    for (const Param param : params) set(param);
  }
  constexpr bool has(Param param) const { return (bits_ >> static_cast<unsigned>(param) & 1U) != 0; }
  constexpr void set(Param param) { bits_ |= std::uint64_t{1} << static_cast<unsigned>(param); }
  constexpr void clear(Param param) { bits_ &= ~(std::uint64_t{1} << static_cast<unsigned>(param)); }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool operator==(const ParamSet&) const = default;

  static constexpr ParamSet all() {
    ParamSet set;
    set.bits_ = (std::uint64_t{1} << kParamCount) - 1;
    return set;
  }
  constexpr ParamSet without(ParamSet others) const {
    ParamSet set = *this;
    set.bits_ &= ~others.bits_;
    return set;
  }
  constexpr ParamSet with(ParamSet others) const {
    ParamSet set = *this;
    set.bits_ |= others.bits_;
    return set;
  }

 private:
  std::uint64_t bits_ = 0;
};

/// Whether a parameter changes nothing in an answer: who does not know it may leave it out in silence.
bool is_hint(Param param);

}  // namespace turnpike::protocol
