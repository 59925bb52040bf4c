#include "credential/exchanged.h"

#include "base/base64.h"

namespace turnpike::credential {
namespace {

/// One and the same request gives each token.
class ExchangedSource final : public RenewedSource {
 public:
  explicit ExchangedSource(TokenRequest request) : RenewedSource(request.label), request_(std::move(request)) {}

 private:
  Task<Result<Grant>> fetch(Context context) override {
    TokenRequest request = request_;
    const Result<TokenAnswer> answer = co_await ask(context, std::move(request));
    if (!answer) co_return base::fail(answer.error());
    co_return read_token(answer->body, label(), context.now_s);
  }

  const TokenRequest request_;
};

TokenRequest form_to(std::string label, std::string url, Trust trust, const Form& form) {
  TokenRequest request = request_to(std::move(label), std::move(url), std::move(trust));
  request.set_form(form);
  return request;
}

}  // namespace

std::shared_ptr<CredentialSource> ibm_credential(std::string label, std::string url, base::Secret api_key,
                                                 Trust trust) {
  Form form;
  form.add("grant_type", "urn:ibm:params:oauth:grant-type:apikey").secret("apikey", api_key.reveal());
  return std::make_shared<ExchangedSource>(form_to(std::move(label), std::move(url), std::move(trust), form));
}

std::shared_ptr<CredentialSource> databricks_credential(std::string label, std::string workspace, std::string client_id,
                                                        base::Secret client_secret, Trust trust) {
  Form form;
  form.add("grant_type", "client_credentials").add("scope", "all-apis");
  TokenRequest request = form_to(std::move(label), workspace + "/oidc/v1/token", std::move(trust), form);
  const std::string basic = base::to_base64(client_id + ":" + client_secret.reveal());
  request.fields = "Authorization: Basic " + basic + "\r\n";
  request.secrets.emplace_back(basic);
  request.secrets.push_back(std::move(client_secret));
  return std::make_shared<ExchangedSource>(std::move(request));
}

}  // namespace turnpike::credential
