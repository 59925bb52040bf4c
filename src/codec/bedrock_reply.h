#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "codec/stop_reason.h"
#include "json/document.h"
#include "protocol/chat_reply.h"

namespace turnpike::codec {

/// Reads a whole answer of Converse. Blocks nobody can show (results of tools that AWS ran) are read past.
/// Errors: an error instead of an answer (AC-ERR-2), UpstreamMalformed.
Result<protocol::ChatReply> read_bedrock_reply(std::string_view body, std::string_view label);
/// The same of a parsed one; views point into the document's text and the reply's own texts.
Result<protocol::ChatReply> read_bedrock_reply(const json::Value& root, std::string_view label);

/// Of a `stopReason`.
StopReason bedrock_stop(std::string_view reason);

/// A `usage` object: `inputTokens` leaves out what was read from and written to a cache; `totalTokens` is not believed.
/// Nothing when it says nothing; zeros on both sides are said, and come back as a usage of nothing.
std::optional<domain::Usage> bedrock_usage(const json::Value& usage);

/// Where a citation's source is to be found on the web; empty when it is a document of the caller's.
std::string_view bedrock_citation_url(const json::Value& citation, protocol::Texts& texts);

}  // namespace turnpike::codec
