#include "credential/google_key.h"

#include "base/text.h"
#include "http/message.h"
#include "json/document.h"

namespace turnpike::credential {
namespace {

constexpr std::string_view kTokenUrl = "https://oauth2.googleapis.com/token";
constexpr std::string_view kExchangeUrl = "https://sts.googleapis.com/v1/token";

std::string text_of(const json::Value& map, std::string_view name, std::string_view otherwise = {}) {
  std::optional<std::string> text = map.find(name).text();
  return text && !text->empty() ? std::move(*text) : std::string(otherwise);
}

tl::unexpected<Error> broken(std::string what) {
  return base::fail(ErrorKind::UpstreamUnauthenticated, "the Google credential " + std::move(what));
}

struct Needed {
  std::string_view name;
  bool there;
};
Result<GoogleKey> with(GoogleKey&& key, std::initializer_list<Needed> needed) {
  for (const Needed& one : needed) {
    if (!one.there) return broken("lacks " + std::string(one.name));
  }
  return std::move(key);
}

Result<GoogleKey> external_account(const json::Value& root, GoogleKey key) {
  key.kind = GoogleKey::Kind::ExternalAccount;
  key.token_url = text_of(root, "token_url", kExchangeUrl);
  key.audience = text_of(root, "audience");
  key.subject_token_type = text_of(root, "subject_token_type");
  key.impersonation_url = text_of(root, "service_account_impersonation_url");
  const json::Value source = root.find("credential_source");
  key.source_file = text_of(source, "file");
  key.source_url = text_of(source, "url");
  for (const json::Value::Pair header : source.find("headers").members()) {
    http::add_field(key.source_fields, header.key.text().value_or(""), header.value.text().value_or(""));
  }
  const json::Value format = source.find("format");
  if (text_of(format, "type") == "json") key.source_member = text_of(format, "subject_token_field_name");
  if (key.source_file.empty() && key.source_url.empty()) {
    return broken("takes its token from a source that is not served: only credential_source.file and .url are");
  }
  return with(std::move(key),
              {{"audience", !key.audience.empty()}, {"subject_token_type", !key.subject_token_type.empty()}});
}

}  // namespace

Result<GoogleKey> parse_google_key(std::string_view json) {
  json::Document document;
  if (!document.parse(json) || !document.root().is(json::Kind::Object))
    return broken("is no JSON object: vertex_credentials takes a credential file's JSON, or its path");
  const json::Value root = document.root();
  const std::string type = text_of(root, "type");
  GoogleKey key;
  key.project_id = text_of(root, "project_id", text_of(root, "quota_project_id"));
  key.token_url = text_of(root, "token_uri", kTokenUrl);
  key.client_email = text_of(root, "client_email");
  key.private_key_id = text_of(root, "private_key_id");
  key.private_key = base::Secret(text_of(root, "private_key"));
  key.client_id = text_of(root, "client_id");
  key.client_secret = base::Secret(text_of(root, "client_secret"));
  key.refresh_token = base::Secret(text_of(root, "refresh_token"));
  if (type == "service_account") {
    return with(std::move(key),
                {{"client_email", !key.client_email.empty()}, {"private_key", !key.private_key.empty()}});
  }
  if (type == "authorized_user") {
    key.kind = GoogleKey::Kind::AuthorizedUser;
    return with(std::move(key), {{"client_id", !key.client_id.empty()},
                                 {"client_secret", !key.client_secret.empty()},
                                 {"refresh_token", !key.refresh_token.empty()}});
  }
  if (type == "external_account") return external_account(root, std::move(key));
  if (type == "impersonated_service_account") {
    key.kind = GoogleKey::Kind::ImpersonatedServiceAccount;
    key.impersonation_url = text_of(root, "service_account_impersonation_url");
    key.source_key = base::Secret(std::string(root.find("source_credentials").raw()));
    return with(std::move(key), {{"service_account_impersonation_url", !key.impersonation_url.empty()},
                                 {"source_credentials", !key.source_key.empty()}});
  }
  return broken(
      "is of a type that is not served; service_account, authorized_user, external_account and "
      "impersonated_service_account are");
}

Result<ImpersonatedToken> read_impersonated_token(std::string_view body) {
  json::Document document;
  if (!document.parse(body)) return broken("could not be used: the answer of the impersonation is no JSON");
  ImpersonatedToken read;
  read.token = base::Secret(text_of(document.root(), "accessToken"));
  const std::optional<std::int64_t> expires_us = base::parse_iso_time(text_of(document.root(), "expireTime"));
  if (read.token.empty() || base::has_control(read.token.reveal()) || !expires_us) {
    return broken("could not be used: the answer of the impersonation holds no token");
  }
  read.expires_s = *expires_us / 1'000'000;
  return read;
}

}  // namespace turnpike::credential
