#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/codec.h"

namespace turnpike::codec {

/// `additionalModelRequestFields`: what goes past Converse to the model, each member once; the first to say it wins.
class BedrockFields {
 public:
  void add(std::string_view key, std::string json);
  bool has(std::string_view key) const;
  /// Nothing when there is none.
  std::string to_json() const;

 private:
  std::vector<std::pair<std::string, std::string>> members_;
};

/// What the caller asks of the model's thinking, in the words of the model's maker.
struct BedrockThinking {
  bool on = false;
  std::uint64_t max_tokens = 0;  // Of the whole answer, where it thinks to a budget; 0: nothing to say.
};
BedrockThinking add_thinking(const protocol::ChatRequest& request, const EncodeInput& input, BedrockFields& fields);

/// Members of the call that Converse has no field for: top_k, parallel_tool_calls, betas, and all that nobody knows.
/// Members that are Converse's own are given to `own` instead.
void add_extras(const protocol::ChatRequest& request, const EncodeInput& input, BedrockFields& fields,
                std::vector<protocol::ChatRequest::Extra>& own);

}  // namespace turnpike::codec
