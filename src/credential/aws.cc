#include "credential/aws.h"

#include <filesystem>

#include "base/text.h"
#include "credential/aws_answers.h"
#include "credential/aws_profile.h"
#include "credential/sigv4.h"

namespace turnpike::credential {
namespace {

constexpr int kChainMax = 5;
constexpr std::chrono::seconds kMetadataLimit{3};

/// A role to take on.
struct Role {
  std::string arn;
  std::string session_name;
  std::string external_id;
  std::string duration;
};

class AwsSource final : public RenewedSource {
 public:
  explicit AwsSource(AwsOptions options) : RenewedSource(options.label), options_(std::move(options)) {}

 private:
  Task<Result<Grant>> fetch(Context context) override;
  Task<Result<Grant>> without_role(Context context);
  Task<Result<Grant>> from_surroundings(Context context);
  Task<Result<Grant>> from_container(Context context);
  Task<Result<Grant>> from_instance(Context context);
  Task<Result<AwsProfiles>> profiles(Context context);
  Task<Result<Grant>> from_profile(Context context, std::shared_ptr<const AwsProfiles> profiles, std::string name,
                                   int chain);
  Task<Result<Grant>> assume(Context context, Role role, Credential own);
  Task<Result<Grant>> assume_by_web_identity(Context context, Role role, base::Secret token);
  Task<Result<base::Secret>> web_identity(Context context, base::Secret given);
  Task<Result<Grant>> ask_sts(Context context, Form form, const Credential* own);

  TokenRequest request_to(std::string url) const {
    return credential::request_to(options_.label, std::move(url), options_.trust);
  }
  tl::unexpected<Error> refuse_as(const Error& error) const {
    return refuse(options_.label, error.message, error.detail);
  }
  static Result<Grant> keys(const base::Secret& id, const base::Secret& secret, const base::Secret& token) {
    Grant grant;
    grant.credential.kind = Credential::Kind::Aws;
    grant.credential.access_key_id = id;
    grant.credential.secret_access_key = secret;
    grant.credential.session_token = token;
    grant.good_for = std::chrono::hours(1);
    return grant;
  }
  static Result<Grant> fixed_keys(const base::Secret& id, const base::Secret& secret, const base::Secret& token) {
    Result<Grant> grant = keys(id, secret, token);
    grant->fixed = true;
    return grant;
  }

