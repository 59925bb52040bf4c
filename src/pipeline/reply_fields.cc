#include "base/text.h"
#include "pipeline/call.h"

namespace turnpike::pipeline {
namespace {

/// The whole header block stays below 4096 bytes, the default buffer of an nginx in front: what is copied from the
/// provider gets this much.
constexpr std::size_t kHeaderBlockMax = 4096;
constexpr std::size_t kProviderFieldsMax = 1800;
constexpr std::size_t kFieldsUsual = 1024;
constexpr std::size_t kProviderFieldsUsual = 768;
constexpr std::size_t kValueMax = 256;

/// The room of the last reply's fields: too large for the small-block cache of the C library.
thread_local std::string spare_fields;

void add(std::string& fields, std::string_view name, std::string_view value) {
  if (!value.empty()) http::add_field(fields, name, value.substr(0, kValueMax));
}

void add_number(std::string& fields, std::string_view name, std::int64_t value) {
  fields.append(name).append(": ");
  base::append_number(fields, value);
  fields.append("\r\n");
}

void add_milliseconds(std::string& fields, std::string_view name, std::int64_t us) {
  fields.append(name).append(": ");
  base::append_milliseconds(fields, us);
  fields.append("\r\n");
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
  fields.reserve(kProviderFieldsUsual);
  std::string lower;
  for (const http::Field& field : incoming.fields()) {
    if (is_hop_by_hop(field.name)) continue;
    if (fields.size() + field.name.size() + field.value.size() + 24 > kProviderFieldsMax) continue;
    lower.assign(field.name);
    for (char& c : lower) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    }
    if (lower.starts_with("x-ratelimit-")) http::add_field(fields, lower, field.value);
    fields.append("llm_provider-");
    http::add_field(fields, lower, field.value);
  }
  return fields;
}

std::string reply_fields(const Call& call, std::string_view provider_lines, bool with_cost) {
  const domain::CallRecord& record = call.record;
  std::string fields = std::exchange(spare_fields, {});
  fields.clear();
  fields.reserve(kFieldsUsual + provider_lines.size());
  add(fields, "x-litellm-call-id", record.call_id);
  add(fields, "x-request-id", record.record_id);
  add(fields, "x-litellm-version", TURNPIKE_VERSION);
  if (!record.attempts.empty()) {
    add(fields, "x-litellm-model-id", record.attempts.back().deployment_id);
    add(fields, "x-litellm-model-api-base", record.attempts.back().api_base);
    add(fields, "x-litellm-model-region", call.region);
  }
  add(fields, "x-litellm-model-group", record.model_group);
  add(fields, "x-litellm-requested-model", record.requested_model);
  if (!record.model_group.empty()) {  // A plan was made, though perhaps no deployment was free for it.
    add_number(fields, "x-litellm-attempted-retries", record.retries);
    add_number(fields, "x-litellm-attempted-fallbacks", record.fallbacks);
    add_number(fields, "x-litellm-max-retries", record.max_retries);
  }
  if (with_cost)
    add(fields, "x-litellm-response-cost",
        record.status == domain::EntryStatus::Success ? record.cost.to_string() : "0");
  if (call.caller) {
    for (const domain::CallerAccount& facts : call.caller->accounts) {
      if (facts.kind != 6) continue;
      const ledger::WindowRef window = call.gateway.ledger->window(facts, call.ledger_us);
      add(fields, "x-litellm-key-spend", window->spent().to_string());
      if (call.caller->max_budget) add(fields, "x-litellm-key-max-budget", call.caller->max_budget->to_string());
    }
  }
  fields += call.limit_fields;
  const std::int64_t now_us = base::unix_now_us();
  const std::int64_t duration_us = now_us - record.started_us;
  std::int64_t upstream_us = record.upstream_us;
  if (!record.attempts.empty() && record.attempts.back().ended_us == 0)
    upstream_us += now_us - record.attempts.back().started_us;
  add_milliseconds(fields, "x-litellm-response-duration-ms", duration_us);
  add_milliseconds(fields, "x-litellm-overhead-duration-ms", duration_us - upstream_us);
  fields += provider_lines;
  return fields;
}

void keep_fields(std::string fields) {
  if (fields.capacity() <= 2 * kHeaderBlockMax) spare_fields = std::move(fields);
}

}  // namespace turnpike::pipeline
