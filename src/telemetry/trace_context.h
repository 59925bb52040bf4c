#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/id.h"

namespace turnpike::telemetry {

/// W3C Trace Context, level 1 (`traceparent`): accepted, a span of ours made, forwarded.
struct TraceContext {
  std::string trace_id;        // 32 hex digits.
  std::string span_id;         // Ours, 16 hex digits.
  std::string parent_span_id;  // The caller's; empty when we began the trace.
  bool sampled = true;
  std::string header() const;  // What goes upstream.
};
TraceContext continue_trace(std::string_view traceparent, base::Random& random);

}  // namespace turnpike::telemetry
