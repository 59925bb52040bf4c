#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fake_provider/ask.h"

namespace turnpike::fake_provider {

/// What an answer is made of.
struct Answer {
  const Ask& ask;
  const Tokens& tokens;
  std::string_view id;
};

/// A piece of a stream in its frame, and how many tokens of the completion it brings.
struct Event {
  std::string bytes;
  std::int64_t tokens = 0;
};

/// An error in the words of a vendor. What `type` and `code` are is each shape's business; empty ones follow from the
/// status.
struct VendorError {
  int status = 500;  // 200: no error, but an answer that ends because the content is refused.
  std::string type;
  std::string code;
  std::string message;
  std::int64_t retry_after_s = -1;  // Below 0: not said.
};

/// The body of an error as OpenAI writes it, for what is no call of any shape.
std::string error_body(int status, std::string_view code, std::string_view message);

}  // namespace turnpike::fake_provider
