#include "codec/anthropic_error.h"

#include <algorithm>

#include "protocol/openai_error.h"

namespace turnpike::codec {
namespace {

using json::Value;

struct TypeRow {
  std::string_view type;
  int status;
  std::string_view code;  // OpenAI's word.
};

constexpr TypeRow kTypes[] = {
    {"authentication_error", 401, "invalid_api_key"},
    {"billing_error", 402, "insufficient_quota"},
    {"permission_error", 403, ""},
    {"not_found_error", 404, "model_not_found"},
    {"conflict_error", 409, ""},
    {"request_too_large", 413, "request_too_large"},
    {"rate_limit_error", 429, ""},
    {"api_error", 500, ""},
    {"timeout_error", 504, ""},
    {"overloaded_error", 529, ""},
    {"invalid_request_error", 400, ""},
};

// The account has run dry or met its own ceiling: no waiting helps.
constexpr std::string_view kSpent[] = {"contract_spend_limit_reached", "enforced_spend_limit_reached",
                                       "linked_organization_billing_unavailable",
                                       "linked_organization_spend_limit_reached"};

const TypeRow* row_of(std::string_view type) {
  const auto* found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeRow& row) { return row.type == type; });
  return found == std::end(kTypes) ? nullptr : found;
}

bool says_spent(std::string_view message, std::string_view code) {
  if (std::find(std::begin(kSpent), std::end(kSpent), code) != std::end(kSpent)) return true;
  return message.find("credit balance is too low") != std::string_view::npos;
}

}  // namespace

bool is_anthropic_error(const Value& object) {
  if (object.find("type").inner() == "error") return true;
  return !object.find("content") && protocol::holds_error(object);
}

Error read_anthropic_error(int status, std::string_view body, std::string_view label, std::string_view retry_after,
                           std::int64_t now_s) {
  json::Document document;
  Value said;
  if (document.parse(body)) said = document.root().find("error");
  const std::string message = said.find("message").text().value_or("");
  const std::string code = said.find("details").find("error_code").text().value_or("");
  const TypeRow* row = row_of(said.find("type").inner());
  if (row != nullptr && status < 300) status = row->status;
  const bool spent = says_spent(message, code);
  if (spent) {
    status = 402;
    row = row_of("billing_error");
  }
  Error error = protocol::read_error(status, body, label, retry_after, now_s);
  if (spent) error.type = row->type;
  // A file that is not there is a not_found_error too.
  const bool of_file = error.kind == ErrorKind::UpstreamNotFound && message.find("model") == std::string::npos;
  if (error.code.empty() && row != nullptr && !of_file) error.code = row->code;
  // The API's own finer word, where it has no other.
  if (error.code.empty()) error.code = protocol::mask_secrets(code);
  return error;
}

}  // namespace turnpike::codec
