#include "api/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "api/permission.h"
#include "base/clock.h"
#include "base/text.h"

namespace turnpike::api {
namespace {

constexpr std::size_t kNamesOfAQuery = 500;

std::string kind_text(Entity kind) {
  return std::to_string(static_cast<int>(kind));
}

}  // namespace

ReportScope scope_of(const domain::Caller& caller) {
  if (sees_everything(caller) || caller.reads_all_spend) return {};
  if (caller.is_user) return {ReportScope::Of::User, caller.user_id};
  return {ReportScope::Of::Key, caller.key_hash_hex};
}

Result<std::optional<std::int64_t>> read_day_text(std::string_view name, std::string text) {
  if (text.empty()) return std::nullopt;
  if (const std::size_t space = text.find(' '); space != std::string::npos) text[space] = 'T';
  const std::optional<std::int64_t> time_us = base::parse_iso_time(text);
  if (!time_us || *time_us < 0) {
    return refuse_field(name, std::string(name) + " must be a date such as 2026-02-16 (UTC).");
  }
  return *time_us / base::kDayUs;
}

Result<std::optional<std::int64_t>> query_day(const Context& context, std::string_view name) {
  return read_day_text(name, context.request().query_value(name));
}

DayRange last_month(const Context& context) {
  constexpr std::int64_t kDays = 30;
  const std::int64_t today = context.now_us / base::kDayUs;
  return {today - kDays + 1, today};
}

Result<DayRange> days_or_last_month(const Context& context) {
  DayRange range = last_month(context);
  const Result<std::optional<std::int64_t>> first = query_day(context, "start_date");
  if (!first) return base::fail(first.error());
  const Result<std::optional<std::int64_t>> last = query_day(context, "end_date");
  if (!last) return base::fail(last.error());
  if (*last) range = {std::min(range.first, **last), **last};
  if (*first) range.first = **first;
  return range;
}

Result<DayRange> needed_days(const Context& context) {
  for (const std::string_view name : {"start_date", "end_date"}) {
    if (context.request().query_value(name).empty()) {
      return refuse_field(name, "Please provide start_date and end_date, such as 2026-02-16 (UTC).");
    }
  }
  return days_or_last_month(context);
}

std::vector<std::string> query_list(const Context& context, std::string_view name) {
  const std::string text = context.request().query_value(name);
  std::vector<std::string> parts;
  for (const std::string_view part : base::split(text, ',')) {
    if (!base::trim(part).empty()) parts.emplace_back(base::trim(part));
  }
  return parts;
}

std::string Conditions::place(db::Value value) {
  values_.push_back(std::move(value));
  return "$" + std::to_string(values_.size());
}

void Conditions::equals(std::string_view column, db::Value value) {
  add(std::string(column) + " = " + place(std::move(value)));
}

std::string Conditions::places(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) text += (text.empty() ? "" : ", ") + place(value);
  return text;
}

void Conditions::any_of(std::string_view column, const std::vector<std::string>& values) {
  add(values.empty() ? "1 = 0" : fmt::format("{} IN ({})", column, places(values)));
}

void Conditions::none_of(std::string_view column, const std::vector<std::string>& values) {
  if (!values.empty()) add(fmt::format("{} NOT IN ({})", column, places(values)));
}

void Conditions::days(DayRange range) {
  add("day >= " + place(range.first));
  add("day <= " + place(range.last));
}

std::string Conditions::text() const {
  return conditions_.empty() ? std::string() : fmt::format("WHERE {}", fmt::join(conditions_, " AND "));
}

void add_calls(Conditions& conditions, const ReportScope& scope) {
  const Entity kind = scope.of == ReportScope::Of::User ? Entity::User : Entity::Key;
  conditions.add("entity_kind = " + kind_text(kind));
  if (scope.of != ReportScope::Of::Everybody) conditions.equals("entity", scope.id);
}

void add_entities(Conditions& conditions, Entity kind, const ReportScope& scope) {
  conditions.add("entity_kind = " + kind_text(kind));
  if (scope.of == ReportScope::Of::Key) conditions.equals("key_hash", scope.id);
  if (scope.of != ReportScope::Of::User) return;
  const std::string user = conditions.place(scope.id);
  conditions.add(
      fmt::format("key_hash IN (SELECT hash FROM verification_key WHERE user_id = {0} UNION ALL SELECT hash "
                  "FROM deleted_verification_key WHERE user_id = {0})",
                  user));
}

