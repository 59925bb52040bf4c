#include "codec/gemini_codec.h"

#include "codec/codecs.h"
#include "codec/gemini_reply.h"
#include "codec/gemini_request.h"
#include "codec/google_address.h"
#include "codec/json_events.h"
#include "codec/tool_names.h"
#include "http/message.h"
#include "protocol/answer_error.h"

namespace turnpike::codec {
namespace {

using domain::Trait;
using json::Kind;
using json::Value;
using protocol::ChatEvent;
using protocol::ChatReply;
using protocol::ChatRequest;
using protocol::Param;
using protocol::ParamSet;

constexpr ParamSet kTaken = {
    Param::Temperature,     Param::TopP,       Param::TopK,
    Param::Choices,         Param::MaxTokens,  Param::Stop,
    Param::PresencePenalty, Param::Logprobs,   Param::FrequencyPenalty,
    Param::TopLogprobs,     Param::Seed,       Param::Tools,
    Param::ToolChoice,      Param::Modalities, Param::ParallelToolCalls,
    Param::ResponseFormat,  Param::Audio,      Param::ReasoningEffort,
    Param::Thinking,        Param::Metadata,   Param::WebSearchOptions,
    Param::ServiceTier,
};

// Calls cannot be had one at a time: that matters where there are several functions to call.
bool asks_one_of_several(const protocol::CallRequest& call) {
  const json::Member* parallel = call.scan.find("parallel_tool_calls");
  const json::Member* tools = call.scan.find("tools");
  if (parallel == nullptr || parallel->value.in(call.body) != "false" || tools == nullptr) return false;
  json::Document document;
  if (!document.parse(tools->value.in(call.body))) return false;
  std::size_t count = 0;
  for (const Value tool : document.root().elements()) count += tool ? 1 : 0;
  return count > 1;
}

// Google's names of functions begin with a letter or "_"; what was changed is noted for the way back.
void rename_tools(ChatRequest& request, protocol::AnswerTerms& terms) {
  constexpr std::size_t kNameMax = 64;
  ToolNames names(request, kNameMax, terms, true);
  for (protocol::Tool& tool : request.tools) {
    if (tool.kind != protocol::Tool::Kind::Native) tool.name = names.sent(tool.name);
  }
  if (!request.tool_choice.name.empty()) request.tool_choice.name = names.sent(request.tool_choice.name);
  for (std::string_view& name : request.tool_choice.allowed) name = names.sent(name);
  for (protocol::Message& message : request.messages) {
    for (protocol::Block& block : message.blocks) {
      const bool named =
          block.kind == protocol::Block::Kind::ToolUse || block.kind == protocol::Block::Kind::ToolResult;
      if (named) block.name = names.sent(block.name);
    }
  }
}

class GeminiEvents final : public JsonEventDecoder {
 public:
  explicit GeminiEvents(std::string_view label) : JsonEventDecoder(label), reader_(label, true) {}

 private:
  Status take(std::string_view, const Value& root, std::vector<ChatEvent>& out) override {
    Status taken = reader_.take(root, made(), out);
    usage_ = reader_.usage();
    service_tier_ = reader_.service_tier();
    return taken;
  }
  // The list of a stream without alt=sse comes here too, one fragment after the other.
  Status take_whole(const Value& root, std::vector<ChatEvent>& out) override { return take({}, root, out); }
  bool ended() const override { return reader_.ended(); }

  GeminiReader reader_;
};

}  // namespace

ParamSet GeminiCodec::supported(const EncodeInput& input) const {
  const domain::ModelTraits& traits = input.traits;
  const GeminiModel model(input.target.model);
  ParamSet taken = kTaken;
  if (!model.takes_penalties()) {
    taken.clear(Param::PresencePenalty);
    taken.clear(Param::FrequencyPenalty);
  }
  if (traits.listed && !traits.has(Trait::Reasoning)) {
    taken.clear(Param::ReasoningEffort);
    taken.clear(Param::Thinking);
  }
  if (traits.lacks(Trait::FunctionCalling) && !traits.has(Trait::WebSearch)) {
    taken.clear(Param::Tools);
    taken.clear(Param::ToolChoice);
  }
  if (traits.lacks(Trait::WebSearch)) taken.clear(Param::WebSearchOptions);
  if (traits.lacks(Trait::ResponseSchema)) taken.clear(Param::ResponseFormat);
  if (asks_one_of_several(input.call)) taken.clear(Param::ParallelToolCalls);
  if (!vertex_) taken.clear(Param::Metadata);
  return taken;
}

Status GeminiCodec::encode_chat(ChatRequest& request, const EncodeInput& input, Encoded& out) const {
  GeminiCall call(input, vertex_);
  call.drop = param_policy(input).drop;
  rename_tools(request, out.terms);
  std::string text;
  json::Writer body(text);
  body.begin_object();
  if (Status written = write_gemini_contents(call, request, body); !written) return written;
  if (Status written = write_gemini_tools(call, request, body); !written) return written;
  if (Status written = write_gemini_config(call, request, body); !written) return written;
  body.end_object();
  out.set_body(std::move(text));
  // Without alt=sse the stream is one list that ends with the answer.
  const std::string_view method = request.stream ? "streamGenerateContent?alt=sse" : "generateContent";
  google_address(input, method, out, request.stream);
  if (vertex_ && (request.service_tier == "flex" || request.service_tier == "priority")) {
    http::add_field(out.fields, "X-Vertex-AI-LLM-Shared-Request-Type", request.service_tier);
  }
  return {};
}

Result<ChatReply> GeminiCodec::decode_chat(std::string_view body, std::string_view label) const {
  json::Document document;
  if (Status parsed = document.parse(body); !parsed) {
    return protocol::unreadable_answer(label, parsed.error().message, body);
  }
  ChatReply reply;
  GeminiReader reader(label, false);
  std::vector<ChatEvent> events;
  const auto take = [&](const Value& root) { return reader.take(root, reply.texts, events); };
  if (document.root().is(Kind::Object)) {
    if (Status taken = take(document.root()); !taken) return base::fail(std::move(taken.error()));
  }
  for (const Value fragment : document.root().elements()) {
    if (Status taken = take(fragment); !taken) return base::fail(std::move(taken.error()));
  }
  fold_events(events, reply);
  if (reply.choices.empty()) return protocol::unreadable_answer(label, "it has no candidates", body);
  reply.usage = reader.usage();
  reply.service_tier = reply.texts.keep(std::string(reader.service_tier()));
  return reply;
}

std::unique_ptr<protocol::EventDecoder> GeminiCodec::decode_events(std::string_view label) const {
  return std::make_unique<GeminiEvents>(label);
}

std::optional<domain::Usage> GeminiCodec::usage_of_part(std::string_view body) const {
  json::Document document;
  if (!document.parse(body)) return std::nullopt;
  Value last = document.root();
  for (const Value fragment : document.root().elements()) last = fragment;
  return read_gemini_usage(last.find("usageMetadata"));
}

Error GeminiCodec::read_error(const Refusal& refusal) const {
  return read_gemini_error(refusal.status, refusal.body, refusal.label, refusal.retry_after, refusal.now_s);
}

bool GeminiCodec::needs_bytes(const protocol::Block& block, const EncodeInput& input) const {
  return gemini_needs_bytes(block.media, GeminiCall(input, vertex_));
}

const Codec& gemini_codec() {
  static const GeminiCodec codec(false);
  return codec;
}

const Codec& vertex_codec() {
  static const GeminiCodec codec(true);
  return codec;
}

}  // namespace turnpike::codec
