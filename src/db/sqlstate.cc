#include "db/sqlstate.h"

#include <algorithm>

namespace turnpike::db {
namespace {

struct Rule {
  std::string_view prefix;
  SqlFault fault;
};

// The first that fits.
constexpr Rule kRules[] = {
    {"08", SqlFault::Reconnect},     // Connection.
    {"57P", SqlFault::Reconnect},    // The server is going down, or has crashed, or is starting.
    {"25006", SqlFault::Reconnect},  // Read-only: a standby. The next connection may find the server that writes.
    {"40001", SqlFault::Again},      // Serialization.
    {"40P01", SqlFault::Again},      // Deadlock.
    {"40", SqlFault::Later},         // Other rollbacks.
    {"28", SqlFault::Later},         // The password was changed.
    {"3D", SqlFault::Later},         // The database is being restored.
    {"53", SqlFault::Later},         // Disk full, out of memory, too many connections.
    {"55", SqlFault::Later},         // A lock was not to be had.
    {"57", SqlFault::Later},         // Cancelled, time limit.
    {"58", SqlFault::Later},         // The server's disk.
    {"XX", SqlFault::Later},         // The server's own trouble.
    {"23505", SqlFault::Taken},     {"23", SqlFault::BadRow},
    {"22", SqlFault::BadValue},     {"54", SqlFault::BadValue},  // Too large for an index.
};

}  // namespace

SqlFault judge_sqlstate(std::string_view state, bool names_constraint) {
  if (state == "23514" && !names_constraint) return SqlFault::NoDay;
  for (const Rule& rule : kRules) {
    if (state.starts_with(rule.prefix)) return rule.fault;
  }
  return SqlFault::Refused;
}

std::size_t sql_class_of(const Error& error) {
  constexpr std::size_t kStateSize = 5;
  const std::string_view state = std::string_view(error.detail).substr(0, kStateSize);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool is_state = std::ranges::any_of(state, is_digit) &&  // "FATAL" is none.
                        std::ranges::all_of(state, [&](char c) { return is_digit(c) || (c >= 'A' && c <= 'Z'); });
  if (state.size() < kStateSize || !is_state || !std::string_view(error.detail).substr(kStateSize).starts_with(": "))
    return 0;
  const auto listed = std::ranges::find(kSqlClasses, state.substr(0, 2));
  return std::min(static_cast<std::size_t>(listed - kSqlClasses.begin()), kSqlClasses.size() - 1);
}

}  // namespace turnpike::db