  const AwsOptions options_;
};

Task<Result<Grant>> AwsSource::fetch(Context context) {
  const AwsOptions::Surroundings& around = options_.around;
  const Role role{options_.role, options_.session_name, options_.external_id, {}};
  if (!options_.web_identity_token.empty() && !role.arn.empty()) {
    Result<base::Secret> token = co_await web_identity(context, options_.web_identity_token);
    if (!token) co_return base::fail(std::move(token.error()));
    co_return co_await assume_by_web_identity(context, role, std::move(*token));
  }
  if (role.arn.empty()) co_return co_await without_role(context);
  // The pod runs as that role already: its own token gives it, and it may not be allowed to take itself on.
  if (role.arn == around.role && !around.web_identity_token_file.empty()) co_return co_await from_surroundings(context);
  Result<Grant> own = co_await without_role(context);
  if (!own) co_return own;
  co_return co_await assume(context, role, std::move(own->credential));
}

Task<Result<Grant>> AwsSource::without_role(Context context) {
  if (!options_.profile.empty()) {
    Result<AwsProfiles> read = co_await profiles(context);
    if (!read) co_return base::fail(std::move(read.error()));
    co_return co_await from_profile(context, std::make_shared<const AwsProfiles>(std::move(*read)), options_.profile,
                                    0);
  }
  if (!options_.access_key_id.empty() && !options_.secret_access_key.empty()) {
    co_return fixed_keys(options_.access_key_id, options_.secret_access_key, options_.session_token);
  }
  co_return co_await from_surroundings(context);
}

Task<Result<Grant>> AwsSource::from_surroundings(Context context) {
  const AwsOptions::Surroundings& around = options_.around;
  if (!around.access_key_id.empty() && !around.secret_access_key.empty()) {
    co_return fixed_keys(around.access_key_id, around.secret_access_key, around.session_token);
  }
  if (!around.web_identity_token_file.empty() && !around.role.empty()) {
    Result<base::Secret> token =
        co_await web_identity(context, base::Secret("oidc/file/" + around.web_identity_token_file));
    if (!token) co_return base::fail(std::move(token.error()));
    const Role role{around.role, around.session_name, {}, {}};
    co_return co_await assume_by_web_identity(context, role, std::move(*token));
  }
  Result<AwsProfiles> read = co_await profiles(context);
  if (!read) co_return base::fail(std::move(read.error()));
  const std::string name = around.profile.empty() ? "default" : around.profile;
  if (!around.profile.empty() || read->find(name) != nullptr) {
    const auto shared = std::make_shared<const AwsProfiles>(std::move(*read));
    const AwsProfiles::Settings* settings = shared->find(name);
    const bool says_something =
        settings != nullptr && (settings->contains("aws_access_key_id") || settings->contains("role_arn") ||
                                settings->contains("credential_process") || settings->contains("sso_session") ||
                                settings->contains("sso_start_url"));
    if (says_something || !around.profile.empty()) co_return co_await from_profile(context, shared, name, 0);
  }
  if (!around.container_url.empty()) co_return co_await from_container(context);
  if (!around.metadata_url.empty()) {
    Result<Grant> grant = co_await from_instance(context);
    if (grant || grant.error().kind != ErrorKind::UpstreamUnavailable) co_return grant;
  }
  co_return refuse(options_.label,
                   "the gateway has no AWS credentials: set aws_access_key_id and aws_secret_access_key, "
                   "aws_profile_name, aws_role_name or api_key (a Bedrock API key), or the variables of the AWS tools");
}

Task<Result<AwsProfiles>> AwsSource::profiles(Context context) {
  AwsProfiles read;
  const std::pair<const std::string*, void (AwsProfiles::*)(std::string_view)> files[] = {
      {&options_.config_file, &AwsProfiles::read_config}, {&options_.credentials_file, &AwsProfiles::read_credentials}};
  for (const auto& [path, take] : files) {
    std::function<Result<std::string>()> look = [name = *path]() -> Result<std::string> {
      std::error_code failure;
      return !name.empty() && std::filesystem::exists(name, failure) ? name : std::string();
    };
    const Result<std::string> there = co_await run_elsewhere(context, std::move(look));
    if (!there) co_return base::fail(there.error());
    if (there->empty()) continue;
    const Result<std::string> text = co_await read_file(context, options_.label, *there);
    if (!text) co_return base::fail(text.error());
    (read.*take)(*text);
  }
  co_return read;
}

Task<Result<Grant>> AwsSource::from_profile(Context context, std::shared_ptr<const AwsProfiles> profiles,
                                            std::string name, int chain) {
  const AwsProfiles::Settings* settings = profiles->find(name);
  if (settings == nullptr) co_return refuse(options_.label, "there is no AWS profile called \"" + name + "\"");
  if (chain > kChainMax) co_return refuse(options_.label, "the AWS profiles name each other as source_profile");
  const auto said = [settings](std::string_view key) {
    const auto it = settings->find(key);
    return it == settings->end() ? std::string() : it->second;
  };
  const base::Secret id(said("aws_access_key_id")), secret(said("aws_secret_access_key"));
  const std::string source = said("source_profile");
  // A profile that is its own source means its keys.
  const bool takes_role = !said("role_arn").empty() && !(chain > 0 && source == name);
  if (!takes_role) {
    if (!id.empty() && !secret.empty()) co_return keys(id, secret, base::Secret(said("aws_session_token")));
    co_return refuse(options_.label, "the AWS profile \"" + name +
                                         "\" holds no keys and no role_arn; credential_process and SSO are not served");
  }
  const Role role{said("role_arn"), said("role_session_name"), said("external_id"), said("duration_seconds")};
  if (const std::string file = said("web_identity_token_file"); !file.empty()) {
    Result<base::Secret> token = co_await web_identity(context, base::Secret("oidc/file/" + file));
    if (!token) co_return base::fail(std::move(token.error()));
    co_return co_await assume_by_web_identity(context, role, std::move(*token));
  }
  Result<Grant> own;
  const std::string from = base::to_lower(said("credential_source"));
  const AwsOptions::Surroundings& around = options_.around;
  if (!source.empty()) {
    own = co_await from_profile(context, profiles, source, chain + 1);
  } else if (from == "environment") {
    own = keys(around.access_key_id, around.secret_access_key, around.session_token);
  } else if (from == "ec2instancemetadata") {
    own = co_await from_instance(context);
  } else if (from == "ecscontainer") {
    own = co_await from_container(context);
  } else if (!id.empty() && !secret.empty()) {
    own = keys(id, secret, base::Secret(said("aws_session_token")));
  } else {
    co_return refuse(options_.label, "the AWS profile \"" + name +
                                         "\" has a role_arn and neither source_profile nor credential_source");
  }
  if (!own) co_return own;
  co_return co_await assume(context, role, std::move(own->credential));
}

Task<Result<base::Secret>> AwsSource::web_identity(Context context, base::Secret given) {
  constexpr std::string_view kFile = "oidc/file/", kVariable = "oidc/env/";
  const std::string& text = given.reveal();
  std::string token = text;
  if (text.starts_with(kVariable)) {
    token = options_.variable ? options_.variable(text.substr(kVariable.size())) : std::string();
  } else if (text.starts_with("oidc/") && !text.starts_with(kFile)) {
    co_return refuse(options_.label,
                     "of oidc/ in aws_web_identity_token only oidc/file/<path> and oidc/env/<NAME> are read");
  } else if (text.starts_with(kFile) || text.starts_with('/')) {
    const std::string path = text.starts_with(kFile) ? text.substr(kFile.size()) : text;
    Result<std::string> read = co_await read_file(context, options_.label, path);
    if (!read) co_return base::fail(std::move(read.error()));
    token = std::move(*read);
  }
  token = base::trim(token);
  if (token.empty()) co_return refuse(options_.label, "aws_web_identity_token is empty");
  co_return base::Secret(std::move(token));
}

Form role_form(std::string_view action, const Role& role, std::int64_t now_s) {
  Form form;
  form.add("Action", action).add("Version", "2011-06-15").add("RoleArn", role.arn);
  form.add("RoleSessionName",
           role.session_name.empty() ? "litellm-session-" + std::to_string(now_s) : role.session_name);
  form.add("DurationSeconds", role.duration.empty() ? "3600" : role.duration);
  return form;
}

Task<Result<Grant>> AwsSource::assume(Context context, Role role, Credential own) {
  Form form = role_form("AssumeRole", role, context.now_s);
  if (!role.external_id.empty()) form.secret("ExternalId", role.external_id);
  co_return co_await ask_sts(context, std::move(form), &own);
}

Task<Result<Grant>> AwsSource::assume_by_web_identity(Context context, Role role, base::Secret token) {
  Form form = role_form("AssumeRoleWithWebIdentity", role, context.now_s);
  form.secret("WebIdentityToken", token.reveal());
  co_return co_await ask_sts(context, std::move(form), nullptr);
}

/// `own` signs; null: the form proves who asks.
Task<Result<Grant>> AwsSource::ask_sts(Context context, Form form, const Credential* own) {
  std::string url = options_.sts_endpoint;
  if (url.empty()) {
    const bool china = options_.region.starts_with("cn-");
    url = "https://sts." + options_.region + (china ? ".amazonaws.com.cn" : ".amazonaws.com");
  }
  while (url.ends_with('/')) url.pop_back();
  TokenRequest request = request_to(url + "/");
  request.set_form(form);
  if (own != nullptr) {
    const Result<http::BaseUrl> base = http::parse_base_url(url);
    if (!base) co_return refuse(options_.label, "aws_sts_endpoint is no http(s) URL");
    std::string host;
    base->origin.append_host(host);
    const std::string path = base->path + "/", content_type = "Content-Type: " + request.content_type + "\r\n";
    const std::string_view body = request.body;
    SigningInput input;
    input.path = path;
    input.host = host;
    input.fields = content_type;
    input.body = std::span(&body, 1);
    input.region = options_.region;
    input.service = "sts";
    input.now_s = context.now_s;
    request.fields = sigv4_fields(input, *own);
    request.secrets.push_back(own->secret_access_key);
    request.secrets.push_back(own->session_token);
    request.secrets.push_back(own->access_key_id);
  }
  request.accept.clear();  // XML is what STS documents.
  const Result<TokenAnswer> answer = co_await ask(context, std::move(request));
  if (!answer) co_return base::fail(answer.error());
  Result<Grant> grant = read_sts_credentials(answer->body, context.now_s);
  if (!grant) co_return refuse_as(grant.error());
  co_return grant;
}

Task<Result<Grant>> AwsSource::from_container(Context context) {
  const AwsOptions::Surroundings& around = options_.around;
  if (!is_container_host(around.container_url)) {
    co_return refuse(options_.label,
                     "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https or name this machine or the ECS or EKS agent");
  }
  base::Secret token = around.container_token;
  if (!around.container_token_file.empty()) {
    const Result<std::string> text = co_await read_file(context, options_.label, around.container_token_file);
    if (!text) co_return base::fail(text.error());
    token = base::Secret(std::string(base::trim(*text)));
  }
  if (base::has_control(token.reveal())) co_return refuse(options_.label, "the container's token holds a line end");
  TokenRequest request = request_to(around.container_url);
  request.method = "GET";
  request.limit = kMetadataLimit;
  if (!token.empty()) request.fields = "Authorization: " + token.reveal() + "\r\n";
  request.secrets.push_back(token);
  const Result<TokenAnswer> answer = co_await ask(context, std::move(request));
  if (!answer) co_return base::fail(answer.error());
  Result<Grant> grant = read_metadata_credentials(answer->body, context.now_s);
  if (!grant) co_return refuse_as(grant.error());
  co_return grant;
}

/// IMDSv2: a session first, then the name of the instance's role, then its credentials.
Task<Result<Grant>> AwsSource::from_instance(Context context) {
  const std::string base = options_.around.metadata_url;
  const std::string role_url = base + "/latest/meta-data/iam/security-credentials/";
  TokenRequest session = request_to(base + "/latest/api/token");
  session.method = "PUT";
  session.fields = "X-aws-ec2-metadata-token-ttl-seconds: 21600\r\nContent-Length: 0\r\n";
  session.limit = kMetadataLimit;
  const Result<TokenAnswer> token = co_await ask(context, std::move(session));
  if (!token) co_return base::fail(token.error());
  if (base::has_control(token->body)) co_return refuse(options_.label, "the metadata service gives no session token");
  std::string role;
  for (int step = 0; step < 2; ++step) {
    TokenRequest request = request_to(role_url + role);
    request.method = "GET";
    request.fields = "X-aws-ec2-metadata-token: " + token->body + "\r\n";
    request.limit = kMetadataLimit;
    const Result<TokenAnswer> answer = co_await ask(context, std::move(request));
    if (!answer) co_return base::fail(answer.error());
    if (step == 1) {
      Result<Grant> grant = read_metadata_credentials(answer->body, context.now_s);
      if (!grant) co_return refuse_as(grant.error());
      co_return grant;
    }
    role = base::trim(std::string_view(answer->body).substr(0, answer->body.find('\n')));
    if (role.empty()) break;
  }
  co_return refuse(options_.label, "the instance has no role: attach an instance profile");
}

}  // namespace

std::shared_ptr<CredentialSource> aws_credential(AwsOptions options) {
  return std::make_shared<AwsSource>(std::move(options));
}

}  // namespace turnpike::credential
