#pragma once

#include <string>

#include "base/result.h"
#include "codec/bedrock_names.h"
#include "protocol/block.h"

namespace turnpike::codec {

/// An image, document, video or audio part as a Converse block: its bytes, or where they lie in S3.
/// Errors: InvalidRequest; the message goes on from the part's path ("is of a type Bedrock does not take").
Result<std::string> bedrock_media(const protocol::Block& block, BedrockDocumentNames& names);

/// Whether the gateway must fetch it: Converse takes bytes and S3, no other address.
bool bedrock_needs_bytes(const protocol::Block& block);

}  // namespace turnpike::codec
