#include "credential/google.h"

#include <filesystem>

#include "base/text.h"
#include "credential/google_key.h"
#include "credential/jwt.h"
#include "json/document.h"

namespace turnpike::credential {
namespace {

constexpr std::string_view kScope = "https://www.googleapis.com/auth/cloud-platform";
constexpr std::int64_t kClockSkew = 10;

class GoogleSource final : public RenewedSource {
 public:
  explicit GoogleSource(GoogleOptions options) : RenewedSource(options.label), options_(std::move(options)) {}

 private:
  Task<Result<Grant>> fetch(Context context) override;
  Task<Result<std::string>> key_text(Context context);
  Task<Result<Grant>> from_metadata(Context context);
  Task<Result<Grant>> from_key(Context context, GoogleKey key);
  Task<Result<Grant>> from_service_account(Context context, GoogleKey key);
  Task<Result<Grant>> from_external_account(Context context, GoogleKey key);
  Task<Result<std::string>> subject_token(Context context, GoogleKey key);
  Task<Result<Grant>> impersonate(Context context, std::string url, Grant own);
  Task<Result<Grant>> exchange(Context context, TokenRequest request);

  TokenRequest request_to(std::string url) const {
    return credential::request_to(options_.label, std::move(url), options_.trust);
  }
  /// What a pure part found wrong, in the words of every message.
  tl::unexpected<Error> refuse_as(const Error& error) const {
    return refuse(options_.label, error.message, error.detail);
  }

