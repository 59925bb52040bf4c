#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace turnpike::base {

enum class LogLevel { Debug, Info, Warning, Error };

/// The operator's log: one line to stderr per event, written by a thread of its own behind a bounded queue. Secrets
/// cannot be formatted into it (`Secret` has no formatter).
void start_log(LogLevel least);
void stop_log();  // Writes what is queued.
/// Lines lost because the queue was full: the oldest go.
std::uint64_t log_lines_dropped();
bool log_enabled(LogLevel level);
void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_enabled(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace turnpike::base
