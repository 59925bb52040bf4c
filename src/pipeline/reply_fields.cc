#include <cstdio>

#include "base/text.h"
#include "pipeline/call.h"

namespace turnpike::pipeline {
namespace {

/// The whole header block stays below 4096 bytes, the default buffer of an nginx in front: what is copied from the
/// provider gets this much.
constexpr std::size_t kProviderFieldsMax = 1800;
constexpr std::size_t kValueMax = 256;

void add(std::string& fields, std::string_view name, std::string_view value) {
  if (!value.empty()) http::add_field(fields, name, value.substr(0, kValueMax));
}

std::string milliseconds_text(std::int64_t us) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.3f", static_cast<double>(us) / 1000.0);
  return buffer;
}

/// Framing and connection headers are ours, whatever the provider sent.
bool is_hop_by_hop(std::string_view name) {
  for (const std::string_view hop : {"connection", "keep-alive", "transfer-encoding", "content-length", "date",
                                     "trailer", "upgrade", "te", "proxy-authenticate", "set-cookie"}) {
    if (base::equals_ignoring_case(name, hop)) return true;
  }
  return false;
}

}  // namespace

std::string provider_fields(const http::Incoming& incoming) {
  std::string fields;
  for (const http::Field& field : incoming.fields()) {
    if (is_hop_by_hop(field.name)) continue;
    if (fields.size() + field.name.size() + field.value.size() + 24 > kProviderFieldsMax) continue;
    const std::string name = base::to_lower(field.name);
    if (name.starts_with("x-ratelimit-")) http::add_field(fields, name, field.value);
    http::add_field(fields, "llm_provider-" + name, field.value);
  }
  return fields;
}

std::string reply_fields(const Call& call, const router::Deployment* deployment, std::string_view provider_lines,
                         bool with_cost) {
  const domain::CallRecord& record = call.record;
  std::string fields;
  fields.reserve(1024 + provider_lines.size());
  add(fields, "x-litellm-call-id", record.call_id);
  add(fields, "x-request-id", record.record_id);
  add(fields, "x-litellm-version", TURNPIKE_VERSION);
  if (deployment != nullptr) {
    add(fields, "x-litellm-model-id", deployment->id);
    add(fields, "x-litellm-model-api-base", deployment->target.shown_base);
  }
  add(fields, "x-litellm-model-group", record.model_group);
  add(fields, "x-litellm-requested-model", record.requested_model);
  if (!record.attempts.empty()) {
    add(fields, "x-litellm-attempted-retries", std::to_string(record.retries));
    add(fields, "x-litellm-attempted-fallbacks", std::to_string(record.fallbacks));
    add(fields, "x-litellm-max-retries", std::to_string(record.max_retries));
  }
  if (with_cost)
    add(fields, "x-litellm-response-cost",
        record.status == domain::EntryStatus::Success ? record.cost.to_string() : "0");
  if (call.caller) {
    for (const std::int64_t id : call.caller->accounts) {
      const ledger::AccountRef account = call.gateway.ledger->find_account(id);
      if (!account || account->kind != 6) continue;
      add(fields, "x-litellm-key-spend", account->spent().to_string());
      if (call.caller->max_budget) add(fields, "x-litellm-key-max-budget", call.caller->max_budget->to_string());
    }
  }
  const std::int64_t duration_us = base::unix_now_us() - record.started_us;
  std::int64_t upstream_us = record.upstream_us;
  if (!record.attempts.empty() && record.attempts.back().ended_us == 0)
    upstream_us += base::unix_now_us() - record.attempts.back().started_us;
  add(fields, "x-litellm-response-duration-ms", milliseconds_text(duration_us));
  add(fields, "x-litellm-overhead-duration-ms",
      milliseconds_text(std::max<std::int64_t>(0, duration_us - upstream_us)));
  fields += provider_lines;
  return fields;
}

}  // namespace turnpike::pipeline
