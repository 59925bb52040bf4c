#include "base/log.h"

#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <memory>

#include "base/thread_name.h"

namespace turnpike::base {
namespace {

// Each place costs 400 bytes from the start.
constexpr std::size_t kQueueLines = 4'096;

struct Loggers {
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::logger> operator_log;
};
std::unique_ptr<Loggers> loggers;
LogLevel least_level = LogLevel::Info;

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::Debug:
      return spdlog::level::debug;
    case LogLevel::Info:
      return spdlog::level::info;
    case LogLevel::Warning:
      return spdlog::level::warn;
    case LogLevel::Error:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void start_log(LogLevel least) {
  least_level = least;
  if (loggers) return;
  auto made = std::make_unique<Loggers>();
  made->pool = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1, [] { name_this_thread("log"); });
  const auto policy = spdlog::async_overflow_policy::overrun_oldest;
  made->operator_log = std::make_shared<spdlog::async_logger>(
      "turnpike", std::make_shared<spdlog::sinks::stderr_sink_st>(), made->pool, policy);
  made->operator_log->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
  made->operator_log->set_level(spdlog::level::debug);
  made->operator_log->flush_on(spdlog::level::debug);
  loggers = std::move(made);
}

void stop_log() {
  if (!loggers) return;
  loggers->operator_log->flush();
  loggers.reset();
}

std::uint64_t log_lines_dropped() {
  return loggers ? loggers->pool->overrun_counter() : 0;
}

bool log_enabled(LogLevel level) {
  return level >= least_level;
}

void log_line(LogLevel level, std::string_view text) {
  if (loggers) loggers->operator_log->log(to_spdlog(level), text);
}

}  // namespace turnpike::base
