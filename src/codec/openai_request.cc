#include <algorithm>

#include "codec/chat_codec.h"
#include "codec/openai_edit.h"
#include "codec/openai_request.h"
#include "json/write.h"
#include "protocol/key_set.h"
#include "protocol/operation_path.h"
#include "protocol/own_fields.h"
#include "protocol/param_path.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Member;
using json::Value;
using protocol::CallRequest;
using provider::FieldRule;
using provider::Provider;
using provider::Quirk;
using provider::Target;

// A gateway below reads these itself.
constexpr std::string_view kForGateways[] = {"tags", "litellm_metadata", "guardrails", "litellm_session_id",
                                             "litellm_trace_id"};
constexpr protocol::KeySet kGateway{kForGateways};

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
  BodyEncoder(const EncodeInput& input, json::Splice& splice)
      : call_(input.call), target_(input.target), input_(input), splice_(splice), policy_(param_policy(input)) {}

  Status encode();
  /// The format of the answer was asked for by a tool.
  bool by_tool() const { return by_tool_; }

 private:
  Status choose();
  Status override_fields();
  void edit_member(const Member& member);
  void ask_usage(const Member* stream_options);
  void ask_by_tool();
  void add(std::string_view name, std::string_view value);
  void add_absent(std::string_view object_json);
  std::optional<std::string> value_for(std::string_view key, std::string_view value, const Suspects& suspects) const;
  bool is_gateway() const { return target_.provider->quirks.has(Quirk::KnowsAll); }
  bool takes_metadata(const Member& member) const {
    if (is_gateway()) return true;
    return target_.provider->takes.has(protocol::Param::Metadata) && openai_takes(member.value.in(call_.body));
  }
  bool overridden(std::string_view key) const { return std::find(added_.begin(), added_.end(), key) != added_.end(); }
  bool dropped(std::string_view key) const {
    const auto names = [&](const auto& list) { return std::find(list.begin(), list.end(), key) != list.end(); };
    return names(policy_.additional_drop) || names(left_out_);
  }
  bool superseded(std::string_view key) const;
  /// The name a parameter goes by at this provider; empty: it is not sent.
  std::string_view wire_name(std::string_view key) const {
    if (dropped(key)) return {};
    if (newer_limit_ && key == "max_tokens") return "max_completion_tokens";
    const FieldRule* rule = find_rule(*target_.provider, key);
    return rule == nullptr ? key : rule->to;
  }

  const CallRequest& call_;
  const Target& target_;
  const EncodeInput& input_;
  json::Splice& splice_;
  const protocol::ParamPolicy policy_;
  std::vector<std::string> added_;            // Names on the wire that came from elsewhere than the caller's body.
  std::vector<std::string_view> left_out_;    // Parameters that the target does not take.
  std::vector<std::string_view> drop_paths_;  // Such as name a place inside a parameter.
  Suspects suspects_;
  bool chat_ = false;
  bool newer_limit_ = false;
  bool by_tool_ = false;
};

// What the row, the model and the settings make of this call, before anything is edited.
Status BodyEncoder::choose() {
  chat_ = call_.operation == domain::Operation::Chat;
  for (const std::string& name : policy_.additional_drop) {
    if (protocol::is_param_path(name)) drop_paths_.push_back(name);
  }
  Result<std::vector<std::string_view>> left_out = params_to_leave_out(input_, policy_);
  if (!left_out) return base::fail(std::move(left_out.error()));
  left_out_ = std::move(*left_out);
  if (!chat_) return {};
  suspects_ = suspects_in(call_.body);
  newer_limit_ = wants_newer_token_limit(input_);
  by_tool_ = asks_by_json_tool(input_) && !dropped("response_format");
  if (by_tool_) left_out_.insert(left_out_.end(), {"tools", "tool_choice", "parallel_tool_calls"});
  return {};
}

// A caller who gives both spellings means the newer one.
bool BodyEncoder::superseded(std::string_view key) const {
  if (newer_limit_ && key == "max_tokens") return call_.scan.find("max_completion_tokens") != nullptr;
  for (const FieldRule& rule : target_.provider->rules) {
    if (rule.to == key && call_.scan.find(rule.from) != nullptr) return true;
  }
  return false;
}

