#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "codec/codec.h"
#include "codec/tool_names.h"

namespace turnpike::codec {

struct BedrockTools {
  std::string config;                     // `toolConfig`; empty: none.
  std::vector<std::string_view> foreign;  // Tools of the model maker's own dialect, which go beside Converse.
};

/// `history_has_tools`: a tool was called, or answered, earlier in the conversation; Converse then wants a toolConfig.
/// Errors: InvalidRequest naming what cannot be said: custom tools, a schema that is no object's, a choice the model or
///         its thinking does not allow, no tools where the history has some.
Result<BedrockTools> bedrock_tools(protocol::ChatRequest& request, const EncodeInput& input,
                                   const protocol::ParamPolicy& policy, ToolNames& names, bool history_has_tools,
                                   bool thinks);

}  // namespace turnpike::codec
