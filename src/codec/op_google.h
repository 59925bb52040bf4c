#pragma once

#include <string>
#include <string_view>

#include "codec/codec.h"

namespace turnpike::codec {

/// The address of a model's own method ("predict", "generateContent") and the proof of our right to call it.
void google_address(const EncodeInput& input, std::string_view method, Encoded& out);

/// "imagen-4.0-generate-001": the family that is asked by `predict`, on both of Google's APIs.
bool is_imagen(std::string_view model);

}  // namespace turnpike::codec
