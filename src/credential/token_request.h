#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "credential/renewed.h"

namespace turnpike::credential {

/// How servers that give out tokens prove who they are: as the providers do (litellm_settings.ssl_verify).
struct Trust {
  bool verify = true;
  std::string ca_file;
};

/// An application/x-www-form-urlencoded body.
class Form {
 public:
  Form& add(std::string_view name, std::string_view value);
  /// A value that no message may quote.
  Form& secret(std::string_view name, std::string_view value);
  const std::string& text() const { return text_; }
  const std::vector<base::Secret>& secrets() const { return secrets_; }

 private:
  std::string text_;
  std::vector<base::Secret> secrets_;
};

/// One request to a server that gives out tokens.
struct TokenRequest {
  std::string label;  // Of the provider, for messages.
  std::string_view method = "POST";
  std::string url;     // "https://host/path?query"
  std::string fields;  // Further rendered lines.
  std::string accept = "application/json";
  std::string content_type;           // Of the body.
  std::string body;                   // Empty with GET.
  std::vector<base::Secret> secrets;  // What no message may quote of an answer.
  Trust trust;
  std::chrono::milliseconds limit{20'000};

  void set_form(const Form& form);
};
TokenRequest request_to(std::string label, std::string url, Trust trust);

/// An answer below 300.
struct TokenAnswer {
  std::string body;
};

/// Sends it and reads the answer.
/// Errors: UpstreamUnauthenticated when the server refuses (4xx) or the URL is broken, UpstreamUnavailable when it
///         cannot be reached or fails (5xx, 429).
Task<Result<TokenAnswer>> ask(Context context, TokenRequest request);

/// What is wrong with a credential that the operator must change; never holds a secret.
tl::unexpected<Error> refuse(std::string_view label, std::string_view why, std::string detail = {});

/// {"access_token": ..., "expires_in": 3599} as OAuth servers answer; the number may be text, and `expires_on` (Unix
/// seconds) may stand in its place.
Result<Grant> read_token(std::string_view body, std::string_view label, std::int64_t now_s);

/// Runs `job` on a thread for blocking work and waits for it.
Task<Result<std::string>> run_elsewhere(Context context, std::function<Result<std::string>()> job);
/// A file of at most a mebibyte, read elsewhere. Errors: UpstreamUnauthenticated naming the file.
Task<Result<std::string>> read_file(Context context, std::string label, std::string path);

}  // namespace turnpike::credential
