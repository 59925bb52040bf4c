#include "base/secret.h"

#include <openssl/crypto.h>

namespace turnpike::base {

bool Secret::equals(std::string_view candidate) const {
  return candidate.size() == text_.size() && CRYPTO_memcmp(candidate.data(), text_.data(), text_.size()) == 0;
}

std::string Secret::masked() const {
  constexpr std::size_t kLongEnough = 16;
  if (text_.size() < kLongEnough) return "***";
  return text_.substr(0, 3) + "..." + text_.substr(text_.size() - 4);
}

}  // namespace turnpike::base
