#include "account/jwt_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "base/base64.h"

namespace turnpike::account {
namespace {

struct Free {
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(OSSL_PARAM* parameters) const { OSSL_PARAM_free(parameters); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

const std::uint8_t* bytes_of(std::string_view text) {
  return reinterpret_cast<const std::uint8_t*>(text.data());
}

enum class Scheme : std::uint8_t { Pkcs1, Pss, Ecdsa, Eddsa };
struct Algorithm {
  std::string_view name;
  Scheme scheme;
  const EVP_MD* (*digest)();
  int curve;               // Of ECDSA.
  std::size_t coordinate;  // Bytes of each half of an ECDSA signature.
};
// What is not here is refused: "none" and the HS family, with which a public key would be a shared secret.
constexpr std::array<Algorithm, 10> kAlgorithms = {{
    {"RS256", Scheme::Pkcs1, &EVP_sha256, 0, 0},
    {"RS384", Scheme::Pkcs1, &EVP_sha384, 0, 0},
    {"RS512", Scheme::Pkcs1, &EVP_sha512, 0, 0},
    {"PS256", Scheme::Pss, &EVP_sha256, 0, 0},
    {"PS384", Scheme::Pss, &EVP_sha384, 0, 0},
    {"PS512", Scheme::Pss, &EVP_sha512, 0, 0},
    {"ES256", Scheme::Ecdsa, &EVP_sha256, NID_X9_62_prime256v1, 32},
    {"ES384", Scheme::Ecdsa, &EVP_sha384, NID_secp384r1, 48},
    {"ES512", Scheme::Ecdsa, &EVP_sha512, NID_secp521r1, 66},
    {"EdDSA", Scheme::Eddsa, nullptr, 0, 0},
}};

const Algorithm* find_algorithm(std::string_view name) {
  const auto found =
      std::find_if(kAlgorithms.begin(), kAlgorithms.end(), [name](const Algorithm& row) { return row.name == name; });
  return found == kAlgorithms.end() ? nullptr : &*found;
}

struct Curve {
  std::string_view jwk, openssl;
  int number;
  std::size_t coordinate;
};
constexpr std::array<Curve, 3> kCurves = {{{"P-256", "prime256v1", NID_X9_62_prime256v1, 32},
                                           {"P-384", "secp384r1", NID_secp384r1, 48},
                                           {"P-521", "secp521r1", NID_secp521r1, 66}}};

constexpr int kRsaBitsMin = 2048;
constexpr int kRsaBitsMax = 8192;  // A larger one costs more than a call.
constexpr std::size_t kNumberBytesMax = kRsaBitsMax / 8 + 1;

}  // namespace

struct PublicKey {
  Owned<EVP_PKEY> key;
  int type = 0;
  int curve = 0;
};

namespace {

std::optional<std::string> member(const json::Value& jwk, std::string_view name) {
  const std::optional<std::string> text = jwk.find(name).text();
  if (!text || text->empty()) return std::nullopt;
  std::optional<std::string> bytes = from_base64url(*text);
  if (!bytes || bytes->empty() || bytes->size() > kNumberBytesMax) return std::nullopt;
  return bytes;
}

Owned<EVP_PKEY> from_parameters(const char* type, OSSL_PARAM_BLD* builder) {
  const Owned<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (parameters && context && EVP_PKEY_fromdata_init(context.get()) == 1) {
    EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get());
  }
  return Owned<EVP_PKEY>(key);
}

std::shared_ptr<const PublicKey> read_rsa(const json::Value& jwk) {
  const std::optional<std::string> n = member(jwk, "n"), e = member(jwk, "e");
  if (!n || !e || e->size() > 8) return nullptr;
  const Owned<BIGNUM> modulus(BN_bin2bn(bytes_of(*n), static_cast<int>(n->size()), nullptr));
  const Owned<BIGNUM> exponent(BN_bin2bn(bytes_of(*e), static_cast<int>(e->size()), nullptr));
  if (!modulus || !exponent) return nullptr;
  const int bits = BN_num_bits(modulus.get());
  const bool sound = bits >= kRsaBitsMin && bits <= kRsaBitsMax && BN_is_odd(modulus.get()) == 1 &&
                     BN_is_odd(exponent.get()) == 1 && BN_is_one(exponent.get()) == 0;
  if (!sound) return nullptr;
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return nullptr;
  }
  auto key = std::make_shared<PublicKey>();
  key->key = from_parameters("RSA", builder.get());
  key->type = EVP_PKEY_RSA;
  return key->key ? key : nullptr;
}

std::shared_ptr<const PublicKey> read_ec(const json::Value& jwk) {
  const std::string name = jwk.find("crv").text().value_or("");
  const auto curve = std::find_if(kCurves.begin(), kCurves.end(), [&](const Curve& row) { return row.jwk == name; });
  const std::optional<std::string> x = member(jwk, "x"), y = member(jwk, "y");
  if (curve == kCurves.end() || !x || !y || x->size() != curve->coordinate || y->size() != curve->coordinate) {
    return nullptr;
  }
  const std::string point = '\x04' + *x + *y;  // Uncompressed.
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve->openssl.data(), 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1) {
    return nullptr;
  }
  auto key = std::make_shared<PublicKey>();
  key->key = from_parameters("EC", builder.get());  // Null as well when the point is not on the curve.
  key->type = EVP_PKEY_EC;
  key->curve = curve->number;
  return key->key ? key : nullptr;
}

std::shared_ptr<const PublicKey> read_ed(const json::Value& jwk) {
  const std::optional<std::string> x = member(jwk, "x");
  if (jwk.find("crv").text() != "Ed25519" || !x || x->size() != 32) return nullptr;
  auto key = std::make_shared<PublicKey>();
  key->key.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes_of(*x), x->size()));
  key->type = EVP_PKEY_ED25519;
  return key->key ? key : nullptr;
}

