#pragma once

#include <cstddef>
#include <string_view>

#include "protocol/chat_request.h"
#include "protocol/openai_write.h"

namespace turnpike::codec {

/// Names of tools in the letters most providers take: ASCII letters, digits, "_" and "-", up to a length. A name that
/// had to be changed is noted in the terms, so that the answer says the caller's own.
class ToolNames {
 public:
  /// Names the tools of `request` at once: those that are good as they are keep their names. `letter_first`: no name
  /// begins with a digit or "-".
  ToolNames(protocol::ChatRequest& request, std::size_t length_max, protocol::AnswerTerms& terms,
            bool letter_first = false);

  /// The name to send for one of the caller's, also of a tool that only earlier messages know. Lives as long as the
  /// request's texts.
  std::string_view sent(std::string_view name);

 private:
  bool good(std::string_view name) const;
  bool taken(std::string_view name) const;
  std::string_view change(std::string_view name);

  protocol::ChatRequest& request_;
  std::size_t length_max_;
  protocol::AnswerTerms& terms_;
  bool letter_first_;
};

}  // namespace turnpike::codec
