#pragma once

#include "codec/codec.h"

namespace turnpike::codec {

/// A dialect other than OpenAI's: the caller's bytes become a `ChatRequest`, the provider's a `ChatReply` or
/// `ChatEvent`s. What all of them share is done here (parameters the target lacks, the JSON tool, changed tool names,
/// headers); a codec writes and reads its own wire format and nothing else. A text completion is served as a chat of
/// one user message; other operations have codecs of their own.
class ChatCodec : public Codec {
 public:
  Result<Encoded> encode(const EncodeInput& input) const final;
  Result<protocol::ReplyFacts> read_reply(const protocol::ReplyOptions& options, const Encoded& request,
                                          std::string_view body, std::string& scratch,
                                          std::vector<std::string_view>& pieces) const final;
  std::unique_ptr<protocol::ReplyStream> follow(protocol::StreamOptions options, const Encoded& request) const final;
  std::optional<domain::Usage> usage_of_part(std::string_view body) const override;
  std::string text_of_part(std::string_view body) const override;
  std::vector<std::string> urls_to_fetch(const EncodeInput& input) const final;

 protected:
  /// The parameters this model takes here. `encode_chat` sees no other.
  virtual protocol::ParamSet supported(const EncodeInput& input) const = 0;
  /// Sets path, fields (beyond the common ones, see `common_fields`), body and terms.
  virtual Status encode_chat(protocol::ChatRequest& request, const EncodeInput& input, Encoded& out) const = 0;
  virtual Result<protocol::ChatReply> decode_chat(std::string_view body, std::string_view label) const = 0;
  virtual std::unique_ptr<protocol::EventDecoder> decode_events(std::string_view label) const = 0;
  /// Whether the provider must be given the bytes of what stands at `media.url`.
  virtual bool needs_bytes(const protocol::Block& block, const EncodeInput& input) const {
    static_cast<void>(block), static_cast<void>(input);
    return false;
  }

 private:
  void put_fetched(protocol::ChatRequest& request, const EncodeInput& input) const;
};

/// Content-Type, Accept, Accept-Encoding, User-Agent, traceparent, the target's extra fields and the forwarded ones.
/// `accept` empty: by `stream`.
std::string common_fields(const EncodeInput& input, bool stream, std::string_view accept = {});
/// Whether rendered header lines hold a field of this (lower-case) name.
bool has_field(std::string_view fields, std::string_view name);
/// "Authorization: Bearer ..." unless the target's extra fields bring their own; nothing for Kind::None.
void add_bearer(std::string& fields, const EncodeInput& input);
/// The key in a header of the provider's own.
void add_key(std::string& fields, std::string_view header, const EncodeInput& input);

/// What the deployment, the settings and the call itself say of parameters that the target does not take.
protocol::ParamPolicy param_policy(const EncodeInput& input);

/// Asks for JSON by a forced tool where the model has no structured output (spec providers 2.4): adds the tool
/// `json_tool_call`, chooses it (with thinking on: auto; beside the caller's own tools: any), clears `response_format`
/// and marks the terms. A schema that is no object's goes under `values`.
void use_json_tool(protocol::ChatRequest& request, protocol::AnswerTerms& terms);

}  // namespace turnpike::codec
