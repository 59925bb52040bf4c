#pragma once

#include <string_view>

#include "codec/codec.h"

namespace turnpike::codec {

/// A model's name as Google's addresses have it: "gemini/gemini-2.5-pro" and "models/gemini-2.5-pro" mean the last
/// part.
std::string_view google_model(std::string_view model);

/// Sets the path to a model's own method ("predict", "streamGenerateContent?alt=sse"), the common header lines and the
/// proof of our right to call it, on both of Google's APIs.
void google_address(const EncodeInput& input, std::string_view method, Encoded& out, bool stream = false);

}  // namespace turnpike::codec
