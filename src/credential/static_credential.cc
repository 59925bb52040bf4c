#include "credential/credential.h"

namespace turnpike::credential {
namespace {

class StaticCredential final : public CredentialSource {
 public:
  explicit StaticCredential(Credential credential) : credential_(std::make_shared<Credential>(std::move(credential))) {}
  Task<Result<CredentialRef>> get(Context) override { co_return credential_; }

 private:
  CredentialRef credential_;
};

class MissingCredential final : public CredentialSource {
 public:
  explicit MissingCredential(std::string message) : message_(std::move(message)) {}
  Task<Result<CredentialRef>> get(Context) override {
    co_return base::fail(ErrorKind::UpstreamUnauthenticated, message_);
  }

 private:
  std::string message_;
};

}  // namespace

std::shared_ptr<CredentialSource> static_credential(Credential credential) {
  return std::make_shared<StaticCredential>(std::move(credential));
}

std::shared_ptr<CredentialSource> static_credential(base::Secret key) {
  Credential credential;
  if (!key.empty()) credential.kind = Credential::Kind::Key;
  credential.token = std::move(key);
  return static_credential(std::move(credential));
}

std::shared_ptr<CredentialSource> missing_credential(std::string_view label, std::string_view variable) {
  return std::make_shared<MissingCredential>("litellm.AuthenticationError: the gateway has no API key for " +
                                             std::string(label) + ": set " + std::string(variable) +
                                             " for the gateway and start it again");
}

}  // namespace turnpike::credential
