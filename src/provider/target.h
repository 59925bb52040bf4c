#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/secret.h"
#include "base/task.h"
#include "http/client.h"
#include "json/splice.h"
#include "protocol/call_request.h"
#include "provider/provider.h"

namespace turnpike::provider {

/// Where an attempt's credential comes from: asynchronous and with an expiry, so that tokens can be fetched ahead of
/// time (OAuth, STS). The static key of a config line is the first and today the only source.
class CredentialSource {
 public:
  virtual ~CredentialSource() = default;
  virtual Task<Result<const base::Secret*>> get() = 0;
};
std::shared_ptr<CredentialSource> static_credential(base::Secret secret);

/// Has nothing to give: every attempt ends with UpstreamUnauthenticated and the variable to set, and nothing is sent.
std::shared_ptr<CredentialSource> missing_credential(std::string_view label, std::string_view variable);

/// Where one attempt goes: everything of a deployment that the wire needs. Made once per deployment and snapshot.
struct Target {
  const Provider* provider = nullptr;
  std::string model;  // As sent upstream.
  http::BaseUrl base;
  std::string shown_base;    // For headers and logs: no query, no credentials.
  bool self_hosted = false;  // Costs nothing unless priced.
  std::shared_ptr<CredentialSource> credential;
  std::string extra_fields;  // Rendered header lines: extra_headers, organization.
  std::string
      default_params_json;  // litellm_params that are request parameters: an object, "" when none; the caller wins.
  std::vector<std::string> drop_params;  // additional_drop_params
  std::vector<base::Secret> hidden;      // What we send and nobody may read: the key, values of extra headers.
};

/// Takes what `target` hides out of a text that its provider wrote: some quote the key they refuse.
void hide_secrets(std::string& text, const Target& target);

/// A request ready to be sent; the pieces point into the caller's body and into this object.
struct Encoded {
  std::string path;
  std::string fields;
  std::unique_ptr<json::Splice> splice;
  std::vector<std::string_view> body;
};

struct EncodeOptions {
  std::string_view overrides_json;  // A request fallback's own parameters.
  bool ask_usage = true;            // Add stream_options.include_usage to streams.
  std::string_view traceparent;     // Forwarded when not empty.
  std::string_view forward_fields;  // Further rendered lines.
};

/// Encodes a call for an OpenAI-shaped target: `model` spliced, our own fields cut, the provider's rules applied,
/// everything else untouched. Pure: `secret` is revealed into `fields` here and nowhere else.
Result<Encoded> encode(const protocol::CallRequest& call, const Target& target, const base::Secret& secret,
                       const EncodeOptions& options);

}  // namespace turnpike::provider