Result<db::Rows> read_daily(account::Records& records, std::string_view columns, const Conditions& conditions,
                            std::string_view rest) {
  return records.transaction().run(fmt::format("SELECT {} FROM daily {} {}", columns, conditions.text(), rest),
                                   conditions.values());
}

Result<std::vector<std::string>> entity_names(account::Records& records, Entity kind, std::size_t most) {
  // From name to name in the index, past the many rows of each.
  const std::string sql = fmt::format(
      "WITH RECURSIVE names(entity) AS (SELECT min(entity) FROM daily WHERE entity_kind = {0} UNION ALL"
      " SELECT (SELECT min(d.entity) FROM daily d WHERE d.entity_kind = {0} AND d.entity > names.entity) FROM names"
      " WHERE names.entity IS NOT NULL) SELECT entity FROM names WHERE entity IS NOT NULL LIMIT {1}",
      kind_text(kind), most);
  const Result<db::Rows> rows = records.transaction().run(sql, {});
  if (!rows) return base::fail(rows.error());
  std::vector<std::string> names;
  for (const db::Row& row : rows->rows) names.push_back(db::as_text(row[0]));
  return names;
}

Result<std::map<std::string, KeyLabel>> key_labels(account::Records& records, const std::vector<std::string>& hashes) {
  std::map<std::string, KeyLabel> found;
  for (std::size_t first = 0; first < hashes.size(); first += kNamesOfAQuery) {
    const std::size_t count = std::min(kNamesOfAQuery, hashes.size() - first);
    const std::vector<std::string> some(hashes.begin() + static_cast<std::ptrdiff_t>(first),
                                        hashes.begin() + static_cast<std::ptrdiff_t>(first + count));
    // Of a key that was deleted and made again, what it is now.
    for (const std::string_view table : {"deleted_verification_key", "verification_key"}) {
      Conditions conditions;
      conditions.any_of("hash", some);
      const Result<db::Rows> rows = records.transaction().run(
          fmt::format("SELECT hash, key_alias, key_name, team_id FROM {} {}", table, conditions.text()),
          conditions.values());
      if (!rows) return base::fail(rows.error());
      for (const db::Row& row : rows->rows) {
        found[db::as_text(row[0])] = {db::as_text(row[1]), db::as_text(row[2]), db::as_text(row[3])};
      }
    }
  }
  return found;
}

Result<std::map<std::string, std::string>> labels(account::Records& records, std::string_view table,
                                                  std::string_view key, std::string_view column,
                                                  const std::vector<std::string>& ids) {
  std::map<std::string, std::string> found;
  for (std::size_t first = 0; first < ids.size(); first += kNamesOfAQuery) {
    const std::size_t count = std::min(kNamesOfAQuery, ids.size() - first);
    Conditions conditions;
    conditions.any_of(key, {ids.begin() + static_cast<std::ptrdiff_t>(first),
                            ids.begin() + static_cast<std::ptrdiff_t>(first + count)});
    conditions.add(fmt::format("{} IS NOT NULL", column));
    const Result<db::Rows> rows = records.transaction().run(
        fmt::format("SELECT {}, {} FROM {} {}", key, column, table, conditions.text()), conditions.values());
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) found[db::as_text(row[0])] = db::as_text(row[1]);
  }
  return found;
}

std::string day_text(std::int64_t day) {
  return base::iso_time(day * base::kDayUs).substr(0, 10);
}

std::string short_day_text(std::int64_t day) {
  constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::string text = day_text(day);
  const std::uint64_t month = base::parse_unsigned(text.substr(5, 2)).value_or(1);
  return std::string(kMonths[month - 1]) + " " + text.substr(8, 2);
}

std::string dollars(std::int64_t nano) {
  return Money::from_nano(nano).to_string();
}
std::string dollars(const db::Value& nano) {
  return dollars(db::as_int(nano));
}

Task<Result<Reply>> answer_report(const Context& context, std::function<Result<Reply>(account::Records&)> work) {
  // What has been answered is in the journal; who asks for it right away wants to see it.
  co_await context.gateway.ledger->shipped();
  co_return co_await answer_from_records(context, std::move(work));
}

}  // namespace turnpike::api
