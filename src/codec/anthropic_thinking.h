#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/model_traits.h"
#include "protocol/chat_request.h"

namespace turnpike::codec {

/// What a call says to the API about thinking.
struct ThinkingPlan {
  std::string json;                     // The member `thinking`; empty: not said.
  std::string_view effort;              // output_config.effort; empty: not said.
  std::optional<std::uint64_t> budget;  // Of enabled thinking.
  std::uint64_t max_tokens = 0;         // Of the whole answer, thinking included.
  bool on = false;                      // Thinking was asked for.
};

/// `thinking` goes as it came. `reasoning_effort` becomes adaptive thinking with an effort where the model has it, else
/// a budget: of at least 1024 tokens and below `max_tokens`, which the API insists on; where that leaves no room, the
/// model does not think. `modify`: a budget becomes an effort where the model refuses budgets.
ThinkingPlan plan_anthropic_thinking(const protocol::ChatRequest& request, const domain::ModelTraits& traits,
                                     bool modify = false);

/// The parameters that a model takes while it thinks: it samples as the API likes.
protocol::ParamSet taken_while_thinking(const protocol::ChatRequest& request);

}  // namespace turnpike::codec
