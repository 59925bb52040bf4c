#pragma once

#include "codec/codec.h"

namespace turnpike::codec {

/// OpenAI's own dialect: the caller's bytes are edited, not rebuilt, and so are the provider's.
///
/// Source: OpenAI API reference; spec providers 3, providers-openai-compatible.
class OpenAiCodec : public Codec {
 public:
  Result<Encoded> encode(const EncodeInput& input) const override;
  Result<protocol::ReplyFacts> read_reply(const protocol::ReplyOptions& options, const Encoded& request,
                                          std::string_view body, std::string& scratch,
                                          std::vector<std::string_view>& pieces) const override;
  std::unique_ptr<protocol::ReplyStream> follow(protocol::StreamOptions options, const Encoded& request) const override;
  Error read_error(const Refusal& refusal) const override;
  std::optional<domain::Usage> usage_of_part(std::string_view body) const override;
  std::string text_of_part(std::string_view body) const override;

 protected:
  /// Path and header lines; Azure has its own.
  virtual Status address(const EncodeInput& input, Encoded& out) const;
};

}  // namespace turnpike::codec
