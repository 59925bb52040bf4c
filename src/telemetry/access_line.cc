#include <charconv>

#include "base/text.h"
#include "json/write.h"
#include "telemetry/access_log.h"
#include "telemetry/redact.h"

namespace turnpike::telemetry {
namespace {

using domain::Attempt;
using domain::CallRecord;

/// ISO 8601 with microseconds; the second's text is kept per thread because a busy one asks for it thousands of times.
void append_time(std::string& out, std::int64_t unix_us) {
  thread_local std::int64_t known_second = -1;
  thread_local std::string known;  // "2026-02-16T10:00:00."
  const std::int64_t second = unix_us / 1'000'000;
  if (second != known_second || known.empty()) {
    known = base::iso_time(second * 1'000'000).substr(0, 20);
    known_second = second;
  }
  char digits[8] = "000000Z";
  auto fraction = static_cast<unsigned>(unix_us % 1'000'000);
  for (int i = 5; i >= 0; --i, fraction /= 10) digits[i] = static_cast<char>('0' + fraction % 10);
  out.append("\"").append(known).append(digits, 7).append("\"");
}

/// Members of the line that are left out when they say nothing.
class Line {
 public:
  explicit Line(std::string& out) : writer_(out) { writer_.begin_object(); }
  void end() { writer_.end_object(); }

  Line& time(std::string_view name, std::int64_t unix_us) {
    thread_local std::string text;
    text.clear();
    append_time(text, unix_us);
    writer_.key(name).raw(text);
    return *this;
  }
  /// Text of ours.
  Line& text(std::string_view name, std::string_view value) {
    if (!value.empty()) writer_.key(name).string(value);
    return *this;
  }
  /// Text that strangers wrote.
  Line& foreign(std::string_view name, std::string_view value) {
    if (!value.empty()) append_foreign(writer_.key(name), value);
    return *this;
  }
  Line& number(std::string_view name, std::int64_t value) {
    writer_.key(name).number(value);
    return *this;
  }
  Line& number_if(std::string_view name, std::int64_t value) { return value == 0 ? *this : number(name, value); }
  Line& boolean(std::string_view name, bool value) {
    writer_.key(name).boolean(value);
    return *this;
  }
  /// Milliseconds with three decimals.
  Line& milliseconds(std::string_view name, std::int64_t us) {
    char buffer[32];
    us = us < 0 ? 0 : us;
    char* end = std::to_chars(buffer, buffer + 20, us / 1000).ptr;
    *end++ = '.';
    const auto rest = static_cast<int>(us % 1000);
    *end++ = static_cast<char>('0' + rest / 100);
    *end++ = static_cast<char>('0' + rest / 10 % 10);
    *end++ = static_cast<char>('0' + rest % 10);
    writer_.key(name).raw(std::string_view(buffer, static_cast<std::size_t>(end - buffer)));
    return *this;
  }
  Line& money(std::string_view name, Money value) {
    writer_.key(name).raw(value.to_string());
    return *this;
  }
  json::Writer& writer() { return writer_; }
  static void append_foreign(json::Writer& writer, std::string_view value) {
    std::string hidden;
    writer.string(redact(value, hidden) ? std::string_view(hidden) : value);
  }

 private:
  json::Writer writer_;
};

void append_attempt(std::string& out, const Attempt& attempt) {
  Line line(out);
  line.foreign("model_group", attempt.model_group).text("deployment_id", attempt.deployment_id);
  line.text("provider", attempt.provider).foreign("model", attempt.model).foreign("api_base", attempt.api_base);
  line.number("status", attempt.status);
  if (attempt.error) line.text("error", domain::kind_name(*attempt.error)).foreign("error_text", attempt.error_text);
  line.milliseconds("duration_ms", attempt.ended_us - attempt.started_us);
  if (attempt.billed) line.money("cost", attempt.cost);
  line.end();
}

void append_who(Line& line, const CallRecord& record) {
  if (!record.caller) return;
  const domain::Caller& caller = *record.caller;
  line.text("key_hash", caller.key_hash_hex).text("key_name", caller.key_name).foreign("key_alias", caller.key_alias);
  line.foreign("user_id", caller.user_id).foreign("team_id", caller.team_id);
  line.foreign("organization_id", caller.organization_id);
}

void append_timing(Line& line, const CallRecord& record) {
  line.milliseconds("duration_ms", record.ended_us - record.started_us);
  if (record.first_byte_us > 0) line.milliseconds("first_byte_ms", record.first_byte_us - record.started_us);
  line.milliseconds("upstream_ms", record.upstream_us);
  line.milliseconds("overhead_ms", record.ended_us - record.started_us - record.upstream_us);
}

void append_usage(Line& line, const CallRecord& record) {
  line.number("prompt_tokens", static_cast<std::int64_t>(record.usage.prompt_tokens()));
  line.number("completion_tokens", static_cast<std::int64_t>(record.usage.completion_tokens()));
  line.number_if("cached_tokens", static_cast<std::int64_t>(record.usage.of(domain::Unit::CachedInputTokens)));
  line.number_if("reasoning_tokens", static_cast<std::int64_t>(record.usage.of(domain::Unit::ReasoningTokens)));
  line.money("cost", record.cost);
  if (record.marks != 0) line.text("marks", domain::mark_names(record.marks));
}

}  // namespace

void append_access_line(std::string& out, const domain::CallRecord& record) {
  Line line(out);
  line.time("time", record.started_us).text("event", "call");
  line.foreign("call_id", record.call_id).text("record_id", record.record_id).text("trace_id", record.trace_id);
  line.text("span_id", record.span_id).text("parent_span_id", record.parent_span_id);
  line.foreign("provider_request_id", record.provider_request_id);
  append_who(line, record);
  line.foreign("end_user", record.end_user);
  if (!record.tags.empty()) {
    line.writer().key("tags").begin_array();
    for (const std::string& tag : record.tags) Line::append_foreign(line.writer(), tag);
    line.writer().end_array();
  }
  line.text("operation", domain::operation_name(record.operation)).foreign("route", record.route);
  line.boolean("stream", record.stream);
  line.foreign("requested_model", record.requested_model).foreign("model_group", record.model_group);
  if (!record.attempts.empty()) {
    const Attempt& last = record.attempts.back();
    line.text("provider", last.provider).foreign("model", last.model).text("deployment_id", last.deployment_id);
  }
  line.text("outcome", domain::status_name(record.status)).number("http_status", record.http_status);
  if (record.error) line.text("error", domain::kind_name(*record.error)).foreign("error_text", record.error_text);
  line.text("end_reason", record.end_reason);
  append_usage(line, record);
  append_timing(line, record);
  line.number_if("retries", record.retries).number_if("fallbacks", record.fallbacks);
  line.number("request_bytes", static_cast<std::int64_t>(record.request_bytes));
  line.number("reply_bytes", static_cast<std::int64_t>(record.reply_bytes));
  line.text("client_ip", record.client_ip).foreign("user_agent", record.user_agent);
  // One plain attempt says nothing that the line does not say already.
  const bool plain = record.attempts.size() == 1 && !record.attempts.front().error;
  if (!record.attempts.empty() && !plain) {
    line.writer().key("attempts").begin_array();
    for (const Attempt& attempt : record.attempts) {
      std::string one;
      append_attempt(one, attempt);
      line.writer().raw(one);
    }
    line.writer().end_array();
  }
  line.end();
}

}  // namespace turnpike::telemetry
