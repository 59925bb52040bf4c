#pragma once

#include <string>
#include <string_view>

#include "codec/codec.h"
#include "codec/gemini_model.h"
#include "json/write.h"

// What the encoder of generateContent is made of; one source a part.
namespace turnpike::codec {

/// One call on its way to Google.
struct GeminiCall {
  GeminiCall(const EncodeInput& input_in, bool vertex_in)
      : input(input_in), model(input_in.target.model), vertex(vertex_in) {}

  const EncodeInput& input;
  GeminiModel model;
  bool vertex = false;
  bool drop = false;  // drop_params: what has no counterpart is left out.
};

/// Stands for the signature of a function call that nobody knows (a history made by another model): base64 of
/// "skip_thought_signature_validator".
inline constexpr std::string_view kNoSignature = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=";

/// The members `contents` and `systemInstruction`. Errors: InvalidRequest naming a part that has no counterpart.
Status write_gemini_contents(const GeminiCall& call, protocol::ChatRequest& request, json::Writer& body);

/// The members `tools` and `toolConfig`.
Status write_gemini_tools(const GeminiCall& call, const protocol::ChatRequest& request, json::Writer& body);

/// `generationConfig` and everything else that stands beside the contents: the caller's own members go to their places.
Status write_gemini_config(const GeminiCall& call, const protocol::ChatRequest& request, json::Writer& body);

/// Whether Google must be given the bytes of what stands at this address.
bool gemini_needs_bytes(const protocol::Media& media, const GeminiCall& call);

/// "safety_settings" -> "safetySettings".
std::string camel_case(std::string_view name);

}  // namespace turnpike::codec
