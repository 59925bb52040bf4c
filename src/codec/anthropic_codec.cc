#include "codec/anthropic_codec.h"

#include "base/text.h"
#include "codec/anthropic_bedrock.h"
#include "codec/anthropic_error.h"
#include "codec/anthropic_media.h"
#include "codec/anthropic_reply.h"
#include "codec/anthropic_stream.h"
#include "codec/bedrock_error.h"
#include "codec/bedrock_request.h"
#include "codec/codecs.h"
#include "http/message.h"

namespace turnpike::codec {
namespace {

using credential::Credential;

constexpr std::string_view kVersion = "2023-06-01";
constexpr std::string_view kKeyField = "x-api-key";
constexpr std::string_view kOauthToken = "sk-ant-oat";
constexpr std::string_view kOauthBeta = "oauth-2025-04-20";

/// Takes the lines of one (lower-case) name out of rendered header lines; their values with commas between.
std::string take_fields(std::string& fields, std::string_view name) {
  std::string values;
  std::string kept;
  std::string_view rest = fields;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find("\r\n"), rest.size());
    const std::string_view line = rest.substr(0, end);
    if (has_field(line, name)) {
      values.append(values.empty() ? "" : ",").append(base::trim(line.substr(name.size() + 1)));
    } else {
      kept.append(line).append("\r\n");
    }
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
  fields = std::move(kept);
  return values;
}

// Azure's rows say how OpenAI's models are called; its copy of this API wants the key as Anthropic does.
bool is_copy(const provider::Target& target) {
  return target.provider->shape != provider::Shape::Anthropic && target.shape == provider::Shape::Anthropic;
}

void add_credential(std::string& fields, const EncodeInput& input, AnthropicBetas& betas) {
  using provider::AuthScheme;
  const std::string_view token = input.credential.token.reveal();
  if (token.starts_with(kOauthToken)) betas.add(kOauthBeta);
  if (input.credential.kind == Credential::Kind::Bearer || token.starts_with(kOauthToken)) {
    add_bearer(fields, input);
    return;
  }
  if (is_copy(input.target) && input.credential.kind == Credential::Kind::Key) {
    add_key(fields, kKeyField, input);
    return;
  }
  switch (input.target.provider->auth) {
    case AuthScheme::Bearer:
      add_bearer(fields, input);
      break;
    case AuthScheme::ApiKeyHeader:
      add_key(fields, input.target.provider->auth_header, input);
      break;
    case AuthScheme::RawAuthorization:
      add_key(fields, "Authorization", input);
      break;
    case AuthScheme::None:
      break;
  }
}

// People configure the bare address, the one with "/v1", or the whole.
std::string messages_path(const std::string& base) {
  if (base.ends_with("/messages")) return base;
  return base + (base.ends_with("/v1") ? "/messages" : "/v1/messages");
}

// The address ends behind the location.
std::string vertex_path(const EncodeInput& input) {
  std::string path = input.target.base.path + "/publishers/anthropic/models/";
  for (const char c : input.target.model) {
    // A version stands behind "@": Google's own clients leave it as it is.
    path += c == '@' ? "@" : base::percent_encode(std::string_view(&c, 1));
  }
  return path + (input.call.stream ? ":streamRawPredict" : ":rawPredict");
}

}  // namespace

const Codec& anthropic_codec() {
  static const AnthropicCodec codec(AnthropicFrame::Direct);
  return codec;
}

const Codec& anthropic_vertex_codec() {
  static const AnthropicCodec codec(AnthropicFrame::Vertex);
  return codec;
}

const Codec& anthropic_bedrock_codec() {
  static const AnthropicCodec codec(AnthropicFrame::Bedrock);
  return codec;
}

Status AnthropicCodec::encode_chat(protocol::ChatRequest& request, const EncodeInput& input, Encoded& out) const {
  const bool bedrock = frame_ == AnthropicFrame::Bedrock;
  AnthropicBetas betas;
  std::string fields =
      common_fields(input, request.stream, bedrock && request.stream ? "application/vnd.amazon.eventstream" : "");
  betas.add_list(take_fields(fields, "anthropic-beta"));
  if (Status written = write_anthropic_body(request, input, frame_, betas, out); !written) return written;
  if (bedrock) {
    out.path = bedrock_path(input.target, request.stream ? "invoke-with-response-stream" : "invoke");
    out.fields = std::move(fields);
    sign_bedrock(input, out);
    return {};
  }
  const bool direct = frame_ == AnthropicFrame::Direct;
  if (direct && !has_field(fields, "anthropic-version")) http::add_field(fields, "anthropic-version", kVersion);
  add_credential(fields, input, betas);
  if (!betas.empty()) http::add_field(fields, "anthropic-beta", betas.joined());
  out.fields = std::move(fields);
  out.path = direct ? messages_path(input.target.base.path) : vertex_path(input);
  return {};
}

Result<protocol::ChatReply> AnthropicCodec::decode_chat(std::string_view body, std::string_view label) const {
  return read_anthropic_reply(body, label);
}

std::unique_ptr<protocol::EventDecoder> AnthropicCodec::decode_events(std::string_view label) const {
  if (frame_ == AnthropicFrame::Bedrock) return std::make_unique<AnthropicBedrockEvents>(label);
  return std::make_unique<AnthropicEvents>(label);
}

Error AnthropicCodec::read_error(const Refusal& refusal) const {
  if (frame_ == AnthropicFrame::Bedrock) return read_bedrock_error(refusal);
  return read_anthropic_error(refusal.status, refusal.body, refusal.label, refusal.retry_after, refusal.now_s);
}

bool AnthropicCodec::needs_bytes(const protocol::Block& block, const EncodeInput&) const {
  return anthropic_needs_bytes(block, frame_ == AnthropicFrame::Direct);
}

}  // namespace turnpike::codec
