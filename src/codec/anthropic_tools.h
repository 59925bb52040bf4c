#pragma once

#include "codec/anthropic_betas.h"
#include "codec/codec.h"
#include "codec/tool_names.h"
#include "json/write.h"
#include "protocol/chat_request.h"

namespace turnpike::codec {

/// Appends the members `tools` and `tool_choice` of a Messages body, where there is something to say. Tools of the
/// API's own (by `type`, or with an `input_schema`) go as they came. `stand_in`: the history calls tools and the call
/// names none, which the API refuses. Errors: InvalidRequest: a custom tool, whose input is free text.
Status write_anthropic_tools(json::Writer& writer, const protocol::ChatRequest& request,
                             const domain::ModelTraits& traits, bool stand_in, ToolNames& names, AnthropicBetas& betas);

}  // namespace turnpike::codec
