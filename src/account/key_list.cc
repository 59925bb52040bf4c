#include "account/key_list.h"

#include <algorithm>
#include <utility>

#include "account/key_rows.h"
#include "base/clock.h"

namespace turnpike::account {
namespace {

/// Columns a list may be sorted by, and what they are called here; an ORDER BY is never made of a caller's text.
struct SortColumn {
  std::string_view asked;
  std::string_view column;
};
constexpr SortColumn kSortColumns[] = {
    {"spend", "coalesce(w.spent_nano, 0)"},
    {"max_budget", "k.max_budget_nano"},
    {"created_at", "k.created_us"},
    {"updated_at", "k.updated_us"},
    {"token", "k.hash"},
    {"key_alias", "k.key_alias"},
};

class Where {
 public:
  std::string parameter(db::Value value) {
    values.push_back(std::move(value));
    return "$" + std::to_string(values.size());
  }
  void add(const std::string& condition) { sql += (sql.empty() ? " WHERE " : " AND ") + condition; }
  void equals(std::string_view column, const std::optional<std::string>& value) {
    if (value) add("k." + std::string(column) + " = " + parameter(*value));
  }
  void any_of(const KeyQuery::AnyOf& any) {
    std::string either;
    const auto either_or = [&](const std::string& condition) { either += (either.empty() ? "" : " OR ") + condition; };
    if (any.user_id) either_or("k.user_id = " + parameter(*any.user_id));
    if (any.created_by) either_or("k.created_by = " + parameter(*any.created_by));
    std::string teams;
    for (const std::string& id : any.team_ids) teams += (teams.empty() ? "" : ", ") + parameter(id);
    if (!teams.empty()) either_or("k.team_id IN (" + teams + ")");
    add(either.empty() ? "1 = 0" : "(" + either + ")");
  }
  void query(const KeyQuery& query) {
    equals("user_id", query.user_id);
    equals("team_id", query.team_id);
    equals("organization_id", query.organization_id);
    equals("hash", query.hash);
    equals("key_alias", query.alias);
    if (query.any_of) any_of(*query.any_of);
  }

  std::string sql;
  std::vector<db::Value> values;
};

Result<std::uint64_t> count_in(db::Transaction& transaction, const std::string& table, const Where& where) {
  const Result<db::Rows> rows =
      where.sql.empty() && table == "verification_key"
          ? transaction.run("SELECT row_total FROM row_count WHERE table_name = 'verification_key'", {})
          : transaction.run("SELECT count(*) FROM (SELECT 1 AS one FROM " + table + " k" + where.sql + " LIMIT " +
                                std::to_string(kKeysCountedMax) + ") AS counted",
                            where.values);
  if (!rows) return base::fail(rows.error());
  if (rows->rows.empty()) return std::uint64_t{0};
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, db::as_int(rows->rows[0][0])));
}

/// Which rows of an order a page is, seen from the end that is nearer.
struct Span {
  bool backwards = false;
  std::uint64_t offset = 0, count = 0;
};

Span span_of(std::uint64_t page, std::uint64_t size, std::uint64_t total) {
  const std::uint64_t begin = (std::max<std::uint64_t>(1, page) - 1) * size;
  if (begin >= total) return {};
  const std::uint64_t count = std::min(size, total - begin);
  const std::uint64_t after = total - begin - count;
  return after < begin ? Span{true, after, count} : Span{false, begin, count};
}

}  // namespace

