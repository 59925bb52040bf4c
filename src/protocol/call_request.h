#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/call_record.h"
#include "domain/measures.h"
#include "domain/routing_wishes.h"
#include "json/scan.h"
#include "protocol/multipart.h"

namespace turnpike::protocol {

using RequestFallback = domain::FallbackWish;

/// What the caller's bytes say that we act on: the ranges of those fields and their values. The body itself is never
/// rebuilt; `ChatRequest` will be decoded from it on first need (another dialect, a guardrail).
struct CallRequest : domain::RoutingWishes {
  domain::Operation operation = domain::Operation::Chat;
  std::string_view body;  // The exchange's, or of a form its fields as JSON; padded.
  json::Scan scan;
  std::unique_ptr<Form> form;          // The caller sent one: files are found here.
  std::string_view form_bytes;         // What its ranges mean: the exchange's body.
  std::unique_ptr<std::string> owned;  // What `body` points to when it is a form's.

  std::string model;  // From the path if it names one, else the body's.
  bool stream = false;
  bool include_usage = false;  // stream_options.include_usage was asked for.
  /// The answer is passed on as it comes: a stream of events, or sound.
  bool flows() const { return stream || operation == domain::Operation::Speech; }
  std::optional<std::uint64_t> output_tokens_max;  // max_completion_tokens, else max_tokens.
  std::uint64_t choices = 1;                       // n
  std::string service_tier;                        // As asked; the answer says which it was.
  std::string user;
  std::vector<std::string> tags;     // body `tags` and metadata.tags.
  std::string allowed_model_region;  // Only deployments there may answer; empty: any.
  std::string metadata_json;         // As written; empty: none.
  domain::Measures measures;         // Of operations that write no text.
  std::string spend_logs_metadata_json;

  // Fields that are ours and never leave, like the wishes: read here, cut from what goes upstream.
  bool disable_fallbacks = false;
  std::string mock_response_json;  // String or object as JSON text; empty: none.
  bool mock_timeout = false;
  std::optional<double> mock_delay_seconds;
  bool mock_testing_fallbacks = false;
  bool mock_testing_context_fallbacks = false;
  bool mock_testing_content_policy_fallbacks = false;
  bool mock_testing_rate_limit_error = false;
};

/// Reads the body of an OpenAI-shaped call. `path_model` is the model named by the path, or empty; a body whose
/// `content_type` says so is read as a form. Moderations may leave the model out.
/// Errors: InvalidRequest with `param` set to the field at fault; a field that would redirect traffic (`api_base`,
///         `base_url`, `api_key`, ... at any depth that we read; AC-SEC-6) is named and refused.
Result<CallRequest> parse_call(domain::Operation operation, std::string_view body, std::string_view path_model,
                               std::string_view content_type = {});

/// Reads `measures` out of the body of an operation that writes no text (measures.cc).
domain::Measures measure(const CallRequest& call, const json::Value& root);

}  // namespace turnpike::protocol
