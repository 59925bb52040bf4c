#pragma once

#include "codec/anthropic_betas.h"
#include "codec/codec.h"
#include "json/write.h"
#include "protocol/block.h"

namespace turnpike::codec {

/// Writes an image or a document as a content block. Documents are PDF, or text in any of its forms.
/// Errors: InvalidRequest saying what the API does not take (audio, video, other files, addresses nobody can fetch).
Status write_anthropic_media(json::Writer& writer, const protocol::Block& block, const protocol::CacheMark& cache,
                             AnthropicBetas& betas);

/// Whether the bytes must be in the request: the API fetches https itself, and PDF and images only.
bool anthropic_needs_bytes(const protocol::Block& block, bool fetches_https);

void write_cache_mark(json::Writer& writer, const protocol::CacheMark& cache);

}  // namespace turnpike::codec
