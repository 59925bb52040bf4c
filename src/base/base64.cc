#include "base/base64.h"

#include <openssl/evp.h>

#include <algorithm>

namespace turnpike::base {

std::string to_base64(std::string_view bytes) {
  constexpr std::size_t kStep = 3 << 20;  // OpenSSL counts in `int`; whole groups of three need no padding between.
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');
  std::size_t written = 0;
  for (std::size_t at = 0; at < bytes.size(); at += kStep) {
    const std::string_view piece = bytes.substr(at, kStep);
    written += static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data() + written),
                                                        reinterpret_cast<const unsigned char*>(piece.data()),
                                                        static_cast<int>(piece.size())));
  }
  text.resize(written);
  return text;
}

}  // namespace turnpike::base
