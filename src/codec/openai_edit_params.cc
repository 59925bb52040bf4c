#include <algorithm>
#include <array>

#include "codec/openai_edit.h"
#include "protocol/chat_request.h"

namespace turnpike::codec {
namespace {

using domain::Trait;
using json::Value;
using protocol::Param;
using protocol::ParamSet;
using provider::Quirk;

constexpr ParamSet kSampling = {Param::Temperature, Param::TopP,        Param::PresencePenalty, Param::FrequencyPenalty,
                                Param::Logprobs,    Param::TopLogprobs, Param::LogitBias,       Param::Stop};
constexpr ParamSet kOfTools = {Param::Tools, Param::ToolChoice, Param::ParallelToolCalls};

/// Where a call's parameters stand besides the caller's body.
class Given {
 public:
  explicit Given(const EncodeInput& input) : input_(input) {
    read(input.overrides_json, overrides_);
    read(input.target.default_params_json, defaults_);
  }

  /// JSON text of the value that counts; empty when nobody gives one.
  std::string_view find(std::string_view name) const {
    if (overrides_) {
      if (const Value value = overrides_->root().find(name)) return value.raw();
    }
    if (const json::Member* member = input_.call.scan.find(name)) return member->value.in(input_.call.body);
    if (defaults_) {
      if (const Value value = defaults_->root().find(name)) return value.raw();
    }
    return {};
  }

 private:
  static void read(std::string_view object_json, std::optional<json::Document>& document) {
    if (object_json.empty()) return;
    document.emplace();
    if (!document->parse(object_json)) document.reset();
  }

  const EncodeInput& input_;
  std::optional<json::Document> overrides_;
  std::optional<json::Document> defaults_;
};

/// The names a parameter goes by; the second is empty where there is one alone.
std::array<std::string_view, 2> names_of(Param param) {
  switch (param) {
    case Param::MaxTokens:
      return {"max_tokens", "max_completion_tokens"};
    case Param::Tools:
      return {"tools", "functions"};
    case Param::ToolChoice:
      return {"tool_choice", "function_call"};
    default:
      return {protocol::param_name(param), {}};
  }
}

bool is_zero(std::string_view number) {
  return number.substr(0, number.find_first_of("eE")).find_first_of("123456789") == std::string_view::npos;
}

bool is_one(std::string_view number) {
  return number == "1" || (number.starts_with("1.") && is_zero(number.substr(2)));
}

// A value that asks for what every provider does anyway; clients write such defaults out.
bool asks_nothing(Param param, std::string_view value) {
  if (value == "null") return true;
  switch (param) {
    case Param::Choices:
    case Param::Temperature:
    case Param::TopP:
      return is_one(value);
    case Param::PresencePenalty:
    case Param::FrequencyPenalty:
    case Param::TopLogprobs:
      return is_zero(value);
    case Param::Logprobs:
      return value == "false";
    case Param::LogitBias:
      return value.find('"') == std::string_view::npos;
    case Param::Tools:
    case Param::Stop:
      return value.find_first_not_of("[] \t\r\n") == std::string_view::npos;
    case Param::ParallelToolCalls:
      return value == "true";
    case Param::ToolChoice:
      return value == "\"auto\"";
    case Param::Modalities:
      return value.find("text") != std::string_view::npos && value.find(',') == std::string_view::npos;
    case Param::Thinking:
      return value.find("\"disabled\"") != std::string_view::npos;
    case Param::ReasoningEffort:
      return value == "\"none\"" || value == "\"disable\"";
    default:
      return false;
  }
}

bool is_reasoning(const EncodeInput& input) {
  // gpt-5-chat and its kind are listed as reasoning models and are none; they call no tools either.
  return input.traits.has(Trait::Reasoning) && !input.traits.lacks(Trait::FunctionCalling);
}

// A model that can leave thinking out samples like any other while it does.
bool thinks_now(const EncodeInput& input, const Given& given) {
  if (!is_reasoning(input)) return false;
  if (!input.traits.has(Trait::NoneReasoningEffort)) return true;
  const std::string_view effort = given.find("reasoning_effort");
  return !effort.empty() && effort != "\"none\"" && effort != "null";
}

ParamSet refused_by(const EncodeInput& input, const Given& given) {
  const provider::Provider& row = *input.target.provider;
  // OpenAI has no top_k: like every name of a provider's own it passes.
  ParamSet refused = ParamSet::all().without(row.takes).without({Param::TopK});
  // Behind a server of one's own may stand anything.
  if (input.target.self_hosted) refused.clear(Param::Thinking);
  if (row.quirks.empty()) return refused;
  const auto has = [&](Quirk quirk) { return row.quirks.has(quirk); };
  if (has(Quirk::ReasoningRules) && thinks_now(input, given)) refused = refused.with(kSampling);
  if (has(Quirk::GrokRules)) {
    if (input.traits.has(Trait::Reasoning)) {
      refused = refused.with({Param::PresencePenalty, Param::FrequencyPenalty, Param::Stop});
    } else if (input.traits.listed) {
      refused.set(Param::ReasoningEffort);
    }
  }
  if (has(Quirk::ToolsIfListed) && input.traits.lacks(Trait::FunctionCalling)) refused = refused.with(kOfTools);
  if (has(Quirk::OneChoice)) refused.set(Param::Choices);
  if (has(Quirk::ChoiceAuto) && given.find("tool_choice") != "\"none\"") refused.set(Param::ToolChoice);
  if (has(Quirk::SchemaOnly) && given.find("response_format").find("\"json_object\"") != std::string_view::npos) {
    refused.set(Param::ResponseFormat);
  }
  if (has(Quirk::JsonTool) && asks_by_json_tool(input) && !asks_nothing(Param::Tools, given.find("tools"))) {
    // The one tool would stand beside the caller's own.
    refused.set(Param::ResponseFormat);
  }
  return refused;
}

}  // namespace

bool wants_newer_token_limit(const EncodeInput& input) {
  return input.target.provider->quirks.has(Quirk::ReasoningRules) && is_reasoning(input);
}

Result<std::vector<std::string_view>> params_to_leave_out(const EncodeInput& input,
                                                          const protocol::ParamPolicy& policy) {
  std::vector<std::string_view> left_out;
  const bool chat = input.call.operation == domain::Operation::Chat;
  const Given given(input);
  const ParamSet refused = refused_by(input, given);
  if (refused.empty()) return left_out;
  std::vector<Param> named;
  for (std::size_t i = 0; i < protocol::kParamCount; ++i) {
    const auto param = static_cast<Param>(i);
    if (!refused.has(param) || (!chat && !protocol::is_hint(param))) continue;
    for (const std::string_view name : names_of(param)) {
      const std::string_view value = name.empty() ? std::string_view() : given.find(name);
      if (value.empty()) continue;
      if (std::find(policy.allowed.begin(), policy.allowed.end(), name) != policy.allowed.end()) continue;
      left_out.push_back(name);
      if (!policy.drop && !protocol::is_hint(param) && !asks_nothing(param, value)) named.push_back(param);
    }
  }
  if (!named.empty()) {
    return base::fail(protocol::unsupported_params(named, input.target.provider->label, input.target.model));
  }
  return left_out;
}

}  // namespace turnpike::codec
