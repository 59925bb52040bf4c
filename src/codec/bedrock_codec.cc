#include "codec/bedrock_codec.h"

#include <algorithm>

#include "codec/anthropic_schema.h"
#include "codec/anthropic_thinking.h"
#include "codec/bedrock_error.h"
#include "codec/bedrock_events.h"
#include "codec/bedrock_fields.h"
#include "codec/bedrock_media.h"
#include "codec/bedrock_messages.h"
#include "codec/bedrock_reply.h"
#include "codec/bedrock_request.h"
#include "codec/bedrock_tools.h"
#include "json/write.h"

namespace turnpike::codec {
namespace {

using domain::Trait;
using protocol::ChatRequest;
using protocol::Param;
using protocol::ParamSet;
using protocol::ResponseFormat;

/// Whether the model has a grammar for this schema; a map, whose keys nobody lists, has none.
bool takes_schema(const ResponseFormat& format, const domain::ModelTraits& traits) {
  return format.kind == ResponseFormat::Kind::JsonSchema && traits.has(Trait::NativeStructuredOutput) &&
         fits_anthropic_schema(format.schema_json);
}

std::string inference_config(const ChatRequest& request, const BedrockThinking& thinking) {
  std::string out;
  const auto add = [&](std::string_view key, std::string_view json) {
    out.append(out.empty() ? "{" : ",").append(json::quoted(key)).append(":").append(json);
  };
  if (request.max_tokens) {
    add("maxTokens", std::to_string(*request.max_tokens));
  } else if (thinking.max_tokens > 0) {
    add("maxTokens", std::to_string(thinking.max_tokens));
  }
  if (!request.temperature.empty()) add("temperature", request.temperature);
  if (!request.top_p.empty()) add("topP", request.top_p);
  std::string stops;
  for (const std::string_view stop : request.stop) {
    if (!stop.empty()) stops.append(stops.empty() ? "[" : ",").append(json::quoted(stop));
  }
  if (!stops.empty()) add("stopSequences", stops + "]");
  return out.empty() ? out : out + "}";
}

std::string output_config(const ResponseFormat& format) {
  std::string schema = "{\"schema\":" + json::quoted(anthropic_schema(format.schema_json));
  if (!format.name.empty()) schema.append(",\"name\":").append(json::quoted(format.name));
  if (!format.description.empty()) schema.append(",\"description\":").append(json::quoted(format.description));
  return "{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":" + schema + "}}}}";
}

/// Claude's own words; they replace Converse's `toolChoice` and so say it again.
std::string one_call_at_a_time(const protocol::ToolChoice& choice, ToolNames& names) {
  std::string type = "\"auto\"";
  if (choice.kind == protocol::ToolChoice::Kind::Required) type = "\"any\"";
  if (choice.kind == protocol::ToolChoice::Kind::Named) {
    type = "\"tool\",\"name\":" + json::quoted(names.sent(choice.name));
  }
  return "{\"type\":" + type + ",\"disable_parallel_tool_use\":true}";
}

/// "auto" leaves the choice to AWS, which takes its default tier; OpenAI's other words mean nothing there.
std::string service_tier(std::string_view tier) {
  if (tier == "auto") tier = "default";
  const bool known = tier == "default" || tier == "priority" || tier == "flex" || tier == "reserved";
  return known ? "{\"type\":" + json::quoted(tier) + "}" : "";
}

bool is_metadata_text(std::string_view text) {
  constexpr std::size_t kTextMax = 256;
  constexpr std::string_view kMarks = " \t\r\n:_@$#=/+,-.";
  return text.size() <= kTextMax && std::all_of(text.begin(), text.end(), [&](char c) {
           const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
           return letter || (c >= '0' && c <= '9') || kMarks.find(c) != std::string_view::npos;
         });
}

/// The pairs of texts that AWS takes, sixteen at most: metadata is for logs, no call fails by it.
std::string request_metadata(std::string_view metadata_json) {
  constexpr int kPairsMax = 16;
  json::Document document;
  std::string out;
  if (metadata_json.empty() || !document.parse(metadata_json)) return out;
  int pairs = 0;
  for (const json::Value::Pair& pair : document.root().members()) {
    const auto key = pair.key.text(), value = pair.value.text();
    if (!key || key->empty() || !value || !is_metadata_text(*key) || !is_metadata_text(*value)) continue;
    if (++pairs > kPairsMax) break;
    out.append(out.empty() ? "{" : ",").append(json::quoted(*key)).append(":").append(json::quoted(*value));
  }
  return out.empty() ? out : out + "}";
}

/// Claude cannot think before a call it is made to make, nor go on from calls made without thinking.
bool is_thinking_in_vain(const ChatRequest& request, const EncodeInput& input,
                         const BedrockConversation& conversation) {
  using Kind = protocol::ToolChoice::Kind;
  const Kind choice = request.tool_choice.kind;
  if (bedrock_maker(input.target) != BedrockMaker::Anthropic) return false;
  if (choice == Kind::Required || choice == Kind::Named) return true;
  return conversation.thoughtless && !input.traits.has(Trait::AdaptiveThinking);
}

/// Puts Converse's members together; the first to say one wins.
class Body {
 public:
  void add(std::string_view key, std::string_view json) {
    if (json.empty() || has(key)) return;
    keys_.emplace_back(key);
    out_.append(out_.empty() ? "{" : ",").append(json::quoted(key)).append(":").append(json);
  }
  std::string take() { return std::move(out_) + "}"; }

