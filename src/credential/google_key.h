#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/secret.h"

namespace turnpike::credential {

/// A Google credential file: what of it is used. Which fields are filled is the kind's business.
///
/// Source: the files that the Google Cloud console and `gcloud auth application-default login` write; AIP-4110 to 4117.
struct GoogleKey {
  enum class Kind { ServiceAccount, AuthorizedUser, ExternalAccount, ImpersonatedServiceAccount };
  Kind kind = Kind::ServiceAccount;
  std::string project_id;
  std::string token_url;  // token_uri of the first two, token_url of the third.
  // A service account.
  std::string client_email;
  std::string private_key_id;
  base::Secret private_key;
  // A user who has logged in; `client_*` also of an external account.
  std::string client_id;
  base::Secret client_secret;
  base::Secret refresh_token;
  // An external account: a token of somebody else's, read from a file or a URL, is exchanged.
  std::string audience;
  std::string subject_token_type;
  std::string source_file;
  std::string source_url;
  std::string source_fields;  // Rendered header lines for the URL.
  std::string source_member;  // Of the JSON that holds the token; empty: the whole text is it.
  // Last step of the last two: whose rights are taken on, and from whom (JSON of a file of the first two kinds).
  std::string impersonation_url;
  base::Secret source_key;
};

/// Errors: UpstreamUnauthenticated; the message names what is missing and never a value.
Result<GoogleKey> parse_google_key(std::string_view json);

/// {"accessToken": ..., "expireTime": "2026-08-01T12:00:00Z"} of the IAM Credentials API, as read_token reads OAuth's.
struct ImpersonatedToken {
  base::Secret token;
  std::int64_t expires_s = 0;
};
Result<ImpersonatedToken> read_impersonated_token(std::string_view body);

}  // namespace turnpike::credential
