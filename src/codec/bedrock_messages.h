#pragma once

#include <string>

#include "base/result.h"
#include "codec/codec.h"
#include "codec/tool_names.h"

namespace turnpike::codec {

/// The conversation in Converse's words: turns that alternate, each piece a block.
struct BedrockConversation {
  std::string messages;      // JSON arrays.
  std::string system;        // Empty: none.
  bool has_tools = false;    // A tool was called, or answered, in it.
  bool thoughtless = false;  // The last answer called tools, and nobody's thoughts are in it: Claude cannot think on.
};

/// Errors: InvalidRequest naming the message or part that cannot be said: media nobody could fetch or of a format
///         Converse lacks, files in another provider's store, an empty turn or a start by the assistant (which
///         `modify` repairs).
Result<BedrockConversation> bedrock_conversation(const protocol::ChatRequest& request, const EncodeInput& input,
                                                 bool modify, ToolNames& names);

/// Appends `,{"cachePoint":...}` behind what `mark` stands at, where the model caches prompts.
void append_cache_point(std::string& out, const protocol::CacheMark& mark, const domain::ModelTraits& traits);

}  // namespace turnpike::codec
