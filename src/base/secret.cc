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

std::string without_credentials(std::string_view url) {
  const std::size_t scheme = url.find("://");
  std::string shown(scheme == std::string_view::npos ? std::string_view() : url.substr(0, scheme + 3));
  std::string_view rest = url.substr(shown.size());
  // A password may hold any character, so that the last '@' counts, wherever it stands.
  if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) rest.remove_prefix(at + 1);
  return shown.append(rest.substr(0, rest.find_first_of("?#")));
}

}  // namespace turnpike::base
