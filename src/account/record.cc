#include "account/record.h"

#include <algorithm>
#include <stdexcept>

#include "base/text.h"
#include "json/lists.h"

namespace turnpike::account {
namespace {

std::string_view empty_json(ColumnKind kind) {
  return kind == ColumnKind::List ? "[]" : "{}";
}

void write_value(json::Writer& writer, ColumnKind kind, const db::Value& value) {
  const bool null = db::is_null(value);
  switch (kind) {
    case ColumnKind::Object:
    case ColumnKind::List: {
      const std::string text = db::as_text(value);
      writer.raw(text.empty() ? empty_json(kind) : std::string_view(text));
      return;
    }
    case ColumnKind::Flag:
      writer.boolean(!null && db::as_int(value) != 0);
      return;
    default:
      break;
  }
  if (null) {
    writer.null();
    return;
  }
  if (kind == ColumnKind::Whole) {
    writer.number(db::as_int(value));
  } else if (kind == ColumnKind::Amount) {
    writer.raw(Money::from_nano(db::as_int(value)).to_string());
  } else if (kind == ColumnKind::Time) {
    writer.string(base::iso_time(db::as_int(value)));
  } else {
    writer.string(db::as_text(value));
  }
}

}  // namespace

bool Table::has(std::string_view column) const {
  return std::ranges::find(columns, column, &Column::name) != columns.end();
}

Record::Record(const Table& table) : table_(&table), values_(table.columns.size()) {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const ColumnKind kind = table.columns[i].kind;
    if (kind == ColumnKind::Object || kind == ColumnKind::List) values_[i] = std::string(empty_json(kind));
    if (kind == ColumnKind::Flag) values_[i] = std::int64_t{0};
  }
}

std::string Record::id() const {
  std::string text = key(0);
  if (table_->keys > 1) text += "::" + key(1);
  return text;
}

std::size_t Record::place(std::string_view column) const {
  for (std::size_t i = 0; i < table_->columns.size(); ++i) {
    if (table_->columns[i].name == column) return i;
  }
  throw std::logic_error("table " + std::string(table_->sql) + " has no column " + std::string(column));
}

const db::Value& Record::operator[](std::string_view column) const {
  return values_[place(column)];
}

std::optional<std::string> Record::maybe_text(std::string_view column) const {
  const db::Value& value = (*this)[column];
  if (db::is_null(value)) return std::nullopt;
  return db::as_text(value);
}

std::optional<std::int64_t> Record::whole(std::string_view column) const {
  const db::Value& value = (*this)[column];
  if (db::is_null(value)) return std::nullopt;
  return db::as_int(value);
}

std::optional<Money> Record::amount(std::string_view column) const {
  const std::optional<std::int64_t> nano = whole(column);
  return nano ? std::optional(Money::from_nano(*nano)) : std::nullopt;
}

std::vector<std::string> Record::list(std::string_view column) const {
  return json::read_list(text(column));
}

Record& Record::set(std::string_view column, db::Value value) {
  values_[place(column)] = std::move(value);
  return *this;
}

Record& Record::set(std::string_view column, std::optional<Money> amount) {
  return set(column, amount ? db::Value(amount->nano()) : db::Value());
}

Record& Record::set_list(std::string_view column, const std::vector<std::string>& texts) {
  return set(column, db::Value(json::write_list(texts)));
}

void write_record(json::Writer& writer, const Record& row, std::span<const std::string_view> hidden) {
  for (const Column& column : row.table().columns) {
    if (std::find(hidden.begin(), hidden.end(), column.name) != hidden.end()) continue;
    writer.key(column.name);
    write_value(writer, column.kind, row[column.name]);
  }
  if (row.table().account_kind != 0) {
    writer.key("spend").raw(row.spend.to_string()).key("spend_tokens");
    row.tokens ? writer.number(row.tokens->spent.nano()) : writer.null();
  }
  writer.key("created_at").string(base::iso_time(row.created_us)).key("created_by").string(row.created_by);
  writer.key("updated_at").string(base::iso_time(row.updated_us)).key("updated_by").string(row.updated_by);
}

std::string record_json(const Record& row) {
  constexpr std::string_view kSecrets[] = {"password", "credential_values", "litellm_params"};
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  write_record(writer, row, kSecrets);
  writer.end_object();
  return text;
}

}  // namespace turnpike::account
