#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace turnpike::base {

/// What clocks on the wall show somewhere, in whole seconds. (std::chrono's own zones are missing from libstdc++ 12.)
class TimeZone {
 public:
  TimeZone() = default;  // UTC.

  /// By its IANA name, from the system's zone files; read once per process. "UTC" needs no file.
  /// Errors: InvalidRequest that says what to do, for a name that has no readable file.
  static Result<std::shared_ptr<const TimeZone>> find(std::string_view iana_name);
  /// The bytes of a zone file (RFC 8536). Errors: InvalidRequest when it is none.
  static Result<TimeZone> read_file(std::string_view bytes);
  /// A rule in the form of POSIX: "CET-1CEST,M3.5.0,M10.5.0/3". Errors: InvalidRequest.
  static Result<TimeZone> read_rule(std::string_view text);

  /// Seconds east of UTC at that moment.
  std::int64_t offset_s(std::int64_t utc_s) const;
  /// The first moment at which clocks show `local_s` (seconds since 1970-01-01 00:00 on that clock); where they skip
  /// it, the moment of the skip.
  std::int64_t to_utc_s(std::int64_t local_s) const;

 private:
  /// A day of the year on which clocks change, and when on that day.
  struct ChangeDay {
    enum class Form : std::uint8_t { Month, Julian, DayOfYear } form = Form::Month;
    int month = 0, week = 0, day = 0;
    std::int64_t time_s = 7200;
    std::int64_t local_s(int year) const;
  };
  struct Rule {
    std::int64_t standard_s = 0, summer_s = 0;
    bool has_summer = false;
    ChangeDay begin, end;
    std::int64_t offset_s(std::int64_t utc_s) const;
  };
  struct Change {
    std::int64_t utc_s = 0, offset_s = 0;
  };
  class RuleReader;

  std::vector<Change> changes_;  // In order of time; before the first: `first_offset_s_`, behind the last: `rule_`.
  std::int64_t first_offset_s_ = 0;
  bool has_rule_ = true;
  Rule rule_;
};

}  // namespace turnpike::base
