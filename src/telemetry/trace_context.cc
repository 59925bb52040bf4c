#include "telemetry/trace_context.h"

#include <algorithm>

namespace turnpike::telemetry {
namespace {

constexpr std::size_t kTraceDigits = 32;
constexpr std::size_t kSpanDigits = 16;
constexpr std::size_t kHeaderBytes = 55;  // "00-" trace "-" span "-" flags

bool is_id(std::string_view text) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return std::all_of(text.begin(), text.end(), hex) && text.find_first_not_of('0') != std::string_view::npos;
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/// Random digits; never all zero, which the standard keeps for "none".
void append_id(std::string& out, std::uint64_t random) {
  if (random == 0) random = 1;
  char digits[kSpanDigits];
  for (std::size_t i = 0; i < kSpanDigits; ++i) digits[i] = "0123456789abcdef"[(random >> (60 - 4 * i)) & 15];
  out.append(digits, kSpanDigits);
}

/// Version 00, or a later one that begins the same way.
bool is_valid(std::string_view header) {
  if (header.size() < kHeaderBytes || !is_hex(header[0]) || !is_hex(header[1])) return false;
  const std::string_view version = header.substr(0, 2);
  if (version == "ff" || (version == "00" && header.size() != kHeaderBytes)) return false;
  if (header.size() > kHeaderBytes && header[kHeaderBytes] != '-') return false;
  return header[2] == '-' && header[35] == '-' && header[52] == '-' && is_id(header.substr(3, kTraceDigits)) &&
         is_id(header.substr(36, kSpanDigits)) && is_hex(header[53]) && is_hex(header[54]);
}

}  // namespace

std::string TraceContext::header() const {
  std::string text;
  text.reserve(kHeaderBytes);
  text.append("00-").append(trace_id).append("-").append(span_id).append(sampled ? "-01" : "-00");
  return text;
}

TraceContext continue_trace(std::string_view traceparent, base::Random& random) {
  TraceContext context;
  if (is_valid(traceparent)) {
    context.trace_id = traceparent.substr(3, kTraceDigits);
    context.parent_span_id = traceparent.substr(36, kSpanDigits);
    const char flags = traceparent[54];
    context.sampled = ((flags <= '9' ? flags - '0' : flags - 'a' + 10) & 1) != 0;
  } else {
    context.trace_id.reserve(kTraceDigits);
    append_id(context.trace_id, random.next());
    append_id(context.trace_id, random.next());
  }
  context.span_id.reserve(kSpanDigits);
  append_id(context.span_id, random.next());
  return context;
}

}  // namespace turnpike::telemetry
