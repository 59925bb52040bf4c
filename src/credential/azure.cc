#include "credential/azure.h"

#include "base/text.h"

namespace turnpike::credential {
namespace {

class AzureSource final : public RenewedSource {
 public:
  explicit AzureSource(AzureOptions options) : RenewedSource(options.label), options_(std::move(options)) {}

 private:
  Task<Result<Grant>> fetch(Context context) override;
  Task<Result<Grant>> exchange(Context context, TokenRequest request);
  TokenRequest managed_identity() const;

  TokenRequest request() const { return request_to(options_.label, {}, options_.trust); }

  const AzureOptions options_;
};

Task<Result<Grant>> AzureSource::exchange(Context context, TokenRequest request) {
  const Result<TokenAnswer> answer = co_await ask(context, std::move(request));
  if (!answer) co_return base::fail(answer.error());
  co_return read_token(answer->body, options_.label, context.now_s);
}

Task<Result<Grant>> AzureSource::fetch(Context context) {
  Form form;
  form.add("client_id", options_.client_id).add("scope", options_.scope);
  if (!options_.client_secret.empty()) {
    form.add("grant_type", "client_credentials").secret("client_secret", options_.client_secret.reveal());
  } else if (!options_.username.empty()) {
    form.add("grant_type", "password").add("username", options_.username);
    form.secret("password", options_.password.reveal());
  } else if (!options_.federated_file.empty()) {
    const Result<std::string> text = co_await read_file(context, options_.label, options_.federated_file);
    if (!text) co_return base::fail(text.error());
    form.add("grant_type", "client_credentials");
    form.add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    form.secret("client_assertion", base::trim(*text));
  } else {
    co_return co_await exchange(context, managed_identity());
  }
  TokenRequest asked = request();
  asked.url = options_.authority + "/" + options_.tenant + "/oauth2/v2.0/token";
  asked.set_form(form);
  co_return co_await exchange(context, std::move(asked));
}

TokenRequest AzureSource::managed_identity() const {
  constexpr std::string_view kDefault = "/.default";
  std::string resource = options_.scope;
  if (resource.ends_with(kDefault)) resource.resize(resource.size() - kDefault.size());
  const bool app_service = !options_.identity_url.empty();
  Form query;
  query.add("api-version", app_service ? "2019-08-01" : "2018-02-01").add("resource", resource);
  if (!options_.client_id.empty()) query.add("client_id", options_.client_id);
  TokenRequest asked = request();
  asked.method = "GET";
  asked.limit = std::chrono::seconds(5);
  if (app_service) {
    asked.url = options_.identity_url + "?" + query.text();
    asked.fields = "X-IDENTITY-HEADER: " + options_.identity_header.reveal() + "\r\n";
    asked.secrets.push_back(options_.identity_header);
  } else {
    asked.url = options_.instance_url + "/metadata/identity/oauth2/token?" + query.text();
    asked.fields = "Metadata: true\r\n";
  }
  return asked;
}

}  // namespace

bool AzureOptions::complete() const {
  const bool application = !tenant.empty() && !client_id.empty();
  return (application &&
          (!client_secret.empty() || !federated_file.empty() || (!username.empty() && !password.empty()))) ||
         (!identity_url.empty() && !identity_header.empty() && !base::has_control(identity_header.reveal())) ||
         !instance_url.empty();
}

std::shared_ptr<CredentialSource> azure_credential(AzureOptions options) {
  return std::make_shared<AzureSource>(std::move(options));
}

}  // namespace turnpike::credential