 private:
  bool has(std::string_view key) const { return std::find(keys_.begin(), keys_.end(), key) != keys_.end(); }
  std::vector<std::string> keys_;
  std::string out_;
};

}  // namespace

ParamSet BedrockCodec::supported(const EncodeInput& input) const {
  const domain::ModelTraits& traits = input.traits;
  const BedrockMaker maker = bedrock_maker(input.target);
  const auto can = [&](Trait trait) { return traits.listed ? traits.has(trait) : true; };
  const bool calls_tools = !traits.lacks(Trait::FunctionCalling);

  ParamSet set = {Param::MaxTokens, Param::Stop, Param::ServiceTier, Param::Metadata};
  if (!traits.lacks(Trait::SamplingParams)) set = set.with({Param::Temperature, Param::TopP, Param::TopK});
  if (calls_tools) set.set(Param::Tools);
  if (calls_tools && !traits.lacks(Trait::ToolChoice)) set.set(Param::ToolChoice);
  if (calls_tools || traits.has(Trait::NativeStructuredOutput)) set.set(Param::ResponseFormat);
  if (maker == BedrockMaker::Anthropic && can(Trait::ParallelToolUseConfig)) set.set(Param::ParallelToolCalls);
  if (maker != BedrockMaker::Other && can(Trait::Reasoning)) set.set(Param::ReasoningEffort);
  if (maker == BedrockMaker::Anthropic && can(Trait::Reasoning)) set.set(Param::Thinking);
  if (maker == BedrockMaker::Amazon) set.set(Param::WebSearchOptions);
  return set;
}

Status BedrockCodec::encode_chat(ChatRequest& request, const EncodeInput& input, Encoded& out) const {
  Body body;
  BedrockFields fields;
  std::vector<ChatRequest::Extra> own;
  const protocol::ParamPolicy policy = param_policy(input);
  std::string output;
  if (takes_schema(request.response_format, input.traits)) {
    output = output_config(request.response_format);
  } else if (request.response_format.kind == ResponseFormat::Kind::JsonSchema ||
             request.response_format.kind == ResponseFormat::Kind::JsonObject) {
    use_json_tool(request, out.terms);
  }

  ToolNames names(request, 64, out.terms);
  const Result<BedrockConversation> conversation = bedrock_conversation(request, input, policy.modify, names);
  if (!conversation) return base::fail(conversation.error());
  BedrockThinking thinking;
  if (!policy.modify || !is_thinking_in_vain(request, input, *conversation)) {
    thinking = add_thinking(request, input, fields);
  }
  if (thinking.on && bedrock_maker(input.target) == BedrockMaker::Anthropic) {
    const ParamSet taken = taken_while_thinking(request);
    const Status fit = protocol::fit_params(request, taken, policy, input.target.provider->label, input.target.model);
    if (!fit) return fit;
  }
  const Result<BedrockTools> tools = bedrock_tools(request, input, policy, names, conversation->has_tools, thinking.on);
  if (!tools) return base::fail(tools.error());

  if (request.parallel_tool_calls == false && !request.tools.empty()) {
    fields.add("tool_choice", one_call_at_a_time(request.tool_choice, names));
  }
  if (!tools->foreign.empty()) {
    std::string list = "[";
    for (const std::string_view tool : tools->foreign) list.append(list.size() == 1 ? "" : ",").append(tool);
    fields.add("tools", list + "]");
  }
  add_extras(request, input, fields, own);

  body.add("messages", conversation->messages);
  body.add("system", conversation->system);
  body.add("inferenceConfig", inference_config(request, thinking));
  body.add("toolConfig", tools->config);
  for (const ChatRequest::Extra& extra : own) body.add(extra.key, extra.json);
  body.add("outputConfig", output);
  body.add("serviceTier", service_tier(request.service_tier));
  body.add("requestMetadata", request_metadata(request.metadata_json));
  body.add("additionalModelRequestFields", fields.to_json());
  out.set_body(body.take());

  // A model that cannot stream answers in one piece, which the decoder of streams takes as well.
  const bool stream = request.stream && !input.traits.lacks(Trait::NativeStreaming);
  out.path = bedrock_path(input.target, stream ? "converse-stream" : "converse");
  EncodeInput unforwarded = input;
  unforwarded.forward_fields = {};  // Betas of the caller's: they stand in the body.
  out.fields = common_fields(unforwarded, stream, stream ? "application/vnd.amazon.eventstream" : "");
  sign_bedrock(input, out);
  return {};
}

Result<protocol::ChatReply> BedrockCodec::decode_chat(std::string_view body, std::string_view label) const {
  return read_bedrock_reply(body, label);
}

std::unique_ptr<protocol::EventDecoder> BedrockCodec::decode_events(std::string_view label) const {
  return std::make_unique<BedrockEvents>(label);
}

Error BedrockCodec::read_error(const Refusal& refusal) const {
  return read_bedrock_error(refusal);
}

bool BedrockCodec::needs_bytes(const protocol::Block& block, const EncodeInput&) const {
  return bedrock_needs_bytes(block);
}

const Codec& bedrock_codec() {
  static const BedrockCodec codec;
  return codec;
}

}  // namespace turnpike::codec
