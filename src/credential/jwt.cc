#include "credential/jwt.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "base/text.h"
#include "json/write.h"

namespace turnpike::credential {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Keys that came through a shell or a .env file have "\n" written out.
std::string with_line_ends(std::string_view pem) {
  std::string text(pem);
  if (text.find('\n') != std::string::npos) return text;
  for (std::size_t at = text.find("\\n"); at != std::string::npos; at = text.find("\\n", at)) text.replace(at, 2, "\n");
  return text;
}

Owned<EVP_PKEY> read_key(std::string_view pem) {
  const std::string text = with_line_ends(pem);
  const Owned<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  // An encrypted key must not make OpenSSL ask on the terminal.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  Owned<EVP_PKEY> key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_password, nullptr) : nullptr);
  ERR_clear_error();
  return key;
}

bool sign(EVP_PKEY* key, std::string_view text, std::vector<std::uint8_t>& signature) {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const std::span<const std::uint8_t> bytes = bytes_of(text);
  std::size_t size = 0;
  if (!context || EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes.data(), bytes.size()) != 1) {
    return false;
  }
  signature.resize(size);
  if (EVP_DigestSign(context.get(), signature.data(), &size, bytes.data(), bytes.size()) != 1) return false;
  signature.resize(size);
  return true;
}

}  // namespace

Result<std::string> signed_jwt(const JwtClaims& claims, std::string_view key_id, std::string_view private_key_pem) {
  std::string header, body;
  json::Writer head(header);
  head.begin_object().key("alg").string("RS256").key("typ").string("JWT");
  if (!key_id.empty()) head.key("kid").string(key_id);
  head.end_object();
  json::Writer said(body);
  said.begin_object().key("iss").string(claims.issuer).key("scope").string(claims.scope);
  said.key("aud").string(claims.audience).key("iat").number(claims.issued_s).key("exp").number(claims.expires_s);
  said.end_object();

  std::string text = base::to_base64url(bytes_of(header)) + "." + base::to_base64url(bytes_of(body));
  const Owned<EVP_PKEY> key = read_key(private_key_pem);
  std::vector<std::uint8_t> signature;
  if (!key || EVP_PKEY_get_base_id(key.get()) != EVP_PKEY_RSA || !sign(key.get(), text, signature)) {
    return base::fail(ErrorKind::UpstreamUnauthenticated, "private_key is no RSA key in PEM");
  }
  return text + "." + base::to_base64url(signature);
}

}  // namespace turnpike::credential
