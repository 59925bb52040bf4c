#pragma once

#include <string_view>

#include "protocol/block.h"
#include "protocol/texts.h"

namespace turnpike::protocol {

/// What an address in a part says about where its bytes are: a data URI is split into mime and base64, an http(s), gs
/// or s3 address becomes the `url`. False for anything else, also for a data URI that is no base64.
bool read_address(std::string_view address, Media& media);

/// The usual spelling of a mime type: "image/jpg" is "image/jpeg".
std::string_view usual_mime(std::string_view mime);
/// The mime type that a name or address ends like ("a.pdf", "https://x/a.png?v=2"); empty when nobody can tell.
std::string_view mime_of_name(std::string_view name);

/// Arguments of a tool call as a JSON object: "{}" for none; what is no object is wrapped, {"INVALID_JSON": "<text>"},
/// so that a call a model has botched can stay in the history (the advice of Anthropic's documents).
std::string_view arguments_object(std::string_view arguments, Texts& texts);

/// A Gemini thought signature travels inside the id of its tool call: OpenAI clients drop fields they do not know
/// (AC-GEM-1; the separator is LiteLLM's).
inline constexpr std::string_view kThoughtMark = "__thought__";
struct SignedId {
  std::string_view id;
  std::string_view signature;  // Empty: none.
};
SignedId split_signed_id(std::string_view id);

}  // namespace turnpike::protocol
