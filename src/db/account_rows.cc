#include "db/account_rows.h"

#include <fmt/format.h>

#include "base/clock.h"
#include "db/escrow_rows.h"

namespace turnpike::db {
namespace {

constexpr std::int64_t kDatabaseReplica = 0;

Value amount_value(std::optional<Money> amount) {
  return amount ? Value(amount->nano()) : Value();
}

Value end_value(std::int64_t ends_us) {
  return ends_us == domain::kNeverUs ? Value() : Value(ends_us);
}

std::optional<Money> amount_of(const Value& value) {
  return is_null(value) ? std::optional<Money>() : Money::from_nano(as_int(value));
}

Result<Money> spent_in(Transaction& transaction, std::int64_t account_id, std::int64_t window_id) {
  const auto rows = transaction.run("SELECT spent_nano FROM account_window WHERE account_id = $1 AND window_id = $2",
                                    {account_id, window_id});
  if (!rows) return base::fail(rows.error());
  return Money::from_nano(rows->rows.empty() ? 0 : as_int(rows->rows[0][0]));
}

std::int64_t end_of(const domain::BudgetTerms& terms, std::optional<std::int64_t> wanted_us, std::int64_t now_us) {
  if (terms.duration.empty()) return domain::kNeverUs;
  return wanted_us && *wanted_us > now_us ? *wanted_us : domain::first_end_us(terms, now_us);
}

}  // namespace

constinit const std::string_view kAccountColumns =
    "a.account_id, a.version, a.limit_nano, a.soft_nano, a.strict, a.increase_nano, a.increase_until_us, a.duration, "
    "a.zone, a.window_id, a.window_ends_us, w.spent_nano AS spend, ta.account_id, ta.version, ta.limit_nano, "
    "ta.soft_nano, ta.strict, ta.increase_nano, ta.increase_until_us, ta.duration, ta.zone, ta.window_id, "
    "ta.window_ends_us, tw.spent_nano";
constinit const std::string_view kJoinWindow =
    " LEFT JOIN account_window w ON w.account_id = a.account_id AND w.window_id = a.window_id"
    " LEFT JOIN account ta ON ta.kind = a.kind + 100 AND ta.entity = a.entity AND ta.model = a.model"
    " LEFT JOIN account_window tw ON tw.account_id = ta.account_id AND tw.window_id = ta.window_id";
static_assert(domain::kTokenKinds == 100);

namespace {

constexpr std::size_t kStateColumns = 12;

Result<AccountState> read_state(Transaction& transaction, const Row& row, std::size_t& at, std::int64_t now_us) {
  AccountState account;
  account.account_id = as_int(row.at(at++));
  account.version = as_int(row.at(at++));
  account.terms.limit = amount_of(row.at(at++));
  account.terms.soft = amount_of(row.at(at++));
  account.terms.strict = as_int(row.at(at++)) != 0;
  account.terms.increase = Money::from_nano(as_int(row.at(at++)));
  account.terms.increase_until_us = as_int(row.at(at++));
  const Value& duration = row.at(at++);
  if (!is_null(duration)) account.terms.duration = as_text(duration);
  account.terms.zone = as_text(row.at(at++));
  account.window.id = as_int(row.at(at++));
  const Value& ends = row.at(at++);
  if (!is_null(ends)) account.window.ends_us = as_int(ends);
  account.spent = amount_of(row.at(at++)).value_or(Money());
  if (now_us < account.window.ends_us) return account;
  account.window = domain::window_at(account.window, account.terms, now_us);
  const Result<Money> spent = spent_in(transaction, account.account_id, account.window.id);
  if (!spent) return base::fail(spent.error());
  account.spent = *spent;
  return account;
}

}  // namespace

Result<AccountRow> read_account(Transaction& transaction, const Row& row, std::size_t& at, std::int64_t now_us) {
  AccountRow account;
  Result<AccountState> state = read_state(transaction, row, at, now_us);
  if (!state) return base::fail(std::move(state.error()));
  static_cast<AccountState&>(account) = std::move(*state);
  if (is_null(row.at(at))) {
    at += kStateColumns;
    return account;
  }
  Result<AccountState> tokens = read_state(transaction, row, at, now_us);
  if (!tokens) return base::fail(std::move(tokens.error()));
  account.tokens = std::move(*tokens);
  return account;
}

Result<std::optional<AccountRow>> find_account(Transaction& transaction, std::int64_t account_id, std::int64_t now_us) {
  const auto rows = transaction.run(
      fmt::format("SELECT {} FROM account a{} WHERE a.account_id = $1", kAccountColumns, kJoinWindow), {account_id});
  if (!rows) return base::fail(rows.error());
  if (rows->rows.empty()) return std::optional<AccountRow>();
  std::size_t at = 0;
  Result<AccountRow> account = read_account(transaction, rows->rows[0], at, now_us);
  if (!account) return base::fail(std::move(account.error()));
  return std::optional(std::move(*account));
}

domain::CallerAccount facts_of(const AccountState& account, const AccountName& name, std::string label) {
  domain::CallerAccount facts;
  facts.account_id = account.account_id;
  facts.kind = name.kind;
  facts.entity = name.entity;
  facts.model = name.model;
  facts.label = std::move(label);
  facts.version = account.version;
  facts.window = account.window;
  facts.spent = account.spent;
  domain::set_terms(facts, account.terms);
  return facts;
}

Result<std::int64_t> open_account(Transaction& transaction, const AccountName& name, const NewTerms& terms,
                                  std::int64_t now_us) {
  const auto known = transaction.run("SELECT account_id FROM account WHERE kind = $1 AND entity = $2 AND model = $3",
                                     {std::int64_t{name.kind}, name.entity, name.model});
  if (!known) return base::fail(known.error());
  if (!known->rows.empty()) {
    const std::int64_t account_id = as_int(known->rows[0][0]);
    const auto reopened = transaction.run("UPDATE account SET closed_us = NULL WHERE account_id = $1", {account_id});
    if (!reopened) return base::fail(reopened.error());
    if (Status set = set_account_terms(transaction, account_id, terms, now_us); !set)
      return base::fail(std::move(set.error()));
    return account_id;
  }
  const domain::BudgetTerms& given = terms.terms;
  const auto made = transaction.run(
      "INSERT INTO account (account_id, kind, entity, model, limit_nano, soft_nano, strict, increase_nano, "
      "increase_until_us, duration, zone, window_ends_us) SELECT coalesce(max(account_id), 0) + 1, $1, $2, $3, $4, $5, "
      "$6, $7, $8, $9, $10, $11 FROM account RETURNING account_id",
      {std::int64_t{name.kind}, name.entity, name.model, amount_value(given.limit), amount_value(given.soft),
       std::int64_t{given.strict}, given.increase.nano(), given.increase_until_us,
       given.duration.empty() ? Value() : Value(given.duration), given.zone,
       end_value(end_of(given, terms.ends_us, now_us))});
  if (!made) return base::fail(made.error());
  const std::int64_t account_id = as_int(made->rows.at(0).at(0));
  const auto window =
      transaction.run("INSERT INTO account_window (account_id, window_id) VALUES ($1, 0)", {account_id});
  if (!window) return base::fail(window.error());
  return account_id;
}

Status set_account_terms(Transaction& transaction, std::int64_t account_id, const NewTerms& terms,
                         std::int64_t now_us) {
  const auto before = find_account(transaction, account_id, now_us);
  if (!before) return base::fail(before.error());
  if (!*before) return {};
  const domain::BudgetTerms& given = terms.terms;
  std::int64_t ends_us = (*before)->window.ends_us;
  if (given.duration != (*before)->terms.duration || given.zone != (*before)->terms.zone || terms.ends_us)
    ends_us = end_of(given, terms.ends_us, now_us);
  // A replica whose clock is ahead may have turned the window already.
  const auto changed = transaction.run(
      "UPDATE account SET limit_nano = $2, soft_nano = $3, strict = $4, increase_nano = $5, increase_until_us = $6, "
      "duration = $7, zone = $8, window_id = CASE WHEN window_id > $9 THEN window_id ELSE $9 END, window_ends_us = "
      "$10, "
      "version = version + 1 WHERE account_id = $1",
      {account_id, amount_value(given.limit), amount_value(given.soft), std::int64_t{given.strict},
       given.increase.nano(), given.increase_until_us, given.duration.empty() ? Value() : Value(given.duration),
       given.zone, (*before)->window.id, end_value(ends_us)});
  if (!changed) return base::fail(changed.error());
  const std::optional<Money> limit = given.limit_at(now_us);
  return set_escrow_limit(transaction, account_id, limit ? std::optional(limit->nano()) : std::nullopt,
                          (*before)->window.id);
}

Result<std::int64_t> account_version(Transaction& transaction, std::int64_t account_id) {
  const auto rows = transaction.run("SELECT version FROM account WHERE account_id = $1", {account_id});
  if (!rows) return base::fail(rows.error());
  return rows->rows.empty() ? 0 : as_int(rows->rows[0][0]);
}

Status close_account(Transaction& transaction, std::int64_t account_id, std::int64_t now_us) {
  const auto changed = transaction.run("UPDATE account SET closed_us = $2, version = version + 1 WHERE account_id = $1",
                                       {account_id, now_us});
  if (!changed) return base::fail(changed.error());
  return {};
}

Status book_entry(Transaction& transaction, const DatabaseEntry& entry, std::int64_t now_us) {
  constexpr std::int64_t kSuccess = 0, kLost = 4;  // entry.status
  const auto number = transaction.run(
      "UPDATE replica SET shipped_no = shipped_no + 1 WHERE replica_no = $1 RETURNING shipped_no", {kDatabaseReplica});
  if (!number) return base::fail(number.error());
  const auto moved = transaction.run(
      "INSERT INTO account_window (account_id, window_id, spent_nano) VALUES ($1, $2, $3)"
      " ON CONFLICT (account_id, window_id) DO UPDATE SET spent_nano = account_window.spent_nano + excluded.spent_nano",
      {entry.account_id, entry.window_id, entry.nano});
  if (!moved) return base::fail(moved.error());
  const auto noted = transaction.run(
      "INSERT INTO entry (day, replica_no, entry_no, kind, started_us, ended_us, status, cost_nano, prompt_tokens,"
      " user_id, accounts, end_reason) SELECT $1, $2, $3, $4, $5, $5, $10, CASE WHEN a.kind < 100 THEN $6 ELSE 0 END,"
      " CASE WHEN a.kind < 100 THEN 0 ELSE $6 END, $7, $8, $9 FROM (SELECT coalesce(max(kind), 0) AS kind FROM account "
      "WHERE account_id ="
      " $11) a",
      {now_us / base::kDayUs, kDatabaseReplica, as_int(number->rows.at(0).at(0)),
       std::int64_t{static_cast<std::int16_t>(entry.kind)}, now_us, entry.nano,
       entry.by.empty() ? Value() : Value(entry.by), fmt::format("[{},{}]", entry.account_id, entry.window_id),
       entry.reason, entry.kind == EntryKind::WriteOff ? kLost : kSuccess, entry.account_id});
  return noted ? Status() : base::fail(noted.error());
}

Result<Money> set_account_spend(Transaction& transaction, std::int64_t account_id, Money spend, EntryKind kind,
                                const std::string& by, std::int64_t now_us) {
  const auto account = find_account(transaction, account_id, now_us);
  if (!account) return base::fail(account.error());
  if (!*account) return Money();
  const domain::BudgetWindow window = (*account)->window;
  const Money difference = spend - (*account)->spent;
  if (difference.nano() == 0) return difference;

  const auto edited = transaction.run("UPDATE account SET version = version + 1 WHERE account_id = $1", {account_id});
  if (!edited) return base::fail(edited.error());
  if (Status booked = book_entry(transaction, {account_id, window.id, difference.nano(), kind, by, "adjusted"}, now_us);
      !booked) {
    return base::fail(std::move(booked.error()));
  }
  if (Status based = add_escrow_base(transaction, account_id, window.id, difference.nano()); !based)
    return base::fail(std::move(based.error()));
  return difference;
}

Result<std::int64_t> turn_windows(Transaction& transaction, std::int64_t now_us) {
  // Accounts of one budget end together: there are few different ends, however many accounts.
  const auto ended = transaction.run(
      "SELECT DISTINCT duration, zone, window_ends_us FROM account WHERE window_ends_us <= $1", {now_us});
  if (!ended) return base::fail(ended.error());
  std::int64_t turned = 0;
  for (const Row& row : ended->rows) {
    domain::BudgetTerms terms;
    if (!is_null(row.at(0))) terms.duration = as_text(row.at(0));
    terms.zone = as_text(row.at(1));
    const std::int64_t ended_us = as_int(row.at(2));
    const domain::BudgetWindow next = domain::window_at({0, ended_us}, terms, now_us);
    if (next.id == 0) continue;  // Terms that cannot be read.
    const auto moved = transaction.run(
        "UPDATE account SET window_id = $4, window_ends_us = $5, version = version + 1 WHERE window_ends_us = $1 AND "
        "coalesce(duration, '') = $2 AND zone = $3",
        {ended_us, terms.duration, terms.zone, next.id, end_value(next.ends_us)});
    if (!moved) return base::fail(moved.error());
    turned += moved->changed;
  }
  return turned;
}

}  // namespace turnpike::db
