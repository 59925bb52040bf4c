#include "credential/aws_answers.h"

#include <algorithm>

#include "base/text.h"
#include "http/client.h"
#include "json/document.h"
#include "net/socket.h"

namespace turnpike::credential {
namespace {

constexpr std::chrono::hours kNoEnd{1};  // Looked up again after that.

std::string xml_value(std::string_view body, std::string_view name) {
  const std::string open = "<" + std::string(name) + ">";
  const std::size_t begin = body.find(open);
  if (begin == std::string_view::npos) return {};
  std::string_view rest = body.substr(begin + open.size());
  rest = rest.substr(0, rest.find('<'));
  std::string text;
  constexpr std::pair<std::string_view, char> kEntities[] = {
      {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
  while (!rest.empty()) {
    const auto* entity = std::find_if(std::begin(kEntities), std::end(kEntities),
                                      [&](const auto& e) { return rest.starts_with(e.first); });
    const bool found = entity != std::end(kEntities);
    text += found ? entity->second : rest.front();
    rest.remove_prefix(found ? entity->first.size() : 1);
  }
  return std::string(base::trim(text));
}

Result<Grant> granted(std::string key, std::string secret, std::string token, std::optional<std::int64_t> expires_s,
                      std::int64_t now_s) {
  if (key.empty() || secret.empty() || base::has_control(key) || base::has_control(secret) ||
      base::has_control(token)) {
    return base::fail(ErrorKind::UpstreamUnauthenticated, "the answer holds no AWS credentials");
  }
  Grant grant;
  grant.credential.kind = Credential::Kind::Aws;
  grant.credential.access_key_id = base::Secret(std::move(key));
  grant.credential.secret_access_key = base::Secret(std::move(secret));
  grant.credential.session_token = base::Secret(std::move(token));
  grant.good_for = expires_s ? std::chrono::seconds(*expires_s - now_s) : kNoEnd;
  return grant;
}

/// Unix seconds as a number (STS in JSON) or ISO 8601; a time outside of the years that a date can name is the nearest
/// inside.
std::optional<std::int64_t> expiration_of(const json::Value& value) {
  constexpr double kLast = 253'402'300'799;  // The end of the year 9999.
  if (const std::optional<double> seconds = value.number()) {
    return static_cast<std::int64_t>(std::clamp(*seconds, 0.0, kLast));
  }
  const std::optional<std::int64_t> us = base::parse_iso_time(value.text().value_or(""));
  return us ? std::optional(*us / 1'000'000) : std::nullopt;
}

std::string member(const json::Value& map, std::string_view name) {
  return map.find(name).text().value_or("");
}

}  // namespace

Result<Grant> read_sts_credentials(std::string_view body, std::int64_t now_s) {
  if (base::trim(body).starts_with('{')) {
    json::Document document;
    if (Status parsed = document.parse(body); !parsed) return base::fail(std::move(parsed.error()));
    // {"AssumeRoleResponse": {"AssumeRoleResult": {"Credentials": {...}}}}, and the same with WebIdentity in the names.
    json::Value at = document.root();
    for (int depth = 0; depth < 3 && at && !at.find("Credentials"); ++depth) {
      json::Value inner;
      for (const json::Value::Pair pair : at.members()) {
        if (pair.value.is(json::Kind::Object) && !inner) inner = pair.value;
      }
      at = inner;
    }
    const json::Value found = at.find("Credentials");
    return granted(member(found, "AccessKeyId"), member(found, "SecretAccessKey"), member(found, "SessionToken"),
                   expiration_of(found.find("Expiration")), now_s);
  }
  const std::optional<std::int64_t> us = base::parse_iso_time(xml_value(body, "Expiration"));
  return granted(xml_value(body, "AccessKeyId"), xml_value(body, "SecretAccessKey"), xml_value(body, "SessionToken"),
                 us ? std::optional(*us / 1'000'000) : std::nullopt, now_s);
}

Result<Grant> read_metadata_credentials(std::string_view body, std::int64_t now_s) {
  json::Document document;
  if (!document.parse(body)) {
    return base::fail(ErrorKind::UpstreamUnauthenticated, "the answer of the metadata service is no JSON");
  }
  const json::Value root = document.root();
  const std::string code = member(root, "Code");
  if (!code.empty() && code != "Success") {
    return base::fail(ErrorKind::UpstreamUnauthenticated, "the metadata service has no credentials: " + code);
  }
  return granted(member(root, "AccessKeyId"), member(root, "SecretAccessKey"), member(root, "Token"),
                 expiration_of(root.find("Expiration")), now_s);
}

bool is_container_host(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t slash = scheme == std::string_view::npos ? scheme : url.find_first_of("/?", scheme + 3);
  const Result<http::BaseUrl> base = http::parse_base_url(url.substr(0, slash));
  if (!base) return false;
  const std::string& host = base->origin.host;
  if (base->origin.tls || host == "localhost" || host == "169.254.170.2" || host == "169.254.170.23" ||
      host == "fd00:ec2::23" || host == "::1") {
    return true;
  }
  const std::vector<net::Address> numeric = net::Address::parse(host, base->origin.port);
  return !numeric.empty() && host.starts_with("127.");
}

}  // namespace turnpike::credential
