#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/codec.h"

// What the same-dialect road does to a body beyond top-level names: by the row's quirks and the model's traits.
namespace turnpike::codec {

/// Parameters of one call that its target does not take and that are to be left out.
/// Errors: InvalidRequest naming the parameter (code unsupported_parameter), where leaving out was not asked for and
///         would change the answer.
Result<std::vector<std::string_view>> params_to_leave_out(const EncodeInput& input,
                                                          const protocol::ParamPolicy& policy);

/// Whether the model takes `max_completion_tokens` and no `max_tokens`.
bool wants_newer_token_limit(const EncodeInput& input);

/// What stands in a body that some targets do not take; found in one look at its quotes, nothing is parsed. Says too
/// much rather than too little: a text may hold the same words.
struct Suspects {
  // Few targets take these.
  bool cache_marks = false;  // "cache_control"
  bool thinking = false;     // "thinking_blocks", "reasoning_content", "reasoning_details"
  bool own_fields = false;   // "provider_specific_fields"
  bool tool_id = false;      // An id of a tool call that holds a signature or is long.
  // Most do.
  bool developer = false;    // "developer"
  bool annotations = false;  // "annotations"
  bool names = false;        // "name"
  bool nulls = false;        // A member that is null.
  bool images = false;       // "image_url"
  bool bare_images = false;  // An "image_url" that is a string.
  bool videos = false;       // "data:video/..."
  bool texts = false;        // "text"
  bool tools = false;        // "tool", "tool_calls"

  bool any() const { return cache_marks || thinking || own_fields || tool_id; }
};
Suspects suspects_in(std::string_view body);

/// The id of a tool call as a target takes it: without the signature that travels behind it, at most 40 bytes; for
/// `nine` nine letters or digits. The same id always gives the same.
std::string tool_id_for(std::string_view id, bool nine);

/// The list `messages` (JSON text) as this target takes it; nothing when that is what it is.
std::optional<std::string> edited_messages(std::string_view messages, const EncodeInput& input,
                                           const Suspects& suspects);
/// The same for `tools`.
std::optional<std::string> edited_tools(std::string_view tools, const EncodeInput& input, const Suspects& suspects);

/// A parameter's value as this target takes it. Empty text: the parameter is left out.
std::optional<std::string> edited_value(std::string_view name, std::string_view value, const EncodeInput& input);

/// The effort that an Anthropic thinking object stands for; empty: none was asked for.
std::string_view effort_for_thinking(std::string_view thinking);
/// The Anthropic thinking object that an effort (JSON text) stands for.
std::string thinking_for_effort(std::string_view effort);

/// Whether `response_format` is asked for by a tool (Quirk::JsonTool): the format is left out, tool and choice added.
bool asks_by_json_tool(const EncodeInput& input);
std::string json_tool(std::string_view response_format);  // The list `tools`.

}  // namespace turnpike::codec
