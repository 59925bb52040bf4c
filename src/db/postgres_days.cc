#include "db/postgres_days.h"

#include <fmt/format.h>

namespace turnpike::db {
namespace {

constexpr std::int64_t kMicrosecondsPerDay = 86'400'000'000;
constexpr std::int64_t kDaysAhead = 7;

std::string part_of(std::int64_t day) {
  return day < 0 ? fmt::format("entry_before_{}", -day) : fmt::format("entry_{}", day);
}

}  // namespace

Status make_entry_day(Transaction& transaction, std::int64_t day) {
  const std::string part = part_of(day);
  const auto known = transaction.run("SELECT to_regclass($1) IS NOT NULL", {part});
  if (!known) return base::fail(known.error());
  if (as_int(known->rows.at(0).at(0)) != 0) return {};
  // Made apart and then attached: that locks `entry` against nobody who reads or writes it.
  for (const std::string& sql :
       {fmt::format("CREATE TABLE {} (LIKE entry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)", part),
        fmt::format("ALTER TABLE entry ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})", part, day, day + 1)}) {
    if (const auto done = transaction.run(sql, {}); !done) return base::fail(done.error());
  }
  return {};
}

Status make_coming_entry_days(Transaction& transaction, std::int64_t now_us) {
  const std::int64_t today = now_us / kMicrosecondsPerDay;
  for (std::int64_t day = today; day <= today + kDaysAhead; ++day) {
    if (Status made = make_entry_day(transaction, day); !made) return made;
  }
  return {};
}

}  // namespace turnpike::db