  const GoogleOptions options_;
};

Task<Result<Grant>> GoogleSource::fetch(Context context) {
  Result<std::string> text = co_await key_text(context);
  if (!text) co_return base::fail(std::move(text.error()));
  if (text->empty()) co_return co_await from_metadata(context);
  Result<GoogleKey> key = parse_google_key(*text);
  if (!key) co_return refuse_as(key.error());
  if (key->kind != GoogleKey::Kind::ImpersonatedServiceAccount) co_return co_await from_key(context, std::move(*key));
  Result<GoogleKey> source = parse_google_key(key->source_key.reveal());
  if (!source) co_return refuse_as(source.error());
  Result<Grant> own = co_await from_key(context, std::move(*source));
  if (!own) co_return own;
  co_return co_await impersonate(context, key->impersonation_url, std::move(*own));
}

/// The JSON of the credential file; empty when there is none.
Task<Result<std::string>> GoogleSource::key_text(Context context) {
  const std::string& given = options_.credentials.reveal();
  if (base::trim(given).starts_with('{')) co_return given;
  if (!given.empty()) co_return co_await read_file(context, options_.label, given);
  if (options_.well_known_file.empty()) co_return std::string();
  std::function<Result<std::string>()> look = [path = options_.well_known_file]() -> Result<std::string> {
    std::error_code failure;
    return std::filesystem::exists(path, failure) ? path : std::string();
  };
  const Result<std::string> path = co_await run_elsewhere(context, std::move(look));
  if (!path || path->empty()) co_return path;
  co_return co_await read_file(context, options_.label, *path);
}

Task<Result<Grant>> GoogleSource::exchange(Context context, TokenRequest request) {
  const Result<TokenAnswer> answer = co_await ask(context, std::move(request));
  if (!answer) co_return base::fail(answer.error());
  co_return read_token(answer->body, options_.label, context.now_s);
}

Task<Result<Grant>> GoogleSource::from_metadata(Context context) {
  TokenRequest request =
      request_to("http://" + options_.metadata_host + "/computeMetadata/v1/instance/service-accounts/default/token");
  request.method = "GET";
  request.fields = "Metadata-Flavor: Google\r\n";
  request.limit = std::chrono::seconds(5);
  Result<Grant> grant = co_await exchange(context, std::move(request));
  if (!grant && grant.error().kind == ErrorKind::UpstreamUnavailable) {
    co_return refuse(
        options_.label,
        "the gateway has no Google credential: set vertex_credentials, VERTEXAI_CREDENTIALS or "
        "GOOGLE_APPLICATION_CREDENTIALS to a service account's JSON file (no metadata server answers here)",
        grant.error().detail);
  }
  co_return grant;
}

Task<Result<Grant>> GoogleSource::from_key(Context context, GoogleKey key) {
  switch (key.kind) {
    case GoogleKey::Kind::ServiceAccount:
      co_return co_await from_service_account(context, std::move(key));
    case GoogleKey::Kind::ExternalAccount:
      co_return co_await from_external_account(context, std::move(key));
    case GoogleKey::Kind::AuthorizedUser: {
      Form form;
      form.add("grant_type", "refresh_token").add("client_id", key.client_id);
      form.secret("client_secret", key.client_secret.reveal()).secret("refresh_token", key.refresh_token.reveal());
      TokenRequest request = request_to(key.token_url);
      request.set_form(form);
      co_return co_await exchange(context, std::move(request));
    }
    case GoogleKey::Kind::ImpersonatedServiceAccount:
      break;
  }
  co_return refuse(options_.label, "the Google credential names a source that is an impersonation itself");
}

Task<Result<Grant>> GoogleSource::from_service_account(Context context, GoogleKey key) {
  JwtClaims claims;
  claims.issuer = key.client_email;
  claims.scope = kScope;
  claims.audience = key.token_url;
  claims.issued_s = context.now_s - kClockSkew;
  claims.expires_s = claims.issued_s + 3600;
  std::function<Result<std::string>()> sign = [claims = std::move(claims), id = std::move(key.private_key_id),
                                               pem = std::move(key.private_key)] {
    return signed_jwt(claims, id, pem.reveal());
  };
  const Result<std::string> assertion = co_await run_elsewhere(context, std::move(sign));
  if (!assertion) co_return refuse_as(assertion.error());
  Form form;
  form.add("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer").secret("assertion", *assertion);
  TokenRequest request = request_to(key.token_url);
  request.set_form(form);
  co_return co_await exchange(context, std::move(request));
}

Task<Result<std::string>> GoogleSource::subject_token(Context context, GoogleKey key) {
  Result<std::string> text;
  if (!key.source_file.empty()) {
    text = co_await read_file(context, options_.label, key.source_file);
  } else {
    TokenRequest request = request_to(key.source_url);
    request.method = "GET";
    request.fields = key.source_fields;
    Result<TokenAnswer> answer = co_await ask(context, std::move(request));
    if (!answer) co_return base::fail(std::move(answer.error()));
    text = std::move(answer->body);
  }
  if (!text) co_return text;
  if (key.source_member.empty()) co_return std::string(base::trim(*text));
  json::Document document;
  if (document.parse(*text)) {
    if (std::optional<std::string> token = document.root().find(key.source_member).text()) co_return std::move(*token);
  }
  co_return refuse(options_.label, "the source of the Google credential's token does not hold it");
}

Task<Result<Grant>> GoogleSource::from_external_account(Context context, GoogleKey key) {
  const Result<std::string> subject = co_await subject_token(context, key);
  if (!subject) co_return base::fail(subject.error());
  Form form;
  form.add("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange").add("audience", key.audience);
  form.add("scope", kScope).add("requested_token_type", "urn:ietf:params:oauth:token-type:access_token");
  form.add("subject_token_type", key.subject_token_type).secret("subject_token", *subject);
  if (!key.client_secret.empty()) {
    form.add("client_id", key.client_id).secret("client_secret", key.client_secret.reveal());
  }
  TokenRequest request = request_to(key.token_url);
  request.set_form(form);
  Result<Grant> grant = co_await exchange(context, std::move(request));
  if (!grant || key.impersonation_url.empty()) co_return grant;
  co_return co_await impersonate(context, key.impersonation_url, std::move(*grant));
}

Task<Result<Grant>> GoogleSource::impersonate(Context context, std::string url, Grant own) {
  TokenRequest request = request_to(std::move(url));
  request.fields = "Authorization: Bearer " + own.credential.token.reveal() + "\r\n";
  request.content_type = "application/json";
  request.body = "{\"scope\":[\"" + std::string(kScope) + "\"]}";
  request.secrets.push_back(own.credential.token);
  const Result<TokenAnswer> answer = co_await ask(context, std::move(request));
  if (!answer) co_return base::fail(answer.error());
  Result<ImpersonatedToken> read = read_impersonated_token(answer->body);
  if (!read) co_return refuse_as(read.error());
  Grant grant;
  grant.credential.kind = Credential::Kind::Bearer;
  grant.credential.token = std::move(read->token);
  grant.good_for = std::chrono::seconds(read->expires_s - context.now_s);
  co_return grant;
}

}  // namespace

std::shared_ptr<CredentialSource> google_credential(GoogleOptions options) {
  return std::make_shared<GoogleSource>(std::move(options));
}

}  // namespace turnpike::credential