/// Two numbers one after the other (RFC 7518, 3.4) as OpenSSL wants them.
std::vector<std::uint8_t> ecdsa_der(std::string_view signature, std::size_t coordinate) {
  if (signature.size() != 2 * coordinate) return {};
  const Owned<ECDSA_SIG> pair(ECDSA_SIG_new());
  const int size = static_cast<int>(coordinate);
  Owned<BIGNUM> r(BN_bin2bn(bytes_of(signature), size, nullptr));
  Owned<BIGNUM> s(BN_bin2bn(bytes_of(signature.substr(coordinate)), size, nullptr));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release());  // The pair's now.
  static_cast<void>(s.release());
  const int length = i2d_ECDSA_SIG(pair.get(), nullptr);
  if (length <= 0) return {};
  std::vector<std::uint8_t> der(static_cast<std::size_t>(length));
  std::uint8_t* out = der.data();
  i2d_ECDSA_SIG(pair.get(), &out);
  return der;
}

bool begin(EVP_MD_CTX* context, const Algorithm& algorithm, EVP_PKEY* key) {
  EVP_PKEY_CTX* settings = nullptr;
  const EVP_MD* digest = algorithm.digest == nullptr ? nullptr : algorithm.digest();
  if (EVP_DigestVerifyInit(context, &settings, digest, nullptr, key) != 1) return false;
  if (algorithm.scheme != Scheme::Pss) return true;
  return EVP_PKEY_CTX_set_rsa_padding(settings, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(settings, RSA_PSS_SALTLEN_DIGEST) == 1;
}

}  // namespace

bool is_known_algorithm(std::string_view alg) {
  return find_algorithm(alg) != nullptr;
}

std::shared_ptr<const PublicKey> read_public_key(const json::Value& jwk) {
  const std::string type = jwk.find("kty").text().value_or("");
  std::shared_ptr<const PublicKey> key;
  if (type == "RSA") key = read_rsa(jwk);
  if (type == "EC") key = read_ec(jwk);
  if (type == "OKP") key = read_ed(jwk);
  ERR_clear_error();
  return key;
}

bool key_fits(const PublicKey& key, std::string_view alg) {
  const Algorithm* algorithm = find_algorithm(alg);
  if (algorithm == nullptr) return false;
  switch (algorithm->scheme) {
    case Scheme::Pkcs1:
    case Scheme::Pss:
      return key.type == EVP_PKEY_RSA;
    case Scheme::Ecdsa:
      return key.type == EVP_PKEY_EC && key.curve == algorithm->curve;
    case Scheme::Eddsa:
      return key.type == EVP_PKEY_ED25519;
  }
  return false;
}

bool signature_holds(const PublicKey& key, std::string_view alg, std::string_view text, std::string_view signature) {
  if (!key_fits(key, alg)) return false;
  const Algorithm& algorithm = *find_algorithm(alg);
  std::vector<std::uint8_t> bytes(signature.begin(), signature.end());
  if (algorithm.scheme == Scheme::Ecdsa) bytes = ecdsa_der(signature, algorithm.coordinate);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  const bool holds = !bytes.empty() && context && begin(context.get(), algorithm, key.key.get()) &&
                     EVP_DigestVerify(context.get(), bytes.data(), bytes.size(), bytes_of(text), text.size()) == 1;
  ERR_clear_error();
  return holds;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string standard(text);
  std::replace(standard.begin(), standard.end(), '-', '+');
  std::replace(standard.begin(), standard.end(), '_', '/');
  return base::from_base64(standard);
}

Result<JwkSet> parse_jwks(std::string_view json) {
  json::Document document;
  const json::Value list = document.parse(json) ? document.root().find("keys") : json::Value();
  if (!list.is(json::Kind::Array)) {
    return base::fail(ErrorKind::InvalidRequest, "this is no key set: {\"keys\": [...]} is expected");
  }
  JwkSet set;
  for (const json::Value one : list.elements()) {
    if (set.keys.size() >= kJwksKeysMax) break;
    const std::string use = one.find("use").text().value_or("sig");
    std::shared_ptr<const PublicKey> key = use == "sig" ? read_public_key(one) : nullptr;
    if (!key) continue;
    set.keys.push_back({one.find("kid").text().value_or(""), one.find("alg").text().value_or(""), std::move(key)});
  }
  return set;
}

}  // namespace turnpike::account
