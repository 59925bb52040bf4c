#include "account/jwt_verify.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include "account/jwt_key.h"
#include "base/base64.h"
#include "base/text.h"
#include "json/document.h"

namespace turnpike::account {
namespace {

tl::unexpected<Error> refuse(std::string message) {
  Error error;
  error.kind = ErrorKind::Unauthenticated;
  error.type = "auth_error";
  error.message = std::move(message);
  return base::fail(std::move(error));
}

tl::unexpected<Error> invalid(std::string_view why) {
  return refuse("Validation fails: " + std::string(why));
}

bool is_base64url(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

struct Parts {
  std::string_view head, claims, signature, signed_text;
};

std::optional<Parts> parts_of(std::string_view token) {
  if (token.size() > kJwtBytesMax) return std::nullopt;
  const std::vector<std::string_view> parts = base::split(token, '.');
  if (parts.size() != 3 || parts[0].empty() || parts[1].empty()) return std::nullopt;
  if (!std::all_of(parts.begin(), parts.end(), &is_base64url)) return std::nullopt;
  return Parts{parts[0], parts[1], parts[2], token.substr(0, parts[0].size() + 1 + parts[1].size())};
}

/// A time in seconds since 1970, which may have a fraction; nothing when it is no such number.
std::optional<std::int64_t> seconds_of(const json::Value& value) {
  constexpr double kLast = 253'402'300'800;  // The year 10000.
  const std::optional<double> number = value.number();
  if (!number || !(*number >= 0) || *number > kLast) return std::nullopt;
  return static_cast<std::int64_t>(std::floor(*number));
}

bool holds(const std::vector<std::string>& list, const json::Value& value) {
  const std::optional<std::string> text = value.text();
  return text && std::find(list.begin(), list.end(), *text) != list.end();
}

/// `aud` is a name or a list of names; one of ours is enough.
Status check_audience(const json::Value& aud, const JwtRules& rules) {
  if (rules.audiences.empty() || holds(rules.audiences, aud)) return {};
  if (!aud) return invalid("the token has no aud claim, and this gateway wants one (JWT_AUDIENCE)");
  for (const json::Value one : aud.elements()) {
    if (holds(rules.audiences, one)) return {};
  }
  return invalid("Audience doesn't match");
}

Status check_issuer(const json::Value& iss, const JwtRules& rules) {
  if (rules.issuers.empty() || holds(rules.issuers, iss)) return {};
  return invalid("Invalid issuer");
}

/// Answers with the second at which the token ends.
Result<std::int64_t> check_times(const json::Value& claims, const JwtRules& rules, std::int64_t now_s) {
  const std::optional<std::int64_t> expires_s = seconds_of(claims.find("exp"));
  if (!expires_s) return invalid("the token has no exp claim that is a time");
  if (*expires_s + rules.leeway_s <= now_s) return refuse("Token Expired");
  if (const json::Value nbf = claims.find("nbf")) {
    const std::optional<std::int64_t> from_s = seconds_of(nbf);
    if (!from_s) return invalid("the nbf claim is no time");
    if (*from_s > now_s + rules.leeway_s) return invalid("The token is not yet valid (nbf)");
  }
  if (const json::Value iat = claims.find("iat")) {
    const std::optional<std::int64_t> issued_s = seconds_of(iat);
    if (!issued_s) return invalid("the iat claim is no time");
    if (*issued_s > now_s + rules.leeway_s) return invalid("The token is not yet valid (iat)");
  }
  return *expires_s;
}

bool fits(const Jwk& jwk, const JwtHead& head) {
  if (!head.kid.empty() && !jwk.kid.empty() && jwk.kid != head.kid) return false;
  if (!jwk.alg.empty() && jwk.alg != head.alg) return false;
  return key_fits(*jwk.key, head.alg);
}

/// A key that the token names comes before those without a name; a token that names none is tried with each.
std::vector<const Jwk*> keys_for(const JwkSet& set, const JwtHead& head) {
  std::vector<const Jwk*> named, others;
  for (const Jwk& jwk : set.keys) {
    if (!fits(jwk, head)) continue;
    (!head.kid.empty() && jwk.kid == head.kid ? named : others).push_back(&jwk);
  }
  return named.empty() ? others : named;
}

}  // namespace

bool looks_like_jwt(std::string_view token) {
  return parts_of(token).has_value();
}

Result<JwtHead> read_jwt_head(std::string_view token) {
  const std::optional<Parts> parts = parts_of(token);
  if (!parts) return invalid("this is no token of three parts in base64url");
  const std::optional<std::string> text = from_base64url(parts->head);
  json::Document document;
  if (!text || !document.parse(*text) || !document.root().is(json::Kind::Object)) {
    return invalid("the token's header is no JSON object");
  }
  const json::Value root = document.root();
  JwtHead head;
  head.alg = root.find("alg").text().value_or("");
  head.kid = root.find("kid").text().value_or("");
  if (!is_known_algorithm(head.alg)) return invalid("The specified alg value is not allowed");
  // RFC 7515, 4.1.11: extensions that must be understood, and none is.
  if (root.find("crit")) return invalid("the token's header demands an extension (crit) that is not known here");
  return head;
}

bool has_key_for(const JwkSet& keys, const JwtHead& head) {
  return !keys_for(keys, head).empty();
}

Result<JwtVerified> verify_jwt(std::string_view token, const JwkSet& keys, const JwtRules& rules, std::int64_t now_s) {
  const Result<JwtHead> head = read_jwt_head(token);
  if (!head) return base::fail(head.error());
  const Parts parts = *parts_of(token);
  const std::optional<std::string> signature = from_base64url(parts.signature);
  if (!signature || signature->empty()) return invalid("Signature verification failed");
  const std::vector<const Jwk*> candidates = keys_for(keys, *head);
  if (candidates.empty()) {
    return invalid(head->kid.empty() ? "no public key fits the token's alg" : "no public key has the token's kid");
  }
  const bool good = std::any_of(candidates.begin(), candidates.end(), [&](const Jwk* jwk) {
    return signature_holds(*jwk->key, head->alg, parts.signed_text, *signature);
  });
  if (!good) return invalid("Signature verification failed");

  std::optional<std::string> claims = from_base64url(parts.claims);
  json::Document document;
  if (!claims || !document.parse(*claims) || !document.root().is(json::Kind::Object)) {
    return invalid("the token's claims are no JSON object");
  }
  const json::Value root = document.root();
  const Result<std::int64_t> expires_s = check_times(root, rules, now_s);
  if (!expires_s) return base::fail(expires_s.error());
  if (Status audience = check_audience(root.find("aud"), rules); !audience) return base::fail(audience.error());
  if (Status issuer = check_issuer(root.find("iss"), rules); !issuer) return base::fail(issuer.error());
  JwtVerified verified;
  verified.claims_json = std::move(*claims);
  verified.expires_s = *expires_s;
  return verified;
}

}  // namespace turnpike::account
