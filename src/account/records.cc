#include <fmt/format.h>

#include <algorithm>

#include "account/model_budgets.h"
#include "account/record.h"
#include "account/tables.h"
#include "base/id.h"

namespace turnpike::account {
namespace {

std::string sql_name(const Column& column) {
  std::string name(column.name);
  if (column.kind == ColumnKind::Amount) name += "_nano";
  if (column.kind == ColumnKind::Time) name += "_us";
  return name;
}

const Column* column_of(const Table& table, std::string_view name) {
  const auto found = std::find_if(table.columns.begin(), table.columns.end(),
                                  [name](const Column& column) { return column.name == name; });
  return found == table.columns.end() ? nullptr : &*found;
}

/// Selects `t.*` in the order `Records::read_back` expects.
std::string select(const Table& table) {
  std::string sql = "SELECT ";
  for (const Column& column : table.columns) sql += "t." + sql_name(column) + ", ";
  sql += "t.created_at_us, t.created_by, t.updated_at_us, t.updated_by";
  if (table.account_kind == 0) return sql + " FROM " + std::string(table.sql) + " t";
  return fmt::format("{}, {} FROM {} t JOIN account a ON a.account_id = t.account_id{}", sql, db::kAccountColumns,
                     table.sql, db::kJoinWindow);
}

std::string key_condition(const Table& table, std::size_t first_parameter) {
  std::string sql;
  for (std::size_t i = 0; i < table.keys; ++i) {
    sql += (i == 0 ? "" : " AND ") + std::string("t.") + sql_name(table.columns[i]) + " = $" +
           std::to_string(first_parameter + i);
  }
  return sql;
}

/// What stands in a LIKE pattern for `text` itself; the escape character is '!'.
std::string like_literal(std::string_view text) {
  std::string out = "%";
  for (const char c : text) {
    if (c == '%' || c == '_' || c == '!') out += '!';
    out += c;
  }
  return out + "%";
}

class WhereClause {
 public:
  explicit WhereClause(const Table& table) : table_(table) {}

  void add(const Condition& condition) {
    const std::string name = name_of(condition.column);
    std::string test;
    switch (condition.test) {
      case Condition::Test::IsNull:
        test = name + " IS NULL";
        break;
      case Condition::Test::Contains:
        test = "lower(" + name + ") LIKE lower(" + parameter(like_literal(db::as_text(condition.values.at(0)))) +
               ") ESCAPE '!'";
        break;
      case Condition::Test::From:
        test = name + " >= " + parameter(condition.values.at(0));
        break;
      case Condition::Test::Until:
        test = name + " < " + parameter(condition.values.at(0));
        break;
      case Condition::Test::Equals:
      case Condition::Test::AnyOf:
        if (condition.values.empty()) {
          test = "1 = 0";
        } else {
          for (const db::Value& value : condition.values) {
            test += (test.empty() ? name + " IN (" : std::string(", ")) + parameter(value);
          }
          test += ")";
        }
        break;
    }
    sql_ += (sql_.empty() ? " WHERE " : " AND ") + test;
  }
  std::string parameter(db::Value value) {
    values_.push_back(std::move(value));
    return "$" + std::to_string(values_.size());
  }
  /// A column's name in SQL; only names of the table get here, never a caller's text.
  std::string name_of(std::string_view column) const {
    if (column == "created_at") return "t.created_at_us";
    if (column == "updated_at") return "t.updated_at_us";
    if (column == "spend" && table_.account_kind != 0) return "w.spent_nano";
    const Column* known = column_of(table_, column);
    return known != nullptr ? "t." + sql_name(*known) : "t.created_at_us";
  }
  const std::string& sql() const { return sql_; }
  const std::vector<db::Value>& values() const { return values_; }

