#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "protocol/openai_reply.h"

namespace turnpike::protocol {

/// Reads the whole answer of an OpenAI-shaped provider to an operation that writes no text and appends what the caller
/// gets: the same bytes, with `model` replaced where there is one, and vectors in the encoding that was asked for
/// (`base64`), whichever the provider can do.
/// Errors: as read_reply.
Result<ReplyFacts> read_operation_reply(const ReplyOptions& options, bool base64, std::string_view body,
                                        std::string& scratch, std::vector<std::string_view>& pieces);

/// Usage of such an operation as its `usage` object says it: tokens that are written are those of images or of sound,
/// and recordings have a length (`facts.audio_ms`).
void read_operation_usage(domain::Operation operation, const json::Value& usage, ReplyFacts& facts);

/// A vector as base64 of little-endian 32-bit floats, with quotes; nothing when `numbers` is no list of numbers.
std::optional<std::string> vector_as_base64(const json::Value& numbers);
/// The other way round: a JSON list of the shortest numbers that mean the same floats; nothing for broken base64.
std::optional<std::string> vector_as_list(std::string_view base64);

}  // namespace turnpike::protocol
