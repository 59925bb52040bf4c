#include "codec/anthropic_thinking.h"

#include <algorithm>
#include <charconv>

namespace turnpike::codec {
namespace {

using domain::ModelTraits;
using domain::Trait;

constexpr std::uint64_t kBudgetMin = 1024;
constexpr std::uint64_t kAnswerTokens = 4096;  // Room for the answer behind the thinking; also where nobody knows more.

// Newer models keep their thoughts to themselves unless asked.
constexpr std::string_view kAdaptive = R"({"type":"adaptive","display":"summarized"})";

struct EffortRow {
  std::string_view asked;
  std::string_view effort;
  std::uint64_t budget;
};
// Budgets are LiteLLM's, but for "minimal": the API takes no less than 1024.
constexpr EffortRow kEfforts[] = {
    {"minimal", "low", 1024}, {"low", "low", 1024},     {"medium", "medium", 2048},
    {"high", "high", 4096},   {"xhigh", "xhigh", 8192}, {"max", "max", 16384},
};

const EffortRow* row_of(std::string_view effort) {
  const auto* found =
      std::find_if(std::begin(kEfforts), std::end(kEfforts), [&](const EffortRow& row) { return row.asked == effort; });
  return found == std::end(kEfforts) ? nullptr : found;
}

// The strongest word the model knows that is not beyond what was asked.
std::string_view known_effort(std::string_view effort, const ModelTraits& traits) {
  if (!traits.listed) return effort;
  if (effort == "max" && traits.has(Trait::MaxReasoningEffort)) return effort;
  const bool beyond = effort == "max" || effort == "xhigh";
  if (!beyond) return effort;
  return traits.has(Trait::XhighReasoningEffort) ? "xhigh" : "high";
}

// The newest models think adaptively only, and refuse a budget. They are those that take no sampling either.
bool refuses_budgets(const ModelTraits& traits) {
  return traits.has(Trait::AdaptiveThinking) && traits.lacks(Trait::SamplingParams);
}

std::string_view effort_of_budget(std::uint64_t budget) {
  return budget >= 4096 ? "high" : budget >= 2048 ? "medium" : "low";
}

bool says_no(std::string_view effort) {
  return effort == "none" || effort == "disable";
}

}  // namespace

ThinkingPlan plan_anthropic_thinking(const protocol::ChatRequest& request, const ModelTraits& traits, bool modify) {
  using Kind = protocol::Thinking::Kind;
  ThinkingPlan plan;
  const EffortRow* row = row_of(request.reasoning_effort);
  const bool has_efforts = traits.has(Trait::AdaptiveThinking) || traits.has(Trait::OutputConfig);
  const std::uint64_t otherwise = traits.max_output_tokens > 0 ? traits.max_output_tokens : kAnswerTokens;
  plan.max_tokens = request.max_tokens.value_or(otherwise);
  if (!request.thinking.json.empty()) {
    if (modify && request.thinking.kind == Kind::Enabled && refuses_budgets(traits)) {
      plan.json = kAdaptive;
      plan.effort = row != nullptr ? known_effort(row->effort, traits)
                                   : effort_of_budget(request.thinking.budget_tokens.value_or(0));
      plan.on = true;
      return plan;
    }
    plan.json = request.thinking.json;
    plan.budget = request.thinking.budget_tokens;
    plan.on = request.thinking.kind != Kind::Disabled;
    if (row != nullptr && has_efforts) plan.effort = known_effort(row->effort, traits);
    if (!request.max_tokens && plan.on && plan.budget) {
      plan.max_tokens = *plan.budget + kAnswerTokens;
      if (traits.max_output_tokens > *plan.budget)
        plan.max_tokens = std::min(plan.max_tokens, traits.max_output_tokens);
    }
    return plan;
  }
  if (says_no(request.reasoning_effort) && traits.has(Trait::NoneReasoningEffort)) {
    plan.json = R"({"type":"disabled"})";
  }
  if (row == nullptr) return plan;
  if (traits.has(Trait::AdaptiveThinking)) {
    plan.json = kAdaptive;
    plan.effort = known_effort(row->effort, traits);
    plan.on = true;
    return plan;
  }
  if (!request.max_tokens && traits.max_output_tokens == 0) plan.max_tokens = row->budget + kAnswerTokens;
  const std::uint64_t budget = std::min(row->budget, plan.max_tokens - std::min<std::uint64_t>(plan.max_tokens, 1));
  if (budget < kBudgetMin) return plan;
  plan.json = R"({"type":"enabled","budget_tokens":)" + std::to_string(budget) + "}";
  plan.budget = budget;
  plan.on = true;
  return plan;
}

protocol::ParamSet taken_while_thinking(const protocol::ChatRequest& request) {
  using protocol::Param;
  constexpr double kTopPMin = 0.95;
  double top_p = 1;
  std::from_chars(request.top_p.data(), request.top_p.data() + request.top_p.size(), top_p);
  protocol::ParamSet taken = protocol::ParamSet::all().without({Param::Temperature, Param::TopK});
  if (top_p < kTopPMin) taken.clear(Param::TopP);
  return taken;
}

}  // namespace turnpike::codec