Result<KeyPage> list_keys(db::Transaction& transaction, const KeyQuery& query) {
  Where where;
  where.query(query);
  KeyPage page;
  const Result<std::uint64_t> total = count_in(transaction, "verification_key", where);
  if (!total) return base::fail(total.error());
  page.total = *total;
  const SortColumn* sort = std::ranges::find(kSortColumns, query.sort_by, &SortColumn::asked);
  if (sort == std::ranges::end(kSortColumns)) sort = &kSortColumns[2];
  const bool by_spend = sort->asked == "spend";
  if (by_spend && page.total > kKeysSortedBySpendMax) {
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.param = "sort_by";
    error.message =
        "There are too many keys to sort them by spend: ask for those of one user_id, team_id or "
        "organization_id.";
    return base::fail(std::move(error));
  }
  // Of a filter that fits more keys than are counted, nobody knows the end.
  const bool known_end = where.sql.empty() || page.total < kKeysCountedMax;
  Span span{false, (std::max<std::uint64_t>(1, query.page) - 1) * query.size, query.size};
  if (known_end) span = span_of(query.page, query.size, page.total);
  if (span.count == 0) return page;

  const std::string order(sort->column);
  const auto ordered = [&](bool ascending) {
    const std::string direction = ascending ? " ASC" : " DESC";
    return " ORDER BY " + (order == "k.hash" ? std::string() : order + direction + ", ") + "k.hash" + direction;
  };
  const std::string account = by_spend ? " JOIN account a ON a.account_id = k.account_id LEFT JOIN account_window w ON "
                                         "w.account_id = a.account_id AND w.window_id = a.window_id"
                                       : "";
  const std::string limit = where.parameter(static_cast<std::int64_t>(span.count));
  const std::string offset = where.parameter(static_cast<std::int64_t>(span.offset));
  // The hashes of the page first, out of the index alone; then their rows.
  const std::string sql = select_key() + " WHERE k.hash IN (SELECT hash FROM (SELECT k.hash AS hash FROM " +
                          "verification_key k" + account + where.sql + ordered(query.ascending != span.backwards) +
                          " LIMIT " + limit + " OFFSET " + offset + ") AS page)" + ordered(query.ascending);
  const Result<db::Rows> rows = transaction.run(sql, where.values);
  if (!rows) return base::fail(rows.error());
  Result<std::vector<KeyRow>> keys = read_key_rows(transaction, *rows, base::unix_now_us());
  if (!keys) return base::fail(std::move(keys.error()));
  page.rows = std::move(*keys);
  return page;
}

Result<DeletedKeyPage> list_deleted_keys(db::Transaction& transaction, const KeyQuery& query) {
  Where where;
  where.query(query);
  DeletedKeyPage page;
  const Result<std::uint64_t> total = count_in(transaction, "deleted_verification_key", where);
  if (!total) return base::fail(total.error());
  page.total = *total;
  const std::string limit = where.parameter(static_cast<std::int64_t>(query.size));
  const std::string offset =
      where.parameter(static_cast<std::int64_t>((std::max<std::uint64_t>(1, query.page) - 1) * query.size));
  const std::string direction = query.ascending ? " ASC" : " DESC";
  const Result<db::Rows> rows = transaction.run(
      "SELECT k.hash, k.body, k.deleted_by, k.deleted_by_key, k.deleted_us FROM deleted_verification_key k" +
          where.sql + " ORDER BY k.deleted_us" + direction + ", k.deletion_no" + direction + " LIMIT " + limit +
          " OFFSET " + offset,
      where.values);
  if (!rows) return base::fail(rows.error());
  for (const db::Row& row : rows->rows) {
    page.rows.push_back({db::as_text(row.at(0)), db::as_text(row.at(1)), db::as_text(row.at(2)), db::as_text(row.at(3)),
                         db::as_int(row.at(4))});
  }
  return page;
}

Result<std::vector<std::string>> list_key_aliases(db::Transaction& transaction,
                                                  const std::optional<KeyQuery::AnyOf>& any_of, std::size_t most) {
  Where where;
  where.add("k.key_alias IS NOT NULL");
  if (any_of) where.any_of(*any_of);
  const std::string limit = where.parameter(static_cast<std::int64_t>(most));
  const Result<db::Rows> rows = transaction.run(
      "SELECT k.key_alias FROM verification_key k" + where.sql + " ORDER BY k.key_alias LIMIT " + limit, where.values);
  if (!rows) return base::fail(rows.error());
  std::vector<std::string> aliases;
  for (const db::Row& row : rows->rows) aliases.push_back(db::as_text(row.at(0)));
  return aliases;
}

}  // namespace turnpike::account
