#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "account/record.h"
#include "api/records.h"
#include "db/database.h"

/// What reports of spend have in common. They are read from table `daily`, never from entries: a day's sums for each
/// entity, by key, model group, model, provider and route. They stay when the entries of a day are dropped.
namespace turnpike::api {

/// `daily.entity_kind` (spec money 4).
enum class Entity : std::int16_t { Organization = 2, Team = 3, User = 5, Key = 6, EndUser = 7, Tag = 8 };

/// Whose calls a report adds up.
struct ReportScope {
  enum class Of : std::uint8_t { Everybody, User, Key } of = Of::Everybody;
  std::string id;
};
/// Everybody's for administrators, their viewers and keys with `get_spend_routes`; else the user's, else the key's own.
ReportScope scope_of(const domain::Caller& caller);

/// Unix days (UTC), both included.
struct DayRange {
  std::int64_t first = 0, last = 0;
};
/// `start_date` and `end_date` of the query. Errors: InvalidRequest where one is missing, or no date.
Result<DayRange> needed_days(const Context& context);
/// The same; where one is left out, the 30 days that end today.
Result<DayRange> days_or_last_month(const Context& context);
DayRange last_month(const Context& context);
/// Nothing where the query leaves it out. Errors: InvalidRequest naming it.
Result<std::optional<std::int64_t>> query_day(const Context& context, std::string_view name);
/// The day that the value of `name` says, "2026-02-16" or a time; nothing for an empty one.
Result<std::optional<std::int64_t>> read_day_text(std::string_view name, std::string text);
/// The parts of "a,b,c" in the query.
std::vector<std::string> query_list(const Context& context, std::string_view name);

/// Conditions of a query that must all hold. Values travel as parameters, never as text.
class Conditions {
 public:
  std::string place(db::Value value);  // "$3"
  void add(std::string condition) { conditions_.push_back(std::move(condition)); }
  void equals(std::string_view column, db::Value value);
  void any_of(std::string_view column, const std::vector<std::string>& values);
  void none_of(std::string_view column, const std::vector<std::string>& values);
  void days(DayRange range);
  std::string text() const;  // "WHERE a AND b"
  const std::vector<db::Value>& values() const { return values_; }

 private:
  std::string places(const std::vector<std::string>& values);
  std::vector<std::string> conditions_;
  std::vector<db::Value> values_;
};

/// Rows of `daily` in which each call of the scope stands once.
void add_calls(Conditions& conditions, const ReportScope& scope);
/// Rows of `daily` of one kind of entity (tags, end users), of calls in the scope.
void add_entities(Conditions& conditions, Entity kind, const ReportScope& scope);

/// `SELECT <columns> FROM daily <conditions> <rest>`.
Result<db::Rows> read_daily(account::Records& records, std::string_view columns, const Conditions& conditions,
                            std::string_view rest);

/// Every entity of a kind that has made a call, in its order; at most `most`.
Result<std::vector<std::string>> entity_names(account::Records& records, Entity kind, std::size_t most);

/// What people call keys and teams.
struct KeyLabel {
  std::string alias, name, team_id;
};
Result<std::map<std::string, KeyLabel>> key_labels(account::Records& records, const std::vector<std::string>& hashes);
/// `column` of the rows of `table` whose key is in `ids`.
Result<std::map<std::string, std::string>> labels(account::Records& records, std::string_view table,
                                                  std::string_view key, std::string_view column,
                                                  const std::vector<std::string>& ids);

std::string day_text(std::int64_t day);        // "2026-02-16"
std::string short_day_text(std::int64_t day);  // "Feb 16"
std::string dollars(std::int64_t nano);        // "0.000054"
std::string dollars(const db::Value& nano);

/// Answers with what `work` reads on one snapshot, after all that was answered before has been booked.
Task<Result<Reply>> answer_report(const Context& context, std::function<Result<Reply>(account::Records&)> work);

}  // namespace turnpike::api
