#include "codec/bedrock_request.h"

#include "base/text.h"
#include "codec/chat_codec.h"
#include "credential/sigv4.h"
#include "provider/aws.h"

namespace turnpike::codec {
namespace {

/// The model without region profile and address: "anthropic.claude-3-haiku-20240307-v1:0".
std::string_view own_id(const provider::Target& target) {
  std::string_view id = provider::bedrock_id(target.model);
  if (id.starts_with("arn:")) id.remove_prefix(id.rfind('/') == std::string_view::npos ? 0 : id.rfind('/') + 1);
  return id;
}

}  // namespace

std::string_view bedrock_model_id(const provider::Target& target) {
  const std::string_view named = target.param("model_id");
  return named.empty() ? provider::bedrock_id(target.model) : named;
}

BedrockMaker bedrock_maker(const provider::Target& target) {
  static constexpr std::pair<std::string_view, BedrockMaker> kMakers[] = {
      {"anthropic", BedrockMaker::Anthropic}, {"amazon", BedrockMaker::Amazon}, {"openai", BedrockMaker::OpenAi}};
  std::string_view id = own_id(target);
  // The maker stands first, or behind the region profile.
  for (int part = 0; part < 2; ++part) {
    const std::size_t dot = id.find('.');
    if (dot == std::string_view::npos) break;
    for (const auto& [name, maker] : kMakers) {
      if (id.substr(0, dot) == name) return maker;
    }
    id.remove_prefix(dot + 1);
  }
  return BedrockMaker::Other;
}

std::string bedrock_path(const provider::Target& target, std::string_view operation) {
  std::string path = target.base.path;
  path.append("/model/").append(base::percent_encode(bedrock_model_id(target))).append("/").append(operation);
  return path;
}

void sign_bedrock(const EncodeInput& input, Encoded& out) {
  if (input.credential.kind != credential::Credential::Kind::Aws) {
    add_bearer(out.fields, input);
    return;
  }
  if (has_field(out.fields, "authorization")) return;
  std::string host;
  input.target.base.origin.append_host(host);
  credential::SigningInput request;
  request.method = out.method;
  request.path = out.path;
  request.host = host;
  request.fields = out.fields;
  request.body = out.body;
  request.region = provider::aws_region(input.target);
  request.service = "bedrock";
  request.now_s = input.now_s;
  out.fields += credential::sigv4_fields(request, input.credential);
}

}  // namespace turnpike::codec
