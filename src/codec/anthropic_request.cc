#include "codec/anthropic_request.h"

#include <charconv>

#include "base/text.h"
#include "codec/anthropic_messages.h"
#include "codec/anthropic_schema.h"
#include "codec/anthropic_thinking.h"
#include "codec/anthropic_tools.h"
#include "codec/chat_codec.h"

namespace turnpike::codec {
namespace {

using domain::Trait;
using json::Kind;
using json::Value;
using protocol::ChatRequest;
using protocol::Param;
using protocol::ParamSet;
using protocol::ResponseFormat;

constexpr std::size_t kToolNameMax = 128;

// The API is not to be told who a person is: what looks like an e-mail address or a telephone number is no id.
bool names_a_person(std::string_view user) {
  if (user.find('@') != std::string_view::npos) return true;
  constexpr std::size_t kPhoneDigitsMin = 7;
  constexpr std::size_t kPhoneDigitsMax = 15;
  std::size_t digits = 0;
  for (const char c : user) {
    if (c >= '0' && c <= '9') {
      ++digits;
    } else if (std::string_view("+-(). ").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return digits >= kPhoneDigitsMin && digits <= kPhoneDigitsMax;
}

bool must_call(const protocol::ToolChoice& choice) {
  using Kind = protocol::ToolChoice::Kind;
  return choice.kind == Kind::Required || choice.kind == Kind::Named ||
         (choice.kind == Kind::Allowed && choice.must_call);
}

std::string user_id_of(const ChatRequest& request) {
  std::string user(request.user);
  json::Document metadata;
  if (user.empty() && !request.metadata_json.empty() && metadata.parse(request.metadata_json)) {
    user = metadata.root().find("user_id").text().value_or("");
  }
  return names_a_person(user) ? std::string() : user;
}

/// Writes one Messages body, member after member.
class BodyWriter {
 public:
  BodyWriter(ChatRequest& request, const EncodeInput& input, AnthropicFrame frame, AnthropicBetas& betas, Encoded& out)
      : request_(request),
        input_(input),
        frame_(frame),
        betas_(betas),
        terms_(out.terms),
        policy_(param_policy(input)),
        writer_(json_) {}

  Status write(Encoded& out);

 private:
  void choose_format();
  Status fit_thinking(const AnthropicMessages& messages);
  void write_frame();
  void write_output_config();
  void write_sampling();
  void write_rest();
  void write_extras(bool has_system);
  bool structured() const { return request_.response_format.kind == ResponseFormat::Kind::JsonSchema; }

  ChatRequest& request_;
  const EncodeInput& input_;
  AnthropicFrame frame_;
  AnthropicBetas& betas_;
  protocol::AnswerTerms& terms_;
  protocol::ParamPolicy policy_;
  std::string json_;
  json::Writer writer_;
  ThinkingPlan thinking_;
};

// JSON that no grammar can hold the model to is asked for by a tool.
void BodyWriter::choose_format() {
  const ResponseFormat& format = request_.response_format;
  if (format.kind != ResponseFormat::Kind::JsonObject && format.kind != ResponseFormat::Kind::JsonSchema) return;
  const bool native =
      structured() && input_.traits.has(Trait::NativeStructuredOutput) && fits_anthropic_schema(format.schema_json);
  if (!native) use_json_tool(request_, terms_);
}

Status BodyWriter::fit_thinking(const AnthropicMessages& messages) {
  thinking_ = plan_anthropic_thinking(request_, input_.traits, policy_.modify);
  // Who is made to call a tool cannot think first, nor go on from a call made without thinking.
  const bool no_thinking = must_call(request_.tool_choice) || (thinking_.budget && messages.lacks_thinking());
  if (policy_.modify && thinking_.on && no_thinking) {
    thinking_.json.clear();
    thinking_.on = false;
  }
  if (!thinking_.on) return {};
  return protocol::fit_params(request_, taken_while_thinking(request_), policy_, input_.target.provider->label,
                              input_.target.model);
}

void BodyWriter::write_frame() {
  switch (frame_) {
    case AnthropicFrame::Direct:
      writer_.key("model").string(input_.target.model);
      break;
    case AnthropicFrame::Vertex:
      writer_.key("anthropic_version").string("vertex-2023-10-16");
      break;
    case AnthropicFrame::Bedrock:
      writer_.key("anthropic_version").string("bedrock-2023-05-31");
      break;
  }
  writer_.key("max_tokens").number(thinking_.max_tokens);
}

// Said by us (effort, format) and by the caller, who knows better where both say the same.
void BodyWriter::write_output_config() {
  std::string_view own;
  for (const ChatRequest::Extra& extra : request_.extras) {
    if (extra.key == "output_config") own = extra.json;
  }
  json::Document document;
  Value said;
  if (!own.empty() && document.parse(own)) said = document.root();
  const bool effort = !thinking_.effort.empty() && !said.find("effort");
  const bool format = structured() && !said.find("format");
  if (!effort && !format && own.empty()) return;
  writer_.key("output_config").begin_object();
  for (const Value::Pair& pair : said.members()) writer_.key(pair.key.text().value_or("")).raw(pair.value.raw());
  if (effort) writer_.key("effort").string(thinking_.effort);
  if (format) {
    writer_.key("format").begin_object().key("type").string("json_schema");
    writer_.key("schema").raw(anthropic_schema(request_.response_format.schema_json)).end_object();
  }
  writer_.end_object();
  // The models that had an effort before they had adaptive thinking want to be asked for it by name.
  const bool tells_effort = effort || said.find("effort");
  if (tells_effort && input_.traits.listed && !input_.traits.has(Trait::AdaptiveThinking)) {
    betas_.add("effort-2025-11-24");
  }
}

void BodyWriter::write_sampling() {
  if (!request_.temperature.empty()) {
    // OpenAI's scale ends at 2, this one at 1.
    double temperature = 0;
    const std::string_view said = request_.temperature;
    std::from_chars(said.data(), said.data() + said.size(), temperature);
    writer_.key("temperature").raw(policy_.modify && temperature > 1 ? "1" : said);
  }
  if (!request_.top_p.empty()) writer_.key("top_p").raw(request_.top_p);
  if (!request_.top_k.empty()) writer_.key("top_k").raw(request_.top_k);
}

void BodyWriter::write_rest() {
  bool stops = false;
  for (const std::string_view stop : request_.stop) {
    if (base::trim(stop).empty()) continue;
    if (!stops) writer_.key("stop_sequences").begin_array();
    stops = true;
    writer_.string(stop);
  }
  if (stops) writer_.end_array();
  if (const std::string user = user_id_of(request_); !user.empty()) {
    writer_.key("metadata").begin_object().key("user_id").string(user).end_object();
  }
  const std::string_view tier = request_.service_tier;
  if (tier == "auto") writer_.key("service_tier").string("auto");
  if (tier == "default" || tier == "standard_only") writer_.key("service_tier").string("standard_only");
  if (request_.stream && frame_ != AnthropicFrame::Bedrock) writer_.key("stream").boolean(true);
}

void BodyWriter::write_extras(bool has_system) {
  for (const ChatRequest::Extra& extra : request_.extras) {
    json::Document document;
    if (document.parse(extra.json)) betas_.add_for_member(extra.key, document.root());
    const bool said_already =
        (extra.key == "system" && has_system) || (extra.key == "stop_sequences" && !request_.stop.empty()) ||
        extra.key == "output_config" || extra.key == "anthropic_beta" || extra.key == "anthropic_version";
    if (!said_already) writer_.key(extra.key).raw(extra.json);
  }
  if (frame_ != AnthropicFrame::Bedrock || betas_.empty()) return;
  writer_.key("anthropic_beta").begin_array();
  for (const std::string& beta : betas_.names()) writer_.string(beta);
  writer_.end_array();
}

Status BodyWriter::write(Encoded& out) {
  json_.reserve(input_.call.body.size() + 512);
  choose_format();
  ToolNames names(request_, kToolNameMax, terms_);
  AnthropicMessages messages(request_, input_, policy_.modify, names, betas_);
  if (Status laid_out = messages.lay_out(); !laid_out) return laid_out;
  if (Status fitted = fit_thinking(messages); !fitted) return fitted;
  writer_.begin_object();
  write_frame();
  if (Status written = messages.write(writer_); !written) return written;
  const bool stand_in = policy_.modify && messages.has_tool_uses();
  if (Status written = write_anthropic_tools(writer_, request_, input_.traits, stand_in, names, betas_); !written) {
    return written;
  }
  if (!thinking_.json.empty()) writer_.key("thinking").raw(thinking_.json);
  write_output_config();
  write_sampling();
  write_rest();
  write_extras(messages.has_system());
  writer_.end_object();
  out.set_body(std::move(json_));
  return {};
}

}  // namespace

ParamSet anthropic_params(const EncodeInput& input, AnthropicFrame frame) {
  ParamSet params = {Param::Temperature, Param::TopP,           Param::TopK,     Param::MaxTokens,
                     Param::Stop,        Param::User,           Param::Tools,    Param::ToolChoice,
                     Param::ServiceTier, Param::ResponseFormat, Param::Metadata, Param::ParallelToolCalls};
  if (frame != AnthropicFrame::Bedrock) params.set(Param::WebSearchOptions);
  // The catalogue says which of the models it lists can think.
  if (input.traits.has(Trait::Reasoning) || input.traits.has(Trait::AdaptiveThinking) || !input.traits.listed) {
    params.set(Param::ReasoningEffort);
    params.set(Param::Thinking);
  }
  if (!input.traits.lacks(Trait::SamplingParams)) return params;
  for (const Param param : {Param::Temperature, Param::TopP, Param::TopK}) params.clear(param);
  return params;
}

Status write_anthropic_body(ChatRequest& request, const EncodeInput& input, AnthropicFrame frame, AnthropicBetas& betas,
                            Encoded& out) {
  return BodyWriter(request, input, frame, betas, out).write(out);
}

}  // namespace turnpike::codec