/// A parameter's value as it is to be sent; nothing: as it is; empty: not at all.
std::optional<std::string> BodyEncoder::value_for(std::string_view key, std::string_view value,
                                                  const Suspects& suspects) const {
  if (!chat_ && drop_paths_.empty()) return std::nullopt;
  std::optional<std::string> edited;
  if (chat_ && !is_gateway()) {
    if (key == "messages") {
      edited = edited_messages(value, input_, suspects);
    } else if (key == "tools") {
      edited = edited_tools(value, input_, suspects);
    }
    if (!edited) edited = edited_value(key, value, input_);
  }
  for (const std::string_view path : drop_paths_) {
    const std::string_view root = protocol::root_of_path(path);
    if (root != key) continue;
    json::Document document;
    const std::string text = edited ? *edited : std::string(value);
    if (document.parse(text)) edited = protocol::without_path(document.root(), path.substr(root.size()));
  }
  return edited;
}

void BodyEncoder::add(std::string_view name, std::string_view value) {
  const bool list = name == "messages" || name == "tools";
  const std::optional<std::string> edited = value_for(name, value, list ? suspects_in(value) : suspects_);
  if (!edited) {
    splice_.add(call_.scan, name, value);
  } else if (!edited->empty()) {
    splice_.add(call_.scan, name, *edited);
  }
  added_.emplace_back(name);
}

void BodyEncoder::ask_by_tool() {
  const Member& format = *call_.scan.find("response_format");
  splice_.add(call_.scan, "tools", json_tool(format.value.in(call_.body)));
  std::string choice = R"({"type":"function","function":{"name":)";
  choice += json::quoted(protocol::kJsonTool);
  splice_.add(call_.scan, "tool_choice", choice + "}}");
}

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
    if (!takes_metadata(member) || overridden(key)) splice_.remove(call_.scan, member);
    return;
  }
  if (protocol::is_own_field(key) && !(is_gateway() && kGateway.has(key))) {
    splice_.remove(call_.scan, member);
    return;
  }
  const std::string_view name = wire_name(key);
  const std::string_view value = member.value.in(call_.body);
  if (chat_ && key == "thinking" && target_.provider->quirks.has(Quirk::ThinkingAsEffort)) {
    splice_.remove(call_.scan, member);
    const std::string_view effort = effort_for_thinking(value);
    const bool said = call_.scan.find("reasoning_effort") != nullptr || overridden("reasoning_effort");
    if (!effort.empty() && !said) add("reasoning_effort", json::quoted(effort));
    return;
  }
  if (chat_ && key == "reasoning_effort" && target_.provider->quirks.has(Quirk::EffortAsThinking) &&
      input_.traits.has(domain::Trait::Reasoning)) {
    splice_.remove(call_.scan, member);
    if (call_.scan.find("thinking") == nullptr && !overridden("thinking")) add("thinking", thinking_for_effort(value));
    return;
  }
  if (name.empty() || superseded(key) || overridden(name)) {
    splice_.remove(call_.scan, member);
    return;
  }
  if (std::optional<std::string> edited = value_for(key, value, suspects_)) {
    if (edited->empty()) {
      splice_.remove(call_.scan, member);
      return;
    }
    splice_.replace(member.value, std::move(*edited));
  }
  if (name != key) splice_.replace(member.key_range, json::quoted(name));
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
    add(name, pair.value.raw());
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
    add(name, pair.value.raw());
  }
}

Status BodyEncoder::encode() {
  if (auto chosen = choose(); !chosen) return chosen;
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
  if (by_tool_) ask_by_tool();
  return {};
}

}  // namespace

Status encode_openai_body(const EncodeInput& input, Encoded& out) {
  out.splice = std::make_unique<json::Splice>(input.call.body);
  BodyEncoder encoder(input, *out.splice);
  if (auto body = encoder.encode(); !body) return body;
  const provider::Quirks& quirks = input.target.provider->quirks;
  out.quirks = {
      .think_tags = quirks.has(Quirk::ThinkTags), .json_tool = encoder.by_tool(), .cites = quirks.has(Quirk::Cites)};
  out.splice->pieces(out.body);
  return {};
}

std::string openai_path(const Target& target, domain::Operation operation) {
  const std::string_view own = protocol::operation_path(operation);
  // Some people configure the whole address.
  if (target.base.path.ends_with(own)) return target.base.path;
  std::string path = target.base.path;
  if (path.empty()) path = target.provider->bare_path;
  path += own;
  return path;
}

}  // namespace turnpike::codec
