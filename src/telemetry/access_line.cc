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

/// A member's name as it is written: `,"name":`, made by the compiler.
struct Name {
  static constexpr std::size_t kBytesMax = 32;
  char text[kBytesMax] = {};
  std::size_t size = 0;

  template <std::size_t N>
  consteval Name(const char (&name)[N]) {  // NOLINT(google-explicit-constructor): names are written as literals.
    static_assert(N + 3 <= kBytesMax);
    text[size++] = ',';
    text[size++] = '"';
    for (std::size_t i = 0; i + 1 < N; ++i) text[size++] = name[i];
    text[size++] = '"';
    text[size++] = ':';
  }
};

/// Members of the line that are left out when they say nothing.
class Line {
 public:
  explicit Line(std::string& out) : out_(out) { out_ += '{'; }
  void end() { out_ += '}'; }

  Line& time(const Name& name, std::int64_t unix_us) {
    begin(name);
    append_time(out_, unix_us);
    return *this;
  }
  /// Text of ours.
  Line& text(const Name& name, std::string_view value) {
    if (value.empty()) return *this;
    begin(name);
    json::append_string(out_, value);
    return *this;
  }
  /// Text that strangers wrote.
  Line& foreign(const Name& name, std::string_view value) {
    if (value.empty()) return *this;
    begin(name);
    append_foreign(value);
    return *this;
  }
  Line& foreign_list(const Name& name, const std::vector<std::string>& values) {
    if (values.empty()) return *this;
    begin(name);
    char before = '[';
    for (const std::string& value : values) {
      out_ += before;
      append_foreign(value);
      before = ',';
    }
    out_ += ']';
    return *this;
  }
  Line& number(const Name& name, std::int64_t value) {
    begin(name);
    base::append_number(out_, value);
    return *this;
  }
  Line& number_if(const Name& name, std::int64_t value) { return value == 0 ? *this : number(name, value); }
  Line& boolean(const Name& name, bool value) {
    begin(name);
    out_.append(value ? "true" : "false");
    return *this;
  }
  Line& milliseconds(const Name& name, std::int64_t us) {
    begin(name);
    base::append_milliseconds(out_, us);
    return *this;
  }
  Line& money(const Name& name, Money value) {
    begin(name);
    out_.append(value.to_string());
    return *this;
  }
  /// Starts a member whose value the caller appends.
  void begin(const Name& name) {
    const std::size_t comma = first_ ? 1 : 0;
    first_ = false;
    out_.append(name.text + comma, name.size - comma);
  }

 private:
  void append_foreign(std::string_view value) {
    std::string hidden;
    json::append_string(out_, redact(value, hidden) ? std::string_view(hidden) : value);
  }

  std::string& out_;
  bool first_ = true;
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
  line.foreign_list("tags", record.tags);
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
    line.begin("attempts");
    char before = '[';
    for (const Attempt& attempt : record.attempts) {
      out += before;
      append_attempt(out, attempt);
      before = ',';
    }
    out += ']';
  }
  line.end();
}

}  // namespace turnpike::telemetry
