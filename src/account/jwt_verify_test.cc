#include "account/jwt_verify.h"

#include <gtest/gtest.h>

#include "account/test_jwt.h"

namespace turnpike::account::jwt_verify_test {
namespace {

constexpr std::int64_t kNow = 1'700'000'000;
constexpr std::string_view kGood = R"({"sub":"u","aud":"gw","iss":"https://idp","exp":1700000060})";

/// RSA keys take long to make.
const SigningKey& rsa_1() {
  static const SigningKey key("RSA", "k1");
  return key;
}
const SigningKey& rsa_k2() {
  static const SigningKey key("RSA", "k2");
  return key;
}

std::string said(const Result<JwtVerified>& verified) {
  return verified ? "good" : verified.error().message;
}

JwkSet keys_of(const SigningKey& key, std::string_view more = {}) {
  return parse_jwks(key.jwks(more)).value();
}

TEST(JwtVerify, TakesEveryAlgorithmOfTheListWithAKeyOfItsKindOnly) {
  const SigningKey& rsa = rsa_1();
  const SigningKey p256("P-256"), p384("P-384"), p521("P-521"), ed("Ed25519");
  const SigningKey rsa_2 = rsa_k2().named("k1"), p256_2("P-256"), p384_2("P-384"), p521_2("P-521"), ed_2("Ed25519");
  const SigningKey* const keys[] = {&rsa, &p256, &p384, &p521, &ed};
  struct Case {
    const char* alg;
    const SigningKey *key, *other;
  };
  const Case cases[] = {{"RS256", &rsa, &rsa_2},   {"RS384", &rsa, &rsa_2},   {"RS512", &rsa, &rsa_2},
                        {"PS256", &rsa, &rsa_2},   {"PS384", &rsa, &rsa_2},   {"PS512", &rsa, &rsa_2},
                        {"ES256", &p256, &p256_2}, {"ES384", &p384, &p384_2}, {"ES512", &p521, &p521_2},
                        {"EdDSA", &ed, &ed_2}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.alg);
    const std::string token = c.key->token(c.alg, kGood);
    for (const SigningKey* key : keys) {
      const std::string outcome = said(verify_jwt(token, keys_of(*key), {}, kNow));
      EXPECT_EQ(outcome, key == c.key ? "good" : "Validation fails: no public key has the token's kid");
    }
    EXPECT_EQ(said(verify_jwt(token, keys_of(*c.other), {}, kNow)), "Validation fails: Signature verification failed");
    std::string changed = token;
    changed[token.find('.') + 5] = changed[token.find('.') + 5] == 'A' ? 'B' : 'A';
    EXPECT_NE(said(verify_jwt(changed, keys_of(*c.key), {}, kNow)), "good");
    std::string cut = token.substr(0, token.size() - 4);
    EXPECT_EQ(said(verify_jwt(cut, keys_of(*c.key), {}, kNow)), "Validation fails: Signature verification failed");
  }
}

TEST(JwtVerify, SaysWhatIsWrongWithClaims) {
  const SigningKey key("P-256");
  const JwkSet keys = keys_of(key);
  JwtRules rules;
  rules.audiences = {"gw", "gw2"};
  rules.issuers = {"https://idp"};
  rules.leeway_s = 5;
  struct Case {
    const char* name;
    std::string_view claims;
    const char* outcome;
  };
  const Case cases[] = {
      {"good", kGood, "good"},
      {"one of several audiences", R"({"aud":["x","gw2"],"iss":"https://idp","exp":1700000060})", "good"},
      {"a fraction of a second", R"({"aud":"gw","iss":"https://idp","exp":1700000060.5,"nbf":1699999999.9})", "good"},
      {"expired within the leeway", R"({"aud":"gw","iss":"https://idp","exp":1699999996})", "good"},
      {"expired", R"({"aud":"gw","iss":"https://idp","exp":1699999995})", "Token Expired"},
      {"long ago", R"({"aud":"gw","iss":"https://idp","exp":0})", "Token Expired"},
      {"no exp", R"({"aud":"gw","iss":"https://idp"})", "Validation fails: the token has no exp claim that is a time"},
      {"exp is text", R"({"aud":"gw","iss":"https://idp","exp":"1700000060"})",
       "Validation fails: the token has no exp claim that is a time"},
      {"exp below 0", R"({"aud":"gw","iss":"https://idp","exp":-1})",
       "Validation fails: the token has no exp claim that is a time"},
      {"exp beyond every calendar", R"({"aud":"gw","iss":"https://idp","exp":1e300})",
       "Validation fails: the token has no exp claim that is a time"},
      {"not yet", R"({"aud":"gw","iss":"https://idp","exp":1700000060,"nbf":1700000006})",
       "Validation fails: The token is not yet valid (nbf)"},
      {"made tomorrow", R"({"aud":"gw","iss":"https://idp","exp":1700000060,"iat":1700086400})",
       "Validation fails: The token is not yet valid (iat)"},
      {"another's", R"({"aud":"other","iss":"https://idp","exp":1700000060})",
       "Validation fails: Audience doesn't match"},
      {"nobody's", R"({"iss":"https://idp","exp":1700000060})",
       "Validation fails: the token has no aud claim, and this gateway wants one (JWT_AUDIENCE)"},
      {"another issuer", R"({"aud":"gw","iss":"https://evil","exp":1700000060})", "Validation fails: Invalid issuer"},
      {"no issuer", R"({"aud":"gw","exp":1700000060})", "Validation fails: Invalid issuer"},
      {"a list", R"([1])", "Validation fails: the token's claims are no JSON object"},
      {"no JSON", "exp", "Validation fails: the token's claims are no JSON object"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(said(verify_jwt(key.token("ES256", c.claims), keys, rules, kNow)), c.outcome);
  }
}

TEST(JwtVerify, NeverTakesNoneNorASharedSecret) {
  const SigningKey& key = rsa_1();
  const JwkSet keys = keys_of(key);
  const auto with_head = [](std::string_view head, std::string_view signature) {
    return base64url(head) + "." + base64url(kGood) + "." + std::string(signature);
  };
  const std::string tokens[] = {
      with_head(R"({"alg":"none"})", ""),
      with_head(R"({"alg":"none","kid":"k1"})", "AAAA"),
      with_head(R"({"alg":"None"})", ""),
      with_head(R"({"kid":"k1"})", "AAAA"),
      with_head(R"({"alg":["RS256"],"kid":"k1"})", "AAAA"),
      with_head(R"({"alg":"RS1","kid":"k1"})", "AAAA"),
      hs256_token(key.jwk(), kGood),
      hs256_token("", kGood),
  };
  for (const std::string& token : tokens) {
    SCOPED_TRACE(token);
    EXPECT_EQ(said(verify_jwt(token, keys, {}, kNow)), "Validation fails: The specified alg value is not allowed");
  }
  EXPECT_EQ(said(verify_jwt(with_head(R"({"alg":"RS256","kid":"k1"})", ""), keys, {}, kNow)),
            "Validation fails: Signature verification failed");
  EXPECT_EQ(said(verify_jwt(with_head(R"({"alg":"RS256","kid":"k1","crit":["b64"]})", "AAAA"), keys, {}, kNow)),
            "Validation fails: the token's header demands an extension (crit) that is not known here");
}

TEST(JwtVerify, KnowsTheFormOfATokenAndHowLongOneMayBe) {
  struct Case {
    std::string text;
    bool token;
  };
  const Case cases[] = {
      {"a.b.c", true},
      {"a.b.", true},
      {"", false},
      {"a.b", false},
      {"a.b.c.d", false},
      {".b.c", false},
      {"a..c", false},
      {"a.b+.c", false},
      {"a.b.c=", false},
      {std::string("a.b.\0", 5), false},
      {"a.b.c\"", false},
      {"sk-1234", false},
      {"a.b." + std::string(kJwtBytesMax, 'c'), false},
  };
  for (const Case& c : cases) EXPECT_EQ(looks_like_jwt(c.text), c.token) << c.text.substr(0, 20);
}

TEST(JwtVerify, PassesOverKeysThatSignNothing) {
  struct Case {
    const char* name;
    std::string jwk;
    bool usable;
  };
  const SigningKey& rsa = rsa_1();
  const SigningKey small("RSA1024"), ec("P-256");
  std::string encryption = rsa.jwk();
  encryption.replace(encryption.find(R"("use":"sig")"), 11, R"("use":"enc")");
  std::string off_curve = ec.jwk();
  const std::size_t y = off_curve.find(R"("y":")") + 6;
  off_curve[y] = off_curve[y] == 'A' ? 'B' : 'A';
  const Case cases[] = {
      {"RSA", rsa.jwk(), true},
      {"RSA of 1,024 bits", small.jwk(), false},
      {"for encryption", encryption, false},
      {"symmetric", R"({"kty":"oct","k":"c2VjcmV0"})", false},
      {"a point beside the curve", off_curve, false},
      {"an unknown curve", R"({"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"})", false},
      {"no numbers", R"({"kty":"RSA","n":5,"e":true})", false},
      {"an exponent of 1", R"({"kty":"RSA","e":"AQ",)" + rsa.jwk().substr(rsa.jwk().find(R"("n":)")), false},
      {"a text", R"("k")", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(parse_jwks(R"({"keys":[)" + c.jwk + "]}").value().keys.size(), c.usable ? 1u : 0u);
  }
  for (const char* broken : {"", "{}", "[]", R"({"keys":{}})", "nonsense"}) EXPECT_FALSE(parse_jwks(broken)) << broken;
}

TEST(JwtVerify, AKeySaysWhichAlgorithmItIsForAndWhatItIsCalled) {
  const SigningKey &key = rsa_1(), &other = rsa_k2();
  JwkSet both = parse_jwks(R"({"keys":[)" + other.jwk() + "," + key.jwk() + "]}").value();
  EXPECT_EQ(said(verify_jwt(key.token("RS256", kGood), both, {}, kNow)), "good");
  EXPECT_EQ(said(verify_jwt(key.token("PS256", kGood), keys_of(key, R"("alg":"RS256",)"), {}, kNow)),
            "Validation fails: no public key has the token's kid");
  EXPECT_FALSE(has_key_for(both, {"RS256", "k3"}));
  EXPECT_TRUE(has_key_for(both, {"RS256", ""}));
  EXPECT_FALSE(has_key_for(both, {"ES256", "k1"}));
}

}  // namespace
}  // namespace turnpike::account::jwt_verify_test
