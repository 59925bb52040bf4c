#include "codec/watsonx_codec.h"

#include "base/text.h"
#include "codec/chat_codec.h"
#include "codec/codecs.h"
#include "codec/parts.h"
#include "http/message.h"
#include "json/write.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;

constexpr std::string_view kDeployment = "deployment/";

bool is_deployment(const provider::Target& target) {
  return target.model.starts_with(kDeployment);
}

/// Writes OpenAI's body anew as IBM's.
class Body {
 public:
  Body(const provider::Target& target, std::string& out) : target_(target), writer_(out) {}

  void write(const Value& root) {
    writer_.begin_object();
    if (!is_deployment(target_)) writer_.key("model_id").string(target_.model);
    bool placed = is_deployment(target_);
    for (const Value::Pair& pair : root.members()) {
      const std::string key = pair.key.text().value_or("");
      if (key == "model" || key == "stream" || key == "stream_options") continue;
      if (key == "project_id" || key == "space_id") {
        if (is_deployment(target_)) continue;
        placed = true;
      }
      const bool option = key == "tool_choice" && pair.value.is(Kind::String);
      writer_.key(option ? "tool_choice_option" : key).raw(pair.value.raw());
    }
    if (!placed) place();
    writer_.end_object();
  }

 private:
  void place() {
    for (const auto& [param, field] :
         {std::pair{"watsonx_project_id", "project_id"}, {"watsonx_space_id", "space_id"}}) {
      const std::string_view id = target_.param(param);
      if (id.empty()) continue;
      writer_.key(field).string(id);
      return;
    }
  }

  const provider::Target& target_;
  json::Writer writer_;
};

}  // namespace

Result<std::string> watsonx_path(const provider::Target& target, bool stream) {
  std::string path = target.base.path;
  if (path.ends_with("/ml/v1")) path.resize(path.size() - 6);
  path += "/ml/v1";
  if (is_deployment(target)) {
    const std::string_view id = std::string_view(target.model).substr(kDeployment.size());
    if (id.empty() || id == "." || id == "..") {
      return base::fail(ErrorKind::InvalidRequest, "\"" + target.model + "\" names no watsonx deployment");
    }
    path += "/deployments/" + base::percent_encode(id);
  }
  path += stream ? "/text/chat_stream" : "/text/chat";
  return path + "?version=" + base::percent_encode(target.api_version);
}

Status WatsonxCodec::address(const EncodeInput& input, Encoded& out) const {
  if (input.call.operation != domain::Operation::Chat) return refuse_param(input, "model", "serves chat only");
  Result<std::string> path = watsonx_path(input.target, input.call.stream);
  if (!path) return base::fail(std::move(path.error()));
  out.path = std::move(*path);
  out.fields = common_fields(input, input.call.stream);
  const std::string& key = input.credential.token.reveal();
  if (input.credential.kind != credential::Credential::Kind::Key) {
    add_bearer(out.fields, input);
  } else if (!key.empty() && !has_field(input.target.extra_fields, "authorization")) {
    http::add_field(out.fields, "Authorization", "ZenApiKey " + key);
  }
  return {};
}

Result<Encoded> WatsonxCodec::encode(const EncodeInput& input) const {
  Result<Encoded> encoded = OpenAiCodec::encode(input);
  if (!encoded) return encoded;
  std::string given;
  for (const std::string_view piece : encoded->body) given += piece;
  json::Document document;
  if (auto parsed = document.parse(given); !parsed) return base::fail(std::move(parsed.error()));
  std::string body;
  Body(input.target, body).write(document.root());
  encoded->splice.reset();
  encoded->set_body(std::move(body));
  return encoded;
}

Result<protocol::ReplyFacts> WatsonxCodec::read_reply(const protocol::ReplyOptions& options, const Encoded& request,
                                                      std::string_view body, std::string& scratch,
                                                      std::vector<std::string_view>& pieces) const {
  const std::size_t first = pieces.size();
  Result<protocol::ReplyFacts> facts = OpenAiCodec::read_reply(options, request, body, scratch, pieces);
  // The one member of an answer that IBM leaves out.
  if (facts && body.find("\"object\"") == std::string_view::npos) {
    std::string_view& front = pieces[first];
    front.remove_prefix(front.find('{') + 1);
    pieces.insert(pieces.begin() + static_cast<std::ptrdiff_t>(first), R"({"object":"chat.completion",)");
  }
  return facts;
}

const Codec& watsonx_codec() {
  static const WatsonxCodec codec;
  return codec;
}

}  // namespace turnpike::codec
