#pragma once

#include <string>
#include <string_view>

namespace turnpike::codec {

/// A JSON schema as Anthropic's structured outputs and strict tools take it: objects are closed, keywords that are
/// refused (bounds of numbers, lengths, patterns, ...) stand in the description instead, where the model reads them.
/// `schema_json` is checked JSON.
///
/// Source: Anthropic's own SDK rewrites schemas the same way before it sends them.
std::string anthropic_schema(std::string_view schema_json);

/// Whether nothing would be lost but bounds: an object that is a map (`additionalProperties` true or a schema) cannot
/// be closed.
bool fits_anthropic_schema(std::string_view schema_json);

}  // namespace turnpike::codec
