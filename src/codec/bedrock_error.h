#pragma once

#include <string_view>

#include "codec/codec.h"
#include "json/document.h"

namespace turnpike::codec {

/// What an error answer of Bedrock means: by the exception's name (header `x-amzn-errortype`, else `__type` in the
/// body), by its text, by its status.
///
/// Source: exceptions of Bedrock Runtime's service model; AWS's common errors.
Error read_bedrock_error(const Refusal& refusal);

/// An exception inside a stream ("throttlingException") or an error of its frame.
Error read_bedrock_exception(std::string_view name, std::string_view payload, std::string_view label);

/// Whether an object is an error instead of an answer.
bool is_bedrock_error(const json::Value& object);

}  // namespace turnpike::codec
