#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/usage.h"
#include "protocol/block.h"
#include "protocol/texts.h"

namespace turnpike::protocol {

/// Why an answer ended, in OpenAI's words.
enum class Finish : std::uint8_t { None, Stop, Length, ToolCalls, ContentFilter };
std::string_view finish_name(Finish finish);  // "stop", "length", "tool_calls", "content_filter"; empty for None.

/// A source the answer names. Offsets count characters (Unicode code points) of the choice's whole text.
struct Citation {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::string_view url;
  std::string_view title;
};

struct ReplyChoice {
  std::uint64_t index = 0;
  std::vector<Block> blocks;  // Text, Thinking, RedactedThinking, ToolUse, Refusal, Image, Audio, in their order.
  Finish finish = Finish::None;
  std::string_view native_finish;  // The provider's word where OpenAI has none; empty when it has one.
  std::string_view logprobs_json;  // In OpenAI's shape; empty: none.
  std::vector<Citation> citations;
  std::string_view native_json;  // An object: `provider_specific_fields` of the message; empty: none.
};

/// A whole answer, whatever dialect it came in. Views point into the provider's body and into `texts`.
struct ChatReply {
  std::string_view id;     // Empty: the provider gives none.
  std::string_view model;  // The provider's word.
  std::vector<ReplyChoice> choices;
  std::optional<domain::Usage> usage;  // Absent: the provider did not say.
  std::string_view service_tier;
  std::string_view extra_json;  // An object whose members stand at the top of the answer (citations, ...); or empty.
  Texts texts;
};

}  // namespace turnpike::protocol
