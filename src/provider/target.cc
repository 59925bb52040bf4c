#include "provider/target.h"

namespace turnpike::provider {

namespace {

void hide(std::string& text, const base::Secret& secret) {
  constexpr std::size_t kShortest = 6;  // A shorter one could be any word.
  const std::string& hidden = secret.reveal();
  if (hidden.size() < kShortest) return;
  for (std::size_t at = text.find(hidden); at != std::string::npos; at = text.find(hidden, at + 3)) {
    text.replace(at, hidden.size(), "***");
  }
}

}  // namespace

void hide_secrets(std::string& text, const Target& target, const credential::Credential* credential) {
  for (const base::Secret& secret : target.hidden) hide(text, secret);
  if (credential == nullptr) return;
  hide(text, credential->token);
  hide(text, credential->access_key_id);
  hide(text, credential->secret_access_key);
  hide(text, credential->session_token);
}

}  // namespace turnpike::provider
