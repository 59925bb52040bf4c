#include "db/sqlstate.h"

#include <gtest/gtest.h>

namespace turnpike::db::sqlstate_test {
namespace {

TEST(SqlState, SaysWhatBecomesOfTheWork) {
  struct Case {
    std::string_view state;
    bool names_constraint;
    SqlFault fault;
  };
  constexpr Case kCases[] = {
      {"40P01", false, SqlFault::Again},     {"40001", false, SqlFault::Again},
      {"40002", false, SqlFault::Later},     {"55P03", false, SqlFault::Later},
      {"57014", false, SqlFault::Later},     {"53100", false, SqlFault::Later},
      {"53300", false, SqlFault::Later},     {"58030", false, SqlFault::Later},
      {"XX000", false, SqlFault::Later},     {"28P01", false, SqlFault::Later},
      {"3D000", false, SqlFault::Later},     {"57P01", false, SqlFault::Reconnect},
      {"57P03", false, SqlFault::Reconnect}, {"08006", false, SqlFault::Reconnect},
      {"25006", false, SqlFault::Reconnect}, {"23514", false, SqlFault::NoDay},
      {"23514", true, SqlFault::BadRow},     {"23502", false, SqlFault::BadRow},
      {"23503", true, SqlFault::BadRow},     {"23505", true, SqlFault::Taken},
      {"22003", false, SqlFault::BadValue},  {"22021", false, SqlFault::BadValue},
      {"54000", false, SqlFault::BadValue},  {"42703", false, SqlFault::Refused},
      {"42501", false, SqlFault::Refused},   {"25P02", false, SqlFault::Refused},
      {"P0001", false, SqlFault::Refused},   {"0A000", false, SqlFault::Refused},
  };
  for (const Case& one : kCases) {
    EXPECT_EQ(judge_sqlstate(one.state, one.names_constraint), one.fault) << one.state;
  }
}

TEST(SqlState, IsCountedByItsClass) {
  const auto counted = [](std::string_view detail) {
    Error error;
    error.detail = detail;
    return kSqlClasses[sql_class_of(error)];
  };
  EXPECT_EQ(counted("57014: canceling statement"), "57");
  EXPECT_EQ(counted("40P01: deadlock detected"), "40");
  EXPECT_EQ(counted("XX000: trouble"), "XX");
  EXPECT_EQ(counted("P0001: provoked"), "other");
  for (const char* without : {"", "57014", "no memory", "FATAL: the end", "connection refused"})
    EXPECT_EQ(counted(without), "unavailable") << without;
}

}  // namespace
}  // namespace turnpike::db::sqlstate_test
