#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "codec/codec.h"
#include "json/write.h"

// What the request encoders of the smaller dialects share.
namespace turnpike::codec {

/// The media's own address, else its bytes as a data URI.
std::string media_url(const protocol::Media& media);

/// Whether `tool_choice` leaves this tool in: only a list of allowed ones leaves any out.
bool allows(const protocol::ToolChoice& choice, const protocol::Tool& tool);
/// A function as OpenAI, Cohere and Ollama declare it: {"type":"function","function":{name, description, parameters}}.
void write_function(const protocol::Tool& tool, json::Writer& writer);

/// InvalidRequest: the provider does not take this kind of content in message `position`.
tl::unexpected<Error> refuse_part(const EncodeInput& input, const protocol::Block& block, std::size_t position);
/// InvalidRequest: no message is left that the provider would take.
tl::unexpected<Error> refuse_empty_messages();
/// InvalidRequest about one parameter: "<Provider> <why>".
tl::unexpected<Error> refuse_param(const EncodeInput& input, std::string_view param, std::string_view why);

}  // namespace turnpike::codec
