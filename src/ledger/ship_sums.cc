#include "ledger/ship_sums.h"

#include <fmt/format.h>

#include <optional>
#include <span>

#include "db/arrays.h"
#include "json/document.h"

namespace turnpike::ledger {
namespace {

using db::Value;

/// A table of sums: what is there already is added to.
struct SumTable {
  std::string_view name;
  std::span<const std::string_view> keys, sums;
};

constexpr std::string_view kWindowKeys[] = {"account_id", "window_id"};
constexpr std::string_view kWindowSums[] = {"spent_nano", "calls"};
constexpr std::string_view kDailyKeys[] = {"day",         "entity_kind", "entity",   "key_hash",
                                           "model_group", "model",       "provider", "route"};
constexpr std::string_view kDailySums[] = {
    "cost_nano",         "calls", "failed", "cached", "prompt_tokens", "completion_tokens", "cache_read_tokens",
    "cache_write_tokens"};
constexpr std::string_view kDeploymentKeys[] = {"day", "deployment_id", "model_group", "model", "provider", "api_base"};
constexpr std::string_view kDeploymentSums[] = {"cost_nano",    "calls",         "failed",
                                                "rate_limited", "prompt_tokens", "completion_tokens"};
constexpr std::string_view kReplicaKeys[] = {"replica_no", "day"};
constexpr std::string_view kReplicaSums[] = {"entries", "cost_nano"};

constexpr std::string_view kLeaseKeys[] = {"account_id", "window_id", "replica_no"};
constexpr std::string_view kLeaseSums[] = {"used_nano"};

constexpr SumTable kLeases{"lease", kLeaseKeys, kLeaseSums};
constexpr SumTable kWindows{"account_window", kWindowKeys, kWindowSums};
constexpr SumTable kDaily{"daily", kDailyKeys, kDailySums};
constexpr SumTable kDeployments{"deployment_day", kDeploymentKeys, kDeploymentSums};
constexpr SumTable kReplicaDays{"replica_day", kReplicaKeys, kReplicaSums};

/// What happens to a row that is there already.
std::string adding_text(const SumTable& table) {
  std::string sql = fmt::format(" ON CONFLICT ({}) DO UPDATE SET ", fmt::join(table.keys, ", "));
  for (const std::string_view& sum : table.sums) {
    sql += fmt::format("{0}{1} = {2}.{1} + excluded.{1}", &sum == table.sums.data() ? "" : ", ", sum, table.name);
  }
  return sql;
}

/// Collects rows and adds them to their table, many with each statement where the database prefers that.
class Adding {
 public:
  Adding(db::Transaction& transaction, const SumTable& table)
      : transaction_(transaction), table_(table), width_(table.keys.size() + table.sums.size()) {
    constexpr std::size_t kRowsMax = 2'000;
    if (transaction.prefers_many()) rows_max_ = kRowsMax;
  }
  std::vector<Value>& values() { return values_; }
  Status row_done() { return values_.size() >= rows_max_ * width_ ? flush() : Status(); }
  Status flush() {
    if (values_.empty()) return {};
    const std::string into = fmt::format("INSERT INTO {} ({}, {}) ", table_.name, fmt::join(table_.keys, ", "),
                                         fmt::join(table_.sums, ", "));
    const auto done =
        rows_max_ == 1
            ? transaction_.run(into + "VALUES (" + db::places(width_) + ")" + adding_text(table_), values_)
            : transaction_.run(into + "SELECT * FROM " + db::unnest_text(values_, width_) + adding_text(table_),
                               db::array_values(values_, width_));
    values_.clear();
    return done ? Status() : base::fail(done.error());
  }

