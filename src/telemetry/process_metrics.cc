#include "telemetry/process_metrics.h"

#include <fmt/format.h>
#include <time.h>

#include "base/memory.h"

#ifndef TURNPIKE_VERSION
#define TURNPIKE_VERSION "0"
#endif

namespace turnpike::telemetry {
namespace {

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

}  // namespace

void append_value(std::string& out, std::string_view name, std::string_view help, bool is_counter, double value) {
  out += fmt::format("# HELP {} {}\n# TYPE {} {}\n{} {}\n", name, help, name, is_counter ? "counter" : "gauge", name,
                     value);
}

void append_process_metrics(std::string& out, std::int64_t started_us) {
  append_value(out, "process_resident_memory_bytes", "Resident memory size in bytes.", false,
               static_cast<double>(base::resident_bytes()));
  append_value(out, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", true,
               cpu_seconds());
  append_value(out, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.", false,
               static_cast<double>(started_us) / 1e6);
  out += "# HELP turnpike_build_info The version that is running.\n# TYPE turnpike_build_info gauge\n";
  out += "turnpike_build_info{version=\"" TURNPIKE_VERSION "\"} 1\n";
}

}  // namespace turnpike::telemetry
