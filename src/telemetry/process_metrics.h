#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace turnpike::telemetry {

/// Memory, CPU time, start time and version of this process, under the names of the Prometheus client libraries.
void append_process_metrics(std::string& out, std::int64_t started_us);

/// One series without labels, with HELP and TYPE.
void append_value(std::string& out, std::string_view name, std::string_view help, bool is_counter, double value);

}  // namespace turnpike::telemetry
