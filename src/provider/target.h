#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "credential/credential.h"
#include "http/client.h"
#include "provider/provider.h"

namespace turnpike::provider {

/// Where one attempt goes: everything of a deployment that the wire needs. Made once per deployment and snapshot.
struct Target {
  const Provider* provider = nullptr;
  std::shared_ptr<const void> own_rows;  // Keeps `provider` where the configuration has brought it.
  Shape shape = Shape::OpenAi;           // The row's, or what the model makes of it (Claude on Vertex).
  std::string model;                     // As sent upstream.
  http::BaseUrl base;
  std::string shown_base;    // For headers and logs: no query, no credentials.
  bool self_hosted = false;  // Costs nothing unless priced.
  std::shared_ptr<credential::CredentialSource> credential;
  std::string extra_fields;  // Rendered header lines: extra_headers, organization.
  std::string
      default_params_json;  // litellm_params that are request parameters: an object, "" when none; the caller wins.
  std::vector<std::string> drop_params;     // additional_drop_params
  std::vector<std::string> allowed_params;  // allowed_openai_params
  bool drop_unsupported = false;            // drop_params of the deployment, else of litellm_settings.
  bool modify_params = false;               // litellm_settings.modify_params
  std::string api_version;                  // Azure, watsonx.
  /// aws_*, vertex_*, azure_*, watsonx_* and the like, by name.
  std::vector<std::pair<std::string, base::Secret>> params;
  std::vector<base::Secret> hidden;  // What we send and nobody may read: the key, values of extra headers.

  /// One of `params`; empty when absent.
  std::string_view param(std::string_view name) const {
    for (const auto& [key, value] : params) {
      if (key == name) return value.reveal();
    }
    return {};
  }
};

/// Takes what `target` hides, and the credential in use, out of a text that its provider wrote: some quote the key they
/// refuse.
void hide_secrets(std::string& text, const Target& target, const credential::Credential* credential = nullptr);

}  // namespace turnpike::provider