 private:
  const Table& table_;
  std::string sql_;
  std::vector<db::Value> values_;
};

tl::unexpected<Error> taken(Error error, const Record& row) {
  if (error.code == "unique") error.message = fmt::format("{} {} exists already", row.table().sql, row.id());
  return base::fail(std::move(error));
}

/// The lines of one unit of work have one time: behind it their ids count on, so that they keep their order.
std::string next_id(const Actor& actor) {
  std::uint64_t random = 0;
  base::fill_random(&random, sizeof random);
  const std::uint64_t line = actor.lines++;
  const std::uint64_t counted = ((line >> 8) & 0x0f) | ((line & 0xff) << 8);  // make_id takes its low byte first.
  return base::make_id(static_cast<std::uint64_t>(actor.now_us) / 1000, counted, random).to_string();
}

}  // namespace

Status write_audit(db::Transaction& transaction, const Actor& actor, std::string_view action,
                   std::string_view table_name, std::string_view object_id, std::string_view before,
                   std::string_view after) {
  if (!actor.audited) return {};
  const auto text = [](std::string_view value) { return value.empty() ? db::Value() : db::Value(std::string(value)); };
  const auto written = transaction.run(
      "INSERT INTO audit (id, changed_at_us, changed_by, changed_by_key, request_id, action, table_name, object_id, "
      "before_value, updated_values) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
      {next_id(actor), actor.now_us, actor.name, actor.key_hash, actor.request_id, std::string(action),
       std::string(table_name), std::string(object_id), text(before), text(after)});
  if (!written) return base::fail(written.error());
  return {};
}

Status Records::note(std::string_view kind, std::string_view entity) {
  if (Status noted = note_change(transaction_, kind, entity, actor_.now_us); !noted) return noted;
  changes_.push_back({0, std::string(kind), std::string(entity)});
  return {};
}

Result<Record> Records::read_back(const Table& table, const db::Row& row) {
  Record record(table);
  std::size_t at = 0;
  for (; at < table.columns.size(); ++at) record.values_[at] = row.at(at);
  record.created_us = db::as_int(row.at(at++));
  record.created_by = db::as_text(row.at(at++));
  record.updated_us = db::as_int(row.at(at++));
  record.updated_by = db::as_text(row.at(at++));
  if (table.account_kind != 0) {
    Result<db::AccountRow> account = db::read_account(transaction_, row, at, actor_.now_us);
    if (!account) return base::fail(std::move(account.error()));
    record.take(std::move(*account));
  }
  show_reset(record);
  return record;
}

Result<std::optional<Record>> Records::find(const Table& table, std::string_view first, std::string_view second) {
  std::vector<db::Value> values = {std::string(first)};
  if (table.keys > 1) values.emplace_back(std::string(second));
  const auto rows = transaction_.run(select(table) + " WHERE " + key_condition(table, 1), values);
  if (!rows) return base::fail(rows.error());
  if (rows->rows.empty()) return std::optional<Record>();
  Result<Record> record = read_back(table, rows->rows.front());
  if (!record) return base::fail(std::move(record.error()));
  return std::optional<Record>(std::move(*record));
}

Result<Record> Records::get(const Table& table, std::string_view first, std::string_view second) {
  Result<std::optional<Record>> found = find(table, first, second);
  if (!found) return base::fail(std::move(found.error()));
  if (!*found) {
    Error error;
    error.kind = ErrorKind::NotFound;
    error.message = fmt::format("{} {} does not exist", table.sql, first);
    error.param = table.columns[0].name;
    return base::fail(std::move(error));
  }
  return std::move(**found);
}

Result<RecordPage> Records::list(const Table& table, const Query& query) {
  WhereClause where(table);
  for (const Condition& condition : query.where) where.add(condition);
  RecordPage page;
  std::string sql = select(table) + where.sql() + " ORDER BY " +
                    where.name_of(query.sort_by.empty() ? "created_at" : query.sort_by) +
                    (query.ascending ? " ASC" : " DESC");
  for (std::size_t i = 0; i < table.keys; ++i) sql += ", t." + sql_name(table.columns[i]);
  if (query.size > 0) {
    const auto total =
        transaction_.run("SELECT count(*) FROM " + std::string(table.sql) + " t" + where.sql(), where.values());
    if (!total) return base::fail(total.error());
    page.total = static_cast<std::uint64_t>(db::as_int(total->rows.at(0).at(0)));
    sql += " LIMIT " + where.parameter(static_cast<std::int64_t>(query.size));
    sql += " OFFSET " +
           where.parameter(static_cast<std::int64_t>((std::max<std::uint64_t>(1, query.page) - 1) * query.size));
  }
  const auto rows = transaction_.run(sql, where.values());
  if (!rows) return base::fail(rows.error());
  for (const db::Row& row : rows->rows) {
    Result<Record> record = read_back(table, row);
    if (!record) return base::fail(std::move(record.error()));
    page.rows.push_back(std::move(*record));
  }
  if (query.size == 0) page.total = page.rows.size();
  return page;
}

Result<std::vector<Record>> Records::all(const Table& table, std::string_view column, std::string_view value) {
  Query query;
  query.where.push_back({column, Condition::Test::Equals, {std::string(value)}});
  query.size = 0;
  Result<RecordPage> page = list(table, query);
  if (!page) return base::fail(std::move(page.error()));
  return std::move(page->rows);
}

Result<Record> Records::create(Record row) {
  const Table& table = row.table();
  Result<std::optional<Record>> there = find(table, row.key(0), table.keys > 1 ? row.key(1) : std::string());
  if (!there) return base::fail(std::move(there.error()));
  if (*there) {
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.code = "unique";
    return taken(std::move(error), row);
  }
  row.created_us = row.updated_us = actor_.now_us;
  row.created_by = row.updated_by = actor_.name;
  if (table.account_kind != 0) {
    const Result<db::NewTerms> terms = terms_of(row, nullptr);
    if (!terms) return base::fail(terms.error());
    const Result<std::int64_t> account =
        db::open_account(transaction_, {table.account_kind, row.id()}, *terms, actor_.now_us);
    if (!account) return base::fail(account.error());
    row.account_id = *account;
  }
  std::string names;
  std::string places;
  std::vector<db::Value> values;
  const auto add = [&](const std::string& name, db::Value value) {
    values.push_back(std::move(value));
    names += (names.empty() ? "" : ", ") + name;
    places += (places.empty() ? "$" : ", $") + std::to_string(values.size());
  };
  for (std::size_t i = 0; i < table.columns.size(); ++i) add(sql_name(table.columns[i]), row.values_[i]);
  add("created_at_us", row.created_us);
  add("created_by", row.created_by);
  add("updated_at_us", row.updated_us);
  add("updated_by", row.updated_by);
  if (table.account_kind != 0) add("account_id", row.account_id);
  const auto inserted =
      transaction_.run("INSERT INTO " + std::string(table.sql) + " (" + names + ") VALUES (" + places + ")", values);
  if (!inserted) return taken(inserted.error(), row);
  if (table.account_kind != 0) {
    // Also for a spend of 0: an entity that was deleted and is made again finds its old account, and begins anew.
    const Result<Money> opened = db::set_account_spend(transaction_, row.account_id, row.spend, db::EntryKind::Opening,
                                                       actor_.name, actor_.now_us);
    if (!opened) return base::fail(opened.error());
    row.spend_edit = *opened;
    if (Status read = read_terms(row); !read) return base::fail(std::move(read.error()));
    if (Status counted = tokens_follow(row, true); !counted) return base::fail(std::move(counted.error()));
    if (row.account_version > 0) {  // One that was deleted before may be known to the ledger, and goes on there.
      tell({AccountNews::What::Terms, facts_of(row), {}});
      tell({AccountNews::What::Spend, facts_of(row), row.spend_edit});
    }
    if (Status followed = model_budgets_follow(*this, row, nullptr); !followed)
      return base::fail(std::move(followed.error()));
  }
  if (Status noted = write_audit(transaction_, actor_, "created", table.audit_name, row.id(), {}, record_json(row));
      !noted) {
    return base::fail(std::move(noted.error()));
  }
  if (table.feeds) {
    if (Status noted = note(table.sql, row.id()); !noted) {
      return base::fail(std::move(noted.error()));
    }
  }
  return row;
}

Result<Record> Records::update(const Record& before, Record after, std::string_view action) {
  const Table& table = after.table();
  after.updated_us = actor_.now_us;
  after.updated_by = actor_.name;
  std::string sets;
  std::vector<db::Value> values;
  for (std::size_t i = 0; i < table.keys; ++i) values.push_back(before.values_[i]);
  const auto set = [&](const std::string& name, db::Value value) {
    values.push_back(std::move(value));
    sets += (sets.empty() ? "" : ", ") + name + " = $" + std::to_string(values.size());
  };
  for (std::size_t i = table.keys; i < table.columns.size(); ++i) set(sql_name(table.columns[i]), after.values_[i]);
  set("updated_at_us", after.updated_us);
  set("updated_by", after.updated_by);
  const auto updated = transaction_.run(
      "UPDATE " + std::string(table.sql) + " AS t SET " + sets + " WHERE " + key_condition(table, 1), values);
  if (!updated) return taken(updated.error(), after);

  if (table.account_kind != 0) {
    const Result<db::NewTerms> terms = terms_of(after, &before);
    if (!terms) return base::fail(terms.error());
    const bool other_terms = terms->terms != before.terms || terms->ends_us;
    if (other_terms) {
      if (Status done = db::set_account_terms(transaction_, after.account_id, *terms, actor_.now_us); !done) {
        return base::fail(std::move(done.error()));
      }
    }
    if (after.spend != before.spend) {
      const Result<Money> adjusted = db::set_account_spend(transaction_, after.account_id, after.spend,
                                                           db::EntryKind::Adjust, actor_.name, actor_.now_us);
      if (!adjusted) return base::fail(adjusted.error());
      after.spend_edit = *adjusted;
    }
    if (Status read = read_terms(after); !read) return base::fail(std::move(read.error()));
    if (Status counted = tokens_follow(after, false); !counted) return base::fail(std::move(counted.error()));
    if (other_terms) tell({AccountNews::What::Terms, facts_of(after), {}});
    if (after.spend != before.spend) tell({AccountNews::What::Spend, facts_of(after), after.spend_edit});
    if (Status followed = model_budgets_follow(*this, after, &before); !followed)
      return base::fail(std::move(followed.error()));
  }
  if (&table == &kBudgets) {
    if (Status followed = terms_follow(before, after); !followed) return base::fail(std::move(followed.error()));
  }
  if (Status noted = write_audit(transaction_, actor_, action, table.audit_name, after.id(), record_json(before),
                                 record_json(after));
      !noted) {
    return base::fail(std::move(noted.error()));
  }
  if (table.feeds) {
    if (Status noted = note(table.sql, after.id()); !noted) {
      return base::fail(std::move(noted.error()));
    }
  }
  return after;
}

Status Records::remove(const Record& row) {
  const Table& table = row.table();
  const std::string body = record_json(row);
  const auto kept = transaction_.run(
      "INSERT INTO deleted_record (deletion_no, table_name, object_id, body, spend_nano, deleted_by, deleted_by_key, "
      "deleted_at_us) SELECT coalesce(max(deletion_no), 0) + 1, $1, $2, $3, $4, $5, $6, $7 FROM deleted_record",
      {std::string(table.audit_name), row.id(), body, row.spend.nano(), actor_.name, actor_.key_hash, actor_.now_us});
  if (!kept) return base::fail(kept.error());
  std::vector<db::Value> key(row.values_.begin(), row.values_.begin() + static_cast<std::ptrdiff_t>(table.keys));
  const auto gone =
      transaction_.run("DELETE FROM " + std::string(table.sql) + " AS t WHERE " + key_condition(table, 1), key);
  if (!gone) return base::fail(gone.error());
  if (table.account_kind != 0) {
    if (Status closed = db::close_account(transaction_, row.account_id, actor_.now_us); !closed) return closed;
    Record closed = row;
    if (Status read = read_terms(closed); !read) return read;
    tell({AccountNews::What::Closed, facts_of(closed), {}});
    if (Status counted = close_token_account({table.account_kind, row.id()}, row.tokens); !counted) return counted;
  }
  if (Status noted = write_audit(transaction_, actor_, "deleted", table.audit_name, row.id(), body, {}); !noted) {
    return noted;
  }
  return table.feeds ? note(table.sql, row.id()) : Status();
}

}  // namespace turnpike::account
