#include <algorithm>

#include "base/text.h"
#include "codec/chat_codec.h"
#include "codec/openai_request.h"
#include "http/message.h"
#include "json/write.h"
#include "protocol/key_set.h"
#include "protocol/own_fields.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Member;
using json::Value;
using protocol::CallRequest;
using provider::AuthScheme;
using provider::FieldRule;
using provider::Provider;
using provider::Target;

// A gateway below reads these itself.
constexpr std::string_view kForGateways[] = {"tags", "litellm_metadata", "guardrails", "litellm_session_id",
                                             "litellm_trace_id"};
constexpr protocol::KeySet kGateway{kForGateways};

bool is_gateway(const Provider& provider) {
  return provider.name == "litellm_proxy";
}

// OpenAI takes metadata of at most 16 short strings; what LiteLLM's callers put there besides is for the gateway.
bool openai_takes(std::string_view metadata_json) {
  constexpr std::size_t kPairsMax = 16;
  constexpr std::size_t kValueBytesMax = 512;
  json::Document document;
  if (!document.parse(metadata_json) || !document.root().is(Kind::Object)) return false;
  std::size_t pairs = 0;
  for (const Value::Pair& pair : document.root().members()) {
    if (++pairs > kPairsMax || !pair.value.is(Kind::String) || pair.value.inner().size() > kValueBytesMax) return false;
  }
  return pairs > 0;
}

const FieldRule* find_rule(const Provider& provider, std::string_view field) {
  for (const FieldRule& rule : provider.rules) {
    if (rule.from == field) return &rule;
  }
  return nullptr;
}

/// Plans the edits of one call's body for one target.
class BodyEncoder {
 public:
  BodyEncoder(const CallRequest& call, const Target& target, const EncodeInput& input, json::Splice& splice)
      : call_(call), target_(target), input_(input), splice_(splice) {}

  Status encode();

 private:
  Status override_fields();
  void edit_member(const Member& member);
  void ask_usage(const Member* stream_options);
  void add_absent(std::string_view object_json);
  bool overridden(std::string_view key) const { return std::find(added_.begin(), added_.end(), key) != added_.end(); }
  bool dropped(std::string_view key) const {
    return std::find(target_.drop_params.begin(), target_.drop_params.end(), key) != target_.drop_params.end();
  }
  /// The name a parameter goes by at this provider; empty: it is not sent.
  std::string_view wire_name(std::string_view key) const {
    if (dropped(key)) return {};
    const FieldRule* rule = find_rule(*target_.provider, key);
    return rule == nullptr ? key : rule->to;
  }

  const CallRequest& call_;
  const Target& target_;
  const EncodeInput& input_;
  json::Splice& splice_;
  std::vector<std::string> added_;  // Names on the wire that came from elsewhere than the caller's body.
};

void BodyEncoder::ask_usage(const Member* stream_options) {
  if (!call_.stream) return;
  const bool ask = input_.ask_usage && target_.provider->stream_usage && !dropped("stream_options");
  if (!ask) {
    if (stream_options != nullptr) splice_.remove(call_.scan, *stream_options);
    return;
  }
  constexpr std::string_view kAsked = "{\"include_usage\":true}";
  if (stream_options == nullptr) {
    splice_.add(call_.scan, "stream_options", kAsked);
    return;
  }
  if (call_.include_usage) return;
  const std::string_view given = stream_options->value.in(call_.body);
  json::Document document;
  if (stream_options->kind != Kind::Object || !document.parse(given)) {
    splice_.replace(stream_options->value, std::string(kAsked));
    return;
  }
  std::string merged;
  json::Writer writer(merged);
  writer.begin_object();
  for (const Value::Pair& pair : document.root().members()) {
    const std::string key = pair.key.text().value_or("");
    if (key != "include_usage") writer.key(key).raw(pair.value.raw());
  }
  writer.key("include_usage").boolean(true).end_object();
  splice_.replace(stream_options->value, std::move(merged));
}

void BodyEncoder::edit_member(const Member& member) {
  const std::string_view key = member.key;
  if (key == "model") {
    splice_.replace(member.value, json::quoted(target_.model));
    return;
  }
  if (key == "stream_options" && call_.stream) return;  // ask_usage's.
  if (key == "metadata") {
    const bool keep = is_gateway(*target_.provider) ||
                      (target_.provider->name == "openai" && openai_takes(member.value.in(call_.body)));
    if (!keep || overridden(key)) splice_.remove(call_.scan, member);
    return;
  }
  if (protocol::is_own_field(key) && !(is_gateway(*target_.provider) && kGateway.has(key))) {
    splice_.remove(call_.scan, member);
    return;
  }
  const std::string_view name = wire_name(key);
  // A caller who gives both spellings means the newer one.
  bool superseded = false;
  for (const FieldRule& rule : target_.provider->rules) {
    superseded |= rule.to == key && call_.scan.find(rule.from) != nullptr;
  }
  if (name.empty() || superseded || overridden(name)) {
    splice_.remove(call_.scan, member);
  } else if (name != key) {
    splice_.replace(member.key_range, json::quoted(name));
  }
}

