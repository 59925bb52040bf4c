#pragma once

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/text.h"

/// An identity provider for tests: keys made on the spot, tokens signed by them.
namespace turnpike::account {

inline std::string base64url(std::string_view text) {
  return base::to_base64url({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

class SigningKey {
 public:
  /// `kind`: "RSA", "RSA1024", "P-256", "P-384", "P-521" or "Ed25519".
  explicit SigningKey(std::string kind, std::string kid = "k1") : kind_(std::move(kind)), kid_(std::move(kid)) {
    EVP_PKEY* key = nullptr;
    if (kind_ == "RSA") key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048});
    if (kind_ == "RSA1024") key = EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{1024});
    if (kind_.starts_with("P-")) key = EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", kind_.c_str());
    if (kind_ == "Ed25519") key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    key_.reset(key, &EVP_PKEY_free);
  }

  /// The same key under another name.
  SigningKey named(std::string kid) const {
    SigningKey copy = *this;
    copy.kid_ = std::move(kid);
    return copy;
  }
  std::string jwk(std::string_view more = {}) const {
    std::string text = R"({"kid":")" + kid_ + R"(","use":"sig",)" + std::string(more);
    if (kind_.starts_with("RSA"))
      return text + R"("kty":"RSA","n":")" + number("n") + R"(","e":")" + number("e") + "\"}";
    if (kind_ == "Ed25519") {
      std::size_t size = 32;
      std::string x(size, '\0');
      EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(x.data()), &size);
      return text + R"("kty":"OKP","crv":"Ed25519","x":")" + base64url(x) + "\"}";
    }
    const int width = kind_ == "P-256" ? 32 : kind_ == "P-384" ? 48 : 66;
    return text + R"("kty":"EC","crv":")" + kind_ + R"(","x":")" + number("qx", width) + R"(","y":")" +
           number("qy", width) + "\"}";
  }
  std::string jwks(std::string_view more = {}) const { return R"({"keys":[)" + jwk(more) + "]}"; }

  std::string token(std::string_view alg, std::string_view claims) const {
    const std::string head = R"({"alg":")" + std::string(alg) + R"(","kid":")" + kid_ + R"(","typ":"at+jwt"})";
    const std::string text = base64url(head) + "." + base64url(claims);
    return text + "." + base64url(signature(alg, text));
  }
  std::string signature(std::string_view alg, std::string_view text) const {
    const std::shared_ptr<EVP_MD_CTX> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    EVP_PKEY_CTX* settings = nullptr;
    const EVP_MD* digest = alg == "EdDSA"         ? nullptr
                           : alg.ends_with("384") ? EVP_sha384()
                           : alg.ends_with("512") ? EVP_sha512()
                                                  : EVP_sha256();
    EVP_DigestSignInit(context.get(), &settings, digest, nullptr, key_.get());
    if (alg.starts_with("PS")) {
      EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING);
      EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST);
    }
    std::string bytes(1024, '\0');
    std::size_t size = bytes.size();
    EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(bytes.data()), &size,
                   reinterpret_cast<const unsigned char*>(text.data()), text.size());
    bytes.resize(size);
    return alg.starts_with("ES") ? two_numbers(bytes) : bytes;
  }

 private:
  std::string number(const char* name, int width = 0) const {
    BIGNUM* value = nullptr;
    EVP_PKEY_get_bn_param(key_.get(), name, &value);
    const std::shared_ptr<BIGNUM> owned(value, &BN_free);
    std::string bytes(static_cast<std::size_t>(width == 0 ? BN_num_bytes(value) : width), '\0');
    BN_bn2binpad(value, reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    return base64url(bytes);
  }
  std::string two_numbers(const std::string& der) const {
    const unsigned char* at = reinterpret_cast<const unsigned char*>(der.data());
    const std::shared_ptr<ECDSA_SIG> pair(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())), &ECDSA_SIG_free);
    const std::size_t width = kind_ == "P-256" ? 32 : kind_ == "P-384" ? 48 : 66;
    std::string out(2 * width, '\0');
    auto* bytes = reinterpret_cast<unsigned char*>(out.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(pair.get()), bytes, static_cast<int>(width));
    BN_bn2binpad(ECDSA_SIG_get0_s(pair.get()), bytes + width, static_cast<int>(width));
    return out;
  }

  std::string kind_, kid_;
  std::shared_ptr<EVP_PKEY> key_;
};

/// "header.claims.signature" with HMAC-SHA-256 of `secret`: what a forger makes of a public key.
inline std::string hs256_token(std::string_view secret, std::string_view claims) {
  const std::string text = base64url(R"({"alg":"HS256","kid":"k1"})") + "." + base64url(claims);
  const base::Sha256 mac = base::hmac_sha256(secret, text);
  return text + "." + base::to_base64url(mac);
}

}  // namespace turnpike::account
