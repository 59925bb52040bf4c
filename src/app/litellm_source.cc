#include "app/litellm_source.h"

#include "base/text.h"
#include "json/lists.h"
#include "json/write.h"

namespace turnpike::app {
namespace {

constexpr int kRowsOfATable = 500;

std::string quoted_name(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

}  // namespace

Result<std::unique_ptr<LiteLlmSource>> LiteLlmSource::open(const std::string& url) {
  const Result<db::PostgresUrl> read = db::read_postgres_url(url);
  if (!read) return base::fail(read.error());
  std::unique_ptr<LiteLlmSource> source(new LiteLlmSource());
  source->shown_ = read->shown;
  db::PostgresConnection::Limits limits;
  limits.statement = std::chrono::minutes(10);
  Result<std::unique_ptr<db::PostgresConnection>> connection =
      db::PostgresConnection::open(*read, limits, source->stop_);
  if (!connection) return base::fail(std::move(connection.error()));
  source->connection_ = std::move(*connection);
  Status listed = source->connection_->transact(
      [&](db::Transaction& transaction) -> Status {
        const Result<db::Rows> rows = transaction.run(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() AND "
            "table_name LIKE 'LiteLLM%'",
            {});
        if (!rows) return base::fail(rows.error());
        source->columns_.clear();
        for (const db::Row& row : rows->rows) source->columns_[db::as_text(row.at(0))].insert(db::as_text(row.at(1)));
        return {};
      },
      db::Unit::Read);
  if (!listed) return base::fail(std::move(listed.error()));
  if (!source->has("LiteLLM_VerificationToken")) {
    return base::fail(ErrorKind::NotFound,
                      "there is no table LiteLLM_VerificationToken in " + source->shown_ +
                          ": this is no database of LiteLLM, or not its schema (add ?schema=NAME)");
  }
  return source;
}

bool LiteLlmSource::has(std::string_view table, std::string_view column) const {
  const auto found = columns_.find(table);
  return found != columns_.end() && found->second.find(column) != found->second.end();
}

Result<std::vector<std::string>> LiteLlmSource::texts(const std::string& sql, const std::vector<db::Value>& values) {
  std::vector<std::string> found;
  Status done = connection_->transact(
      [&](db::Transaction& transaction) -> Status {
        const Result<db::Rows> rows = transaction.run(sql, values);
        if (!rows) return base::fail(rows.error());
        found.clear();
        for (const db::Row& row : rows->rows) found.push_back(db::as_text(row.at(0)));
        return {};
      },
      db::Unit::Read);
  if (!done) return base::fail(std::move(done.error()));
  return found;
}

Status LiteLlmSource::each(std::string_view table, const std::vector<std::string>& key,
                           const std::function<Status(const Row&)>& row, std::vector<std::string> after) {
  if (!has(table)) return {};
  std::string names, places;
  for (std::size_t i = 0; i < key.size(); ++i) {
    names += (i == 0 ? "" : ", ") + quoted_name(key[i]);
    // The place takes the column's type.
    places += (i == 0 ? "$" : ", $") + std::to_string(i + 1);
  }
  for (;;) {
    std::string sql = "SELECT row_to_json(t)::text FROM " + quoted_name(table) + " t";
    if (!after.empty()) sql += " WHERE (" + names + ") > (" + places + ")";
    sql += " ORDER BY " + names + " LIMIT " + std::to_string(kRowsOfATable);
    std::vector<db::Value> values;
    for (const std::string& value : after) values.emplace_back(value);
    const Result<std::vector<std::string>> rows = texts(sql, values);
    if (!rows) return base::fail(rows.error());
    for (const std::string& text : *rows) {
      json::Document document;
      if (Status parsed = document.parse(text); !parsed) return parsed;
      if (Status taken = row(document.root()); !taken) return taken;
      after.clear();
      for (const std::string& name : key) after.push_back(text_of(document.root().find(name)));
    }
    if (rows->size() < kRowsOfATable) return {};
  }
}

Status LiteLlmSource::where(std::string_view table, std::string_view column, const std::string& value,
                            const std::function<Status(const Row&)>& row) {
  if (!has(table, column)) return {};
  const Result<std::vector<std::string>> rows = texts(
      "SELECT row_to_json(t)::text FROM " + quoted_name(table) + " t WHERE " + quoted_name(column) + " = $1", {value});
  if (!rows) return base::fail(rows.error());
  for (const std::string& text : *rows) {
    json::Document document;
    if (Status parsed = document.parse(text); !parsed) return parsed;
    if (Status taken = row(document.root()); !taken) return taken;
  }
  return {};
}

std::string nested_json(const json::Value& value) {
  if (!value || value.is(json::Kind::Null)) return {};
  if (!value.is(json::Kind::String)) return json::compact(value.raw());
  const std::string text = value.text().value_or("");
  json::Document inner;
  return inner.parse(text) ? nested_json(inner.root()) : std::string();
}

std::string text_of(const json::Value& value) {
  if (!value || value.is(json::Kind::Null)) return {};
  return value.is(json::Kind::String) ? value.text().value_or("") : std::string(value.raw());
}

std::optional<Money> money_of(const json::Value& value) {
  const std::string text = text_of(value);
  if (text.empty()) return std::nullopt;
  const Result<Money> money = Money::parse(text);
  return money ? std::optional<Money>(*money) : std::nullopt;
}

std::optional<std::int64_t> time_of(const json::Value& value) {
  const std::string text = text_of(value);
  if (text.empty()) return std::nullopt;
  const std::optional<std::int64_t> zoned = base::parse_iso_time(text);
  return zoned ? zoned : base::parse_iso_time(text + "Z");
}

std::vector<std::string> texts_of(const json::Value& value) {
  const std::string text = nested_json(value);
  return text.empty() ? std::vector<std::string>() : json::read_list(text);
}

void take_column(const json::Value& row, const account::Column& column, account::Record& record) {
  using account::ColumnKind;
  const json::Value value = row.find(column.name);
  if (!value || value.is(json::Kind::Null)) return;
  switch (column.kind) {
    case ColumnKind::Text:
      record.set(column.name, text_of(value));
      return;
    case ColumnKind::Whole:
      if (const auto number = value.number()) record.set(column.name, base::whole_of(*number));
      return;
    case ColumnKind::Amount:
      record.set(column.name, money_of(value));
      return;
    case ColumnKind::Flag:
      record.set(column.name, std::int64_t{value.boolean().value_or(false) ? 1 : 0});
      return;
    case ColumnKind::Time:
      if (const auto time = time_of(value)) record.set(column.name, *time);
      return;
    case ColumnKind::Object: {
      const std::string text = nested_json(value);
      if (text.starts_with('{')) record.set(column.name, text);
      return;
    }
    case ColumnKind::List:
      record.set_list(column.name, texts_of(value));
      return;
  }
}

}  // namespace turnpike::app