Status BodyEncoder::override_fields() {
  if (input_.overrides_json.empty()) return {};
  json::Document document;
  if (!document.parse(input_.overrides_json) || !document.root().is(Kind::Object)) {
    return base::fail(ErrorKind::InvalidRequest, "a fallback's parameters must be a JSON object");
  }
  for (const Value::Pair& pair : document.root().members()) {
    const std::string key = pair.key.text().value_or("");
    if (key.empty() || key == "model" || key == "stream" || key == "stream_options" || protocol::is_own_field(key))
      continue;
    const std::string_view name = wire_name(key);
    if (name.empty() || overridden(name)) continue;
    splice_.add(call_.scan, name, pair.value.raw());
    added_.emplace_back(name);
  }
  return {};
}

// Adds the members of `object_json` that neither the caller nor somebody before has given.
void BodyEncoder::add_absent(std::string_view object_json) {
  json::Document document;
  if (object_json.empty() || !document.parse(object_json)) return;
  for (const Value::Pair& pair : document.root().members()) {
    const std::string key = pair.key.text().value_or("");
    if (key.empty() || key == "model" || key == "stream" || key == "stream_options" || protocol::is_own_field(key))
      continue;
    const std::string_view name = wire_name(key);
    if (name.empty() || overridden(name) || call_.scan.find(key) != nullptr) continue;
    const bool same_under_another_name =
        std::any_of(call_.scan.members.begin(), call_.scan.members.end(),
                    [&](const Member& member) { return member.key == name || wire_name(member.key) == name; });
    if (same_under_another_name) continue;
    splice_.add(call_.scan, name, pair.value.raw());
    added_.emplace_back(name);
  }
}

Status BodyEncoder::encode() {
  if (auto overrides = override_fields(); !overrides) return overrides;
  const Member* stream_options = nullptr;
  const Member* extra_body = nullptr;
  bool model_given = false;
  for (const Member& member : call_.scan.members) {
    if (member.key == "stream_options") stream_options = &member;
    if (member.key == "extra_body") extra_body = &member;
    model_given |= member.key == "model";
    edit_member(member);
  }
  if (!model_given) splice_.add(call_.scan, "model", json::quoted(target_.model));
  if (domain::writes_text(call_.operation)) ask_usage(stream_options);
  if (extra_body != nullptr && extra_body->kind == Kind::Object) add_absent(extra_body->value.in(call_.body));
  add_absent(target_.default_params_json);
  return {};
}

std::string_view operation_path(domain::Operation operation) {
  switch (operation) {
    case domain::Operation::Chat:
      return "/chat/completions";
    case domain::Operation::Completion:
      return "/completions";
    case domain::Operation::Embedding:
      return "/embeddings";
    case domain::Operation::Rerank:
      return "/rerank";
    case domain::Operation::Moderation:
      return "/moderations";
    case domain::Operation::ImageGeneration:
      return "/images/generations";
    case domain::Operation::ImageEdit:
      return "/images/edits";
    case domain::Operation::Speech:
      return "/audio/speech";
    case domain::Operation::Transcription:
      return "/audio/transcriptions";
    case domain::Operation::Translation:
      return "/audio/translations";
  }
  return "";
}

std::string full_path(const Target& target, domain::Operation operation) {
  const std::string_view own = operation_path(operation);
  // Some people configure the whole address.
  if (target.base.path.ends_with(own)) return target.base.path;
  std::string path = target.base.path;
  if (path.empty()) path = target.provider->bare_path;
  path += own;
  return path;
}

}  // namespace

Status encode_openai_body(const EncodeInput& input, Encoded& out) {
  out.splice = std::make_unique<json::Splice>(input.call.body);
  if (auto body = BodyEncoder(input.call, input.target, input, *out.splice).encode(); !body) return body;
  out.splice->pieces(out.body);
  return {};
}

std::string_view openai_operation_path(domain::Operation operation) {
  return operation_path(operation);
}

std::string openai_path(const Target& target, domain::Operation operation) {
  return full_path(target, operation);
}

}  // namespace turnpike::codec
