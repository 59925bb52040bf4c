#pragma once

#include <string>

#include "codec/openai_codec.h"

namespace turnpike::codec {

/// OpenAI's bodies in IBM's frame: `model_id` and a project or space, streams by a path of their own, `tool_choice` by
/// two names. Answers are OpenAI's; streams end without a marker.
///
/// Source: npm `@ibm-cloud/watsonx-ai` (TextChatParams, TextChatStreamItem); spec providers-others 4.
/// "deployment/<id>" names a deployment, which knows its model and project.
/// A key that is no token is a Zen key of Cloud Pak for Data.
class WatsonxCodec : public OpenAiCodec {
 public:
  Result<Encoded> encode(const EncodeInput& input) const override;
  Result<protocol::ReplyFacts> read_reply(const protocol::ReplyOptions& options, const Encoded& request,
                                          std::string_view body, std::string& scratch,
                                          std::vector<std::string_view>& pieces) const override;

 protected:
  Status address(const EncodeInput& input, Encoded& out) const override;
};

/// The path and query of a chat call. Errors: InvalidRequest when the deployment's name cannot stand in a path.
Result<std::string> watsonx_path(const provider::Target& target, bool stream);

}  // namespace turnpike::codec
