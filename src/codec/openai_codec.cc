#include "codec/openai_codec.h"

#include "codec/chat_codec.h"
#include "codec/op_request.h"
#include "codec/openai_request.h"
#include "protocol/openai_error.h"
#include "protocol/openai_stream.h"
#include "protocol/operation_reply.h"
#include "protocol/pass_stream.h"

namespace turnpike::codec {

Status OpenAiCodec::address(const EncodeInput& input, Encoded& out) const {
  using provider::AuthScheme;
  const provider::Target& target = input.target;
  out.path = openai_path(target, input.call.operation);
  out.fields = common_fields(input, input.call.stream);
  const bool bearer = input.credential.kind == credential::Credential::Kind::Bearer;
  switch (bearer ? AuthScheme::Bearer : target.provider->auth) {
    case AuthScheme::Bearer:
      add_bearer(out.fields, input);
      break;
    case AuthScheme::RawAuthorization:
      add_key(out.fields, "Authorization", input);
      break;
    case AuthScheme::ApiKeyHeader:
      add_key(out.fields, target.provider->auth_header, input);
      break;
    case AuthScheme::None:
      break;
  }
  return {};
}

Result<Encoded> OpenAiCodec::encode(const EncodeInput& input) const {
  if (input.traits.responses_only && input.call.operation == domain::Operation::Chat) {
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.param = "model";
    error.message = "litellm.BadRequestError: " + std::string(input.target.provider->label) + " answers for " +
                    input.target.model + " at /responses only, and chat completions are not translated to it yet";
    return base::fail(std::move(error));
  }
  Encoded encoded;
  if (Status addressed = address(input, encoded); !addressed) return base::fail(std::move(addressed.error()));
  if (!domain::writes_text(input.call.operation)) note_operation(input, encoded);
  if (input.call.form) {
    encode_openai_form(input, encoded);
    return encoded;
  }
  if (Status body = encode_openai_body(input, encoded); !body) return base::fail(std::move(body.error()));
  return encoded;
}

Result<protocol::ReplyFacts> OpenAiCodec::read_reply(const protocol::ReplyOptions& options, const Encoded& request,
                                                     std::string_view body, std::string& scratch,
                                                     std::vector<std::string_view>& pieces) const {
  if (domain::writes_text(options.operation)) {
    if (!request.quirks.any()) return protocol::read_reply(options, body, scratch, pieces);
    protocol::ReplyOptions own = options;
    own.quirks = request.quirks;
    return protocol::read_reply(own, body, scratch, pieces);
  }
  return protocol::read_operation_reply(options, request.base64_vectors, body, scratch, pieces);
}

std::unique_ptr<protocol::ReplyStream> OpenAiCodec::follow(protocol::StreamOptions options,
                                                           const Encoded& request) const {
  options.quirks = request.quirks;
  if (!domain::writes_text(options.operation)) return std::make_unique<protocol::PassStream>(std::move(options));
  return std::make_unique<protocol::OpenAiStream>(std::move(options));
}

Error OpenAiCodec::read_error(const Refusal& refusal) const {
  return protocol::read_error(refusal.status, refusal.body, refusal.label, refusal.retry_after, refusal.now_s);
}

std::optional<domain::Usage> OpenAiCodec::usage_of_part(std::string_view body) const {
  return protocol::usage_of_reply(body);
}

std::string OpenAiCodec::text_of_part(std::string_view body) const {
  return protocol::text_of_part(body);
}

}  // namespace turnpike::codec
