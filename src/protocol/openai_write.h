#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocol/chat_event.h"
#include "protocol/chat_reply.h"
#include "protocol/openai_reply.h"
#include "protocol/reply_stream.h"

namespace turnpike::protocol {

/// What was done to a request on its way out and must be undone on the way back.
struct AnswerTerms {
  bool json_tool = false;         // The call of the tool `json_tool_call` is the content (spec providers 2.4),
  bool unwrap_json = true;        // without an object around it that the model has added (`unwrap_json_answer`).
  bool legacy_functions = false;  // `function_call` instead of `tool_calls`.
  std::vector<std::pair<std::string, std::string>> tool_names;  // Sent name, the caller's own; only changed ones.
};
inline constexpr std::string_view kJsonTool = "json_tool_call";

/// Writes a whole answer as an OpenAI chat completion and says what it held. The body goes to `out`.
/// Errors: UpstreamMalformed when there is no choice.
Result<ReplyFacts> write_openai_reply(const ReplyOptions& options, const AnswerTerms& terms, const ChatReply& reply,
                                      std::string& out);

/// A stream of another dialect as OpenAI chat chunks (spec providers 2.6, AC-OAI-1 to -3, AC-ERR-1).
///
/// Thinking is shown twice, as LiteLLM's clients expect: `reasoning_content` and `thinking_blocks`, the signature as a
/// block of its own. With the JSON tool text is held back (up to 1 MiB) until it is known whether it is the answer or a
/// preface to it, and so is an answer that looks wrapped in another object; any other flows as content.
std::unique_ptr<ReplyStream> translate_stream(StreamOptions options, AnswerTerms terms,
                                              std::unique_ptr<EventDecoder> decoder);

}  // namespace turnpike::protocol
