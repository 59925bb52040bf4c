#include "account/key_store.h"

#include <utility>

#include "account/key_rows.h"
#include "base/clock.h"
#include "db/account_rows.h"

namespace turnpike::account {
namespace {

constexpr std::int16_t kKeyAccount = 6;  // Spec money 4: accounts of keys.

/// Columns /key/list may sort by, and what they are called here; an ORDER BY is never made of a caller's text.
struct SortColumn {
  std::string_view asked;
  std::string_view column;
};
constexpr SortColumn kSortColumns[] = {
    {"spend", "spend"},
    {"max_budget", "k.max_budget_nano"},
    {"created_at", "k.created_us"},
    {"updated_at", "k.updated_us"},
    {"token", "k.hash"},
    {"key_alias", "k.key_alias"},
};

Status alias_taken(const Error& error, const KeyRow& row) {
  if (error.code != "unique") return base::fail(error);
  Error taken;
  taken.kind = ErrorKind::InvalidRequest;
  taken.type = "bad_request_error";
  if (row.key_alias) {
    taken.param = "key_alias";
    taken.message =
        "Key with alias '" + *row.key_alias + "' already exists. Unique key aliases across all keys are required.";
  } else {
    taken.param = "key";
    taken.message = "This key exists already. Send another one, or none to have one made.";
  }
  return base::fail(std::move(taken));
}

Result<std::optional<KeyRow>> select_one(db::Transaction& transaction, std::string_view column,
                                         const std::string& value) {
  const Result<db::Rows> rows =
      transaction.run(std::string(kSelectKey) + " WHERE k." + std::string(column) + " = $1", {value});
  if (!rows) return base::fail(rows.error());
  if (rows->rows.empty()) return std::optional<KeyRow>();
  return std::optional<KeyRow>(read_key_row(rows->rows.front()));
}

Status read_version(db::Transaction& transaction, KeyRow& row) {
  const Result<std::int64_t> version = db::account_version(transaction, row.account_id);
  if (!version) return base::fail(version.error());
  row.account_version = *version;
  return {};
}

}  // namespace

KeyStore::KeyStore(db::Database& database, std::function<void(const std::string&)> on_change)
    : database_(database), on_change_(std::move(on_change)) {}

Task<Result<KeyRow>> KeyStore::create(KeyRow row) {
  auto stored = std::make_shared<KeyRow>(std::move(row));
  std::function<Status(db::Transaction&)> work = [stored](db::Transaction& transaction) -> Status {
    const Result<std::int64_t> account = db::open_account(transaction, kKeyAccount, stored->hash, stored->max_budget);
    if (!account) return base::fail(account.error());
    stored->account_id = *account;
    if (const Result<db::Rows> inserted = transaction.run(kInsertKey, key_values(*stored)); !inserted) {
      return alias_taken(inserted.error(), *stored);
    }
    // Also for a spend of 0: a key that was deleted and is made again finds its old account, and begins anew.
    const Result<Money> opened = db::set_account_spend(transaction, *account, stored->spend, db::EntryKind::Opening,
                                                       stored->created_by, stored->created_us);
    if (!opened) return base::fail(opened.error());
    stored->spend_edit = *opened;
    return read_version(transaction, *stored);
  };
  if (Status done = co_await database_.transact(std::move(work)); !done) co_return base::fail(std::move(done.error()));
  on_change_(stored->hash);
  co_return std::move(*stored);
}

Task<Result<std::optional<KeyRow>>> KeyStore::find(std::string hash) {
  auto found = std::make_shared<std::optional<KeyRow>>();
  std::function<Status(db::Transaction&)> work = [found,
                                                  hash = std::move(hash)](db::Transaction& transaction) -> Status {
    Result<std::optional<KeyRow>> row = select_one(transaction, "hash", hash);
    if (!row) return base::fail(std::move(row.error()));
    *found = std::move(*row);
    return {};
  };
  if (Status done = co_await database_.transact(std::move(work)); !done) co_return base::fail(std::move(done.error()));
  co_return std::move(*found);
}

Task<Result<std::optional<KeyRow>>> KeyStore::find_by_alias(std::string alias) {
  auto found = std::make_shared<std::optional<KeyRow>>();
  std::function<Status(db::Transaction&)> work = [found,
                                                  alias = std::move(alias)](db::Transaction& transaction) -> Status {
    Result<std::optional<KeyRow>> row = select_one(transaction, "key_alias", alias);
    if (!row) return base::fail(std::move(row.error()));
    *found = std::move(*row);
    return {};
  };
  if (Status done = co_await database_.transact(std::move(work)); !done) co_return base::fail(std::move(done.error()));
  co_return std::move(*found);
}

Task<Result<KeyRow>> KeyStore::update(std::string hash, std::function<Status(KeyRow&)> change) {
  auto changed = std::make_shared<KeyRow>();
  std::function<Status(db::Transaction&)> work = [changed, hash,
                                                  change = std::move(change)](db::Transaction& transaction) -> Status {
    Result<std::optional<KeyRow>> row = select_one(transaction, "hash", hash);
    if (!row) return base::fail(std::move(row.error()));
    if (!*row) return base::fail(ErrorKind::NotFound, "Key not found");
    const Money booked = (*row)->spend;
    const std::optional<Money> limit = (*row)->max_budget;
    *changed = std::move(**row);
    if (Status applied = change(*changed); !applied) return applied;
    if (const Result<db::Rows> updated = transaction.run(kUpdateKey, key_values(*changed)); !updated) {
      return alias_taken(updated.error(), *changed);
    }
    if (changed->max_budget != limit) {
      if (Status set = db::set_account_limit(transaction, changed->account_id, changed->max_budget); !set) return set;
    }
    if (changed->spend != booked) {
      const Result<Money> adjusted =
          db::set_account_spend(transaction, changed->account_id, changed->spend, db::EntryKind::Adjust,
                                changed->updated_by, changed->updated_us);
      if (!adjusted) return base::fail(adjusted.error());
      changed->spend_edit = *adjusted;
    }
    return read_version(transaction, *changed);
  };
  if (Status done = co_await database_.transact(std::move(work)); !done) co_return base::fail(std::move(done.error()));
  on_change_(changed->hash);
  co_return std::move(*changed);
}

Task<Result<std::vector<KeyRow>>> KeyStore::remove(std::vector<std::string> hashes, std::string by) {
  auto removed = std::make_shared<std::vector<KeyRow>>();
  std::function<Status(db::Transaction&)> work = [removed, hashes = std::move(hashes),
                                                  by = std::move(by)](db::Transaction& transaction) -> Status {
    const std::int64_t now_us = base::unix_now_us();
    for (const std::string& hash : hashes) {
      Result<std::optional<KeyRow>> row = select_one(transaction, "hash", hash);
      if (!row) return base::fail(std::move(row.error()));
      if (!*row) continue;
      const Result<db::Rows> kept = transaction.run(kKeepDeletedKey, {hash, (*row)->spend.nano(), by, now_us});
      if (!kept) return base::fail(kept.error());
      const Result<db::Rows> gone = transaction.run("DELETE FROM verification_key WHERE hash = $1", {hash});
      if (!gone) return base::fail(gone.error());
      if (Status closed = db::close_account(transaction, (*row)->account_id, now_us); !closed) return closed;
      if (Status read = read_version(transaction, **row); !read) return read;
      removed->push_back(std::move(**row));
    }
    return {};
  };
  if (Status done = co_await database_.transact(std::move(work)); !done) co_return base::fail(std::move(done.error()));
  for (const KeyRow& row : *removed) on_change_(row.hash);
  co_return std::move(*removed);
}

Task<Result<KeyStore::Page>> KeyStore::list(Filter filter) {
  auto page = std::make_shared<Page>();
  std::function<Status(db::Transaction&)> work = [page,
                                                  filter = std::move(filter)](db::Transaction& transaction) -> Status {
    std::string where;
    std::vector<db::Value> values;
    const auto add = [&](std::string_view column, const std::optional<std::string>& value) {
      if (!value) return;
      values.emplace_back(*value);
      where += (where.empty() ? " WHERE k." : " AND k.") + std::string(column) + " = $" + std::to_string(values.size());
    };
    add("user_id", filter.user_id);
    add("team_id", filter.team_id);
    add("organization_id", filter.organization_id);
    add("hash", filter.hash);
    add("key_alias", filter.alias);
    const Result<db::Rows> total = transaction.run("SELECT count(*) FROM verification_key k" + where, values);
    if (!total) return base::fail(total.error());
    page->total = static_cast<std::uint64_t>(db::as_int(total->rows.at(0).at(0)));
    std::string_view sort = "k.created_us";
    for (const SortColumn& column : kSortColumns) {
      if (column.asked == filter.sort_by) sort = column.column;
    }
    const std::string direction = filter.ascending ? " ASC" : " DESC";
    values.emplace_back(static_cast<std::int64_t>(filter.size));
    values.emplace_back(static_cast<std::int64_t>((std::max<std::uint64_t>(1, filter.page) - 1) * filter.size));
    const std::string sql = std::string(kSelectKey) + where + " ORDER BY " + std::string(sort) + direction +
                            ", k.hash LIMIT $" + std::to_string(values.size() - 1) + " OFFSET $" +
                            std::to_string(values.size());
    const Result<db::Rows> rows = transaction.run(sql, values);
    if (!rows) return base::fail(rows.error());
    for (const db::Row& row : rows->rows) page->rows.push_back(read_key_row(row));
    return {};
  };
  if (Status done = co_await database_.transact(std::move(work)); !done) co_return base::fail(std::move(done.error()));
  co_return std::move(*page);
}

}  // namespace turnpike::account
