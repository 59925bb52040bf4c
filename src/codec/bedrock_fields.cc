#include "codec/bedrock_fields.h"

#include <algorithm>

#include "base/text.h"
#include "codec/anthropic_thinking.h"
#include "codec/bedrock_request.h"
#include "json/write.h"

namespace turnpike::codec {
namespace {

using protocol::ChatRequest;

// Converse's own members; what callers write of them is sent as it is.
constexpr std::string_view kConverse[] = {
    "guardrailConfig", "performanceConfig", "requestMetadata", "additionalModelResponseFieldPaths",
    "promptVariables", "serviceTier",       "outputConfig"};

/// Of makers that know three levels.
std::string_view of_three(std::string_view effort) {
  if (effort == "minimal") return "low";
  if (effort == "xhigh" || effort == "max") return "high";
  return effort;
}

/// Bedrock takes less of some models than their maker does.
std::string_view below_ceiling(std::string_view effort, const domain::ModelTraits& traits) {
  const char ceiling = traits.bedrock_effort_ceiling;
  if (ceiling == 'x' && effort == "max") return "xhigh";
  if (ceiling == 'h' && (effort == "max" || effort == "xhigh")) return "high";
  return effort;
}

BedrockThinking think_like_claude(const ChatRequest& request, const domain::ModelTraits& traits,
                                  BedrockFields& fields) {
  const ThinkingPlan plan = plan_anthropic_thinking(request, traits);
  if (!plan.json.empty()) fields.add("thinking", plan.json);
  if (!plan.effort.empty())
    fields.add("output_config", "{\"effort\":" + json::quoted(below_ceiling(plan.effort, traits)) + "}");
  return {plan.on, plan.budget ? plan.max_tokens : 0};
}

/// The words of `anthropic-beta` in rendered header lines.
void take_betas(std::string_view lines, std::vector<std::string>& betas) {
  // Of the Messages API itself, which Converse does not have.
  constexpr std::string_view kNotHere[] = {"advanced-tool-use", "prompt-caching", "compact-2026-01-12"};
  for (const std::string_view line : base::split(lines, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || !base::equals_ignoring_case(line.substr(0, colon), "anthropic-beta")) {
      continue;
    }
    for (const std::string_view item : base::split(line.substr(colon + 1), ',')) {
      const std::string_view beta = base::trim(item);
      const bool here = std::none_of(std::begin(kNotHere), std::end(kNotHere),
                                     [&](std::string_view name) { return beta.starts_with(name); });
      if (here && !beta.empty() && std::find(betas.begin(), betas.end(), beta) == betas.end()) betas.emplace_back(beta);
    }
  }
}

void add_betas(const EncodeInput& input, BedrockFields& fields) {
  std::vector<std::string> betas;
  take_betas(input.target.extra_fields, betas);
  take_betas(input.forward_fields, betas);
  if (betas.empty()) return;
  std::string json = "[";
  for (const std::string& beta : betas) json.append(json.size() == 1 ? "" : ",").append(json::quoted(beta));
  fields.add("anthropic_beta", json + "]");
}

/// Parameters that Converse does not know and the config lets through (allowed_openai_params).
void add_allowed(const ChatRequest& request, BedrockFields& fields) {
  const std::pair<std::string_view, std::string_view> kTexts[] = {
      {"seed", request.seed},
      {"presence_penalty", request.presence_penalty},
      {"frequency_penalty", request.frequency_penalty},
      {"top_logprobs", request.top_logprobs},
      {"logit_bias", request.logit_bias_json},
  };
  for (const auto& [name, json] : kTexts) {
    if (!json.empty()) fields.add(name, std::string(json));
  }
  if (request.logprobs) fields.add("logprobs", *request.logprobs ? "true" : "false");
  if (request.choices != 1) fields.add("n", std::to_string(request.choices));
}

}  // namespace

void BedrockFields::add(std::string_view key, std::string json) {
  if (!has(key)) members_.emplace_back(key, std::move(json));
}

bool BedrockFields::has(std::string_view key) const {
  return std::any_of(members_.begin(), members_.end(), [&](const auto& member) { return member.first == key; });
}

std::string BedrockFields::to_json() const {
  std::string out;
  for (const auto& [key, json] : members_) {
    out.append(out.empty() ? "{" : ",").append(json::quoted(key)).append(":").append(json);
  }
  return out.empty() ? out : out + "}";
}

BedrockThinking add_thinking(const ChatRequest& request, const EncodeInput& input, BedrockFields& fields) {
  const BedrockMaker maker = bedrock_maker(input.target);
  if (maker == BedrockMaker::Anthropic) return think_like_claude(request, input.traits, fields);
  const std::string_view effort = request.reasoning_effort;
  if (effort.empty() || effort == "none" || effort == "disable") return {};
  const std::string word = json::quoted(of_three(effort));
  if (maker == BedrockMaker::Amazon) {
    fields.add("reasoningConfig", "{\"type\":\"enabled\",\"maxReasoningEffort\":" + word + "}");
  } else {
    fields.add("reasoning_effort", word);
  }
  return {true, 0};
}

void add_extras(const ChatRequest& request, const EncodeInput& input, BedrockFields& fields,
                std::vector<ChatRequest::Extra>& own) {
  const BedrockMaker maker = bedrock_maker(input.target);
  if (!request.top_k.empty()) {
    if (maker == BedrockMaker::Amazon) {
      fields.add("inferenceConfig", "{\"topK\":" + std::string(request.top_k) + "}");
    } else {
      fields.add("top_k", std::string(request.top_k));
    }
  }
  if (maker == BedrockMaker::Anthropic) add_betas(input, fields);
  add_allowed(request, fields);
  for (const ChatRequest::Extra& extra : request.extras) {
    const bool converse = std::find(std::begin(kConverse), std::end(kConverse), extra.key) != std::end(kConverse);
    if (converse) {
      own.push_back(extra);
    } else if (extra.key == "additionalModelRequestFields") {
      json::Document document;
      if (!document.parse(extra.json)) continue;
      for (const json::Value::Pair& pair : document.root().members()) {
        fields.add(pair.key.text().value_or(""), std::string(pair.value.raw()));
      }
    } else {
      fields.add(extra.key, std::string(extra.json));
    }
  }
}

}  // namespace turnpike::codec
