#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fake_provider/ask.h"

namespace turnpike::fake_provider {

/// One word per token, drawn by the content's hash.
class Words {
 public:
  explicit Words(std::uint64_t seed) : state_(seed | 1) {}
  std::string_view next();

 private:
  std::uint64_t state_;
};

/// So many words, then what the script pads with.
std::string text_of_tokens(const Ask& ask, std::int64_t count, std::uint64_t choice);

}  // namespace turnpike::fake_provider