 private:
  db::Transaction& transaction_;
  const SumTable& table_;
  const std::size_t width_;
  std::size_t rows_max_ = 1;
  std::vector<Value> values_;
};

void put(std::vector<Value>& values, std::integral auto number) {
  values.emplace_back(std::int64_t{number});
}
void put(std::vector<Value>& values, std::string_view text) {
  values.emplace_back(std::string(text));
}

/// Rows of a map from keys (a tuple) to sums (an array).
template <class Map>
Status add_all(db::Transaction& transaction, const SumTable& table, const Map& rows) {
  Adding adding(transaction, table);
  for (const auto& [key, sums] : rows) {
    std::apply([&](const auto&... part) { (put(adding.values(), part), ...); }, key);
    for (const std::int64_t sum : sums) put(adding.values(), sum);
    if (Status added = adding.row_done(); !added) return added;
  }
  return adding.flush();
}

}  // namespace

void ShipSums::add(const journal::EntryRow& row) {
  const journal::EntryNumbers& n = row.numbers;
  for (std::size_t i = 0; i < row.accounts.count; ++i) {
    const std::int64_t booked_nano = row.booked_on(i);
    Total& total = windows_[{row.accounts.values[2 * i], row.accounts.values[2 * i + 1]}];
    total.cost_nano += booked_nano;
    ++total.calls;
    std::map<WindowKey, std::int64_t>& paid = row.accounts.is_covered(i) ? used_ : uncovered_;
    paid[{row.accounts.values[2 * i], row.accounts.values[2 * i + 1]}] += booked_nano;
  }
  Total& day = days_[row.day()];
  day.cost_nano += n.cost_nano;
  ++day.calls;
  add_daily(row, kKey, row.text(journal::Text::KeyHash));
  if (!row.text(journal::Text::UserId).empty()) add_daily(row, kUser, row.text(journal::Text::UserId));
  if (!row.text(journal::Text::TeamId).empty()) add_daily(row, kTeam, row.text(journal::Text::TeamId));
  if (!row.text(journal::Text::OrganizationId).empty())
    add_daily(row, kOrganization, row.text(journal::Text::OrganizationId));
  if (!row.text(journal::Text::EndUser).empty()) add_daily(row, kEndUser, row.text(journal::Text::EndUser));
  if (!row.text(journal::Text::Tags).empty()) add_tags(row);
  if (!row.text(journal::Text::DeploymentId).empty()) add_deployment(row);
}

std::vector<std::pair<std::int64_t, std::int64_t>> ShipSums::windows() const {
  std::vector<std::pair<std::int64_t, std::int64_t>> windows;
  for (const auto& [key, total] : windows_) windows.push_back(key);
  return windows;
}

Status ShipSums::write(db::Transaction& transaction, std::int64_t replica_no) const {
  Adding windows(transaction, kWindows);
  for (const auto& [key, total] : windows_) {
    for (const std::int64_t value : {key.first, key.second, total.cost_nano, total.calls}) put(windows.values(), value);
    if (Status added = windows.row_done(); !added) return added;
  }
  if (Status added = windows.flush(); !added) return added;
  if (Status added = add_all(transaction, kDaily, daily_); !added) return added;
  if (Status added = add_all(transaction, kDeployments, deployments_); !added) return added;
  Adding days(transaction, kReplicaDays);
  for (const auto& [day, total] : days_) {
    for (const std::int64_t value : {replica_no, day, total.calls, total.cost_nano}) put(days.values(), value);
    if (Status added = days.row_done(); !added) return added;
  }
  if (Status added = days.flush(); !added) return added;
  return write_leases(transaction, replica_no);  // Last: calls that wait for money wait for these rows.
}

/// What has been paid from leases, and what was not and so counts against the budgets beside them.
Status ShipSums::write_leases(db::Transaction& transaction, std::int64_t replica_no) const {
  if (!transaction.is_shared()) return {};
  std::vector<std::int64_t> accounts, windows, costs;
  for (const auto& [key, cost_nano] : uncovered_) {
    if (cost_nano == 0) continue;
    accounts.push_back(key.first);
    windows.push_back(key.second);
    costs.push_back(cost_nano);
  }
  const auto array = [](const std::vector<std::int64_t>& numbers) {
    return Value(fmt::format("{{{}}}", fmt::join(numbers, ",")));
  };
  if (!accounts.empty()) {
    // In the order in which everybody locks them.
    const auto locked = transaction.run(
        "SELECT 1 FROM escrow e JOIN unnest($1::bigint[], $2::bigint[]) q(a, w) ON e.account_id = q.a AND e.window_id ="
        " q.w ORDER BY e.account_id, e.window_id FOR UPDATE OF e",
        {array(accounts), array(windows)});
    if (!locked) return base::fail(locked.error());
    if (!locked->rows.empty()) {
      const auto moved = transaction.run(
          "UPDATE escrow e SET base_nano = e.base_nano + q.c FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])"
          " q(a, w, c) WHERE e.account_id = q.a AND e.window_id = q.w",
          {array(accounts), array(windows), array(costs)});
      if (!moved) return base::fail(moved.error());
    }
  }
  Adding leases(transaction, kLeases);
  for (const auto& [key, cost_nano] : used_) {
    for (const std::int64_t value : {key.first, key.second, replica_no, cost_nano}) put(leases.values(), value);
    if (Status added = leases.row_done(); !added) return added;
  }
  return leases.flush();
}

void ShipSums::add_tags(const journal::EntryRow& row) {
  json::Document document;
  if (!document.parse(row.text(journal::Text::Tags))) return;
  std::set<std::string> tags;  // A tag that stands twice counts once.
  for (const json::Value tag : document.root().elements()) {
    if (const std::optional<std::string> text = tag.text(); text && !text->empty()) tags.insert(*text);
  }
  for (const std::string& tag : tags) add_daily(row, kTag, *tag_names_.insert(tag).first);
}

void ShipSums::add_daily(const journal::EntryRow& row, std::int16_t kind, std::string_view entity) {
  const journal::EntryNumbers& n = row.numbers;
  std::array<std::int64_t, 8>& sums =
      daily_[{row.day(), kind, entity, row.text(journal::Text::KeyHash), row.text(journal::Text::ModelGroup),
              row.text(journal::Text::Model), row.text(journal::Text::Provider), row.text(journal::Text::Route)}];
  sums[0] += n.cost_nano;
  ++sums[1];
  if (n.status != static_cast<std::uint8_t>(domain::EntryStatus::Success)) ++sums[2];
  sums[4] += static_cast<std::int64_t>(n.prompt_tokens);
  sums[5] += static_cast<std::int64_t>(n.completion_tokens);
  sums[6] += static_cast<std::int64_t>(n.cache_read_tokens);
  sums[7] += static_cast<std::int64_t>(n.cache_write_tokens);
}

void ShipSums::add_deployment(const journal::EntryRow& row) {
  constexpr std::int32_t kTooManyRequests = 429;
  const journal::EntryNumbers& n = row.numbers;
  std::array<std::int64_t, 6>& sums = deployments_[{
      row.day(), row.text(journal::Text::DeploymentId), row.text(journal::Text::ModelGroup),
      row.text(journal::Text::Model), row.text(journal::Text::Provider), row.text(journal::Text::ApiBase)}];
  sums[0] += n.cost_nano;
  ++sums[1];
  if (n.status != static_cast<std::uint8_t>(domain::EntryStatus::Success)) ++sums[2];
  if (n.http_status == kTooManyRequests) ++sums[3];
  sums[4] += static_cast<std::int64_t>(n.prompt_tokens);
  sums[5] += static_cast<std::int64_t>(n.completion_tokens);
}

}  // namespace turnpike::ledger
