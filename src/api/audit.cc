#include <fmt/format.h>

#include <algorithm>

#include "api/handlers.h"
#include "api/query.h"
#include "api/records.h"
#include "api/reply.h"
#include "base/clock.h"
#include "base/text.h"
#include "json/write.h"

/// The audit log: who changed what, when, in which request, from what to what.
namespace turnpike::api {
namespace {

using account::Records;

constexpr std::uint64_t kPageSizeMax = 100;
constexpr std::uint64_t kPageMax = 1'000'000'000;
constexpr std::uint64_t kExportMax = 10'000;  // Lines of one export; `before` goes on from there.

constexpr std::string_view kAuditColumns =
    "SELECT id, changed_at_us, changed_by, changed_by_key, request_id, action, table_name, object_id, before_value, "
    "updated_values FROM audit";

struct Filter {
  std::string sql;
  std::vector<db::Value> values;

  void add(std::string_view test, db::Value value) {
    values.push_back(std::move(value));
    sql += (sql.empty() ? " WHERE " : " AND ") + std::string(test) + " $" + std::to_string(values.size());
  }
};

struct NamedColumn {
  std::string_view asked, column;
};
constexpr NamedColumn kFilters[] = {{"changed_by", "changed_by ="}, {"changed_by_api_key", "changed_by_key ="},
                                    {"action", "action ="},         {"table_name", "table_name ="},
                                    {"object_id", "object_id ="},   {"request_id", "request_id ="}};

Result<std::optional<std::int64_t>> query_time(const Context& context, std::string_view name) {
  const std::string text = context.request().query_value(name);
  if (text.empty()) return std::optional<std::int64_t>();
  const std::optional<std::int64_t> time = base::parse_iso_time(text);
  if (!time) return refuse_field(name, std::string(name) + " must be a time: 2026-12-31 or 2026-12-31T00:00:00Z.");
  return time;
}

Result<Filter> read_filter(const Context& context) {
  Filter filter;
  for (const NamedColumn& named : kFilters) {
    if (std::string value = context.request().query_value(named.asked); !value.empty()) {
      filter.add(named.column, std::move(value));
    }
  }
  const Result<std::optional<std::int64_t>> from = query_time(context, "start_date");
  if (!from) return base::fail(from.error());
  if (*from) filter.add("changed_at_us >=", **from);
  const Result<std::optional<std::int64_t>> until = query_time(context, "end_date");
  if (!until) return base::fail(until.error());
  // A bare date is the whole of that day.
  const bool whole_day = context.request().query_value("end_date").find('T') == std::string::npos;
  if (*until) filter.add("changed_at_us <", **until + (whole_day ? base::kDayUs : 1));
  return filter;
}

void json_or_null(json::Writer& writer, std::string_view name, const db::Value& value) {
  writer.key(name);
  if (db::is_null(value)) {
    writer.null();
  } else {
    writer.raw(db::as_text(value));
  }
}

void write_line(json::Writer& writer, const db::Row& row) {
  writer.begin_object().key("id").string(db::as_text(row.at(0)));
  writer.key("updated_at").string(base::iso_time(db::as_int(row.at(1))));
  writer.key("changed_by").string(db::as_text(row.at(2))).key("changed_by_api_key").string(db::as_text(row.at(3)));
  writer.key("request_id").string(db::as_text(row.at(4))).key("action").string(db::as_text(row.at(5)));
  writer.key("table_name").string(db::as_text(row.at(6))).key("object_id").string(db::as_text(row.at(7)));
  json_or_null(writer, "before_value", row.at(8));
  json_or_null(writer, "updated_values", row.at(9));
  writer.end_object();
}

/// RFC 4180. A cell that a spreadsheet would take for a formula is led in by an apostrophe: names are callers' texts.
void append_cell(std::string& out, std::string_view text) {
  const bool formula = !text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos;
  out += '"';
  if (formula) out += '\'';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::string csv_of(const std::vector<db::Row>& rows) {
  std::string out =
      "id,updated_at,changed_by,changed_by_api_key,request_id,action,table_name,object_id,before_value,"
      "updated_values\r\n";
  for (const db::Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) out += ',';
      append_cell(out, i == 1 ? base::iso_time(db::as_int(row.at(i))) : db::as_text(row.at(i)));
    }
    out += "\r\n";
  }
  return out;
}

std::string lines_of(const std::vector<db::Row>& rows) {
  std::string out;
  for (const db::Row& row : rows) {
    json::Writer writer(out);
    write_line(writer, row);
    out += '\n';
  }
  return out;
}

/// The oldest lines that fit the filter first, so that a reader goes on with start_date where he stopped.
Result<Reply> export_lines(Records& records, const Filter& filter, std::uint64_t count, bool csv) {
  const auto rows = records.transaction().run(
      std::string(kAuditColumns) + filter.sql + " ORDER BY changed_at_us, id LIMIT " + std::to_string(count),
      filter.values);
  if (!rows) return base::fail(rows.error());
  Reply reply = private_json_reply(csv ? csv_of(rows->rows) : lines_of(rows->rows));
  reply.content_type = csv ? "text/csv; charset=utf-8" : "application/x-ndjson";
  http::add_field(reply.fields, "Content-Disposition",
                  csv ? "attachment; filename=\"audit.csv\"" : "attachment; filename=\"audit.jsonl\"");
  return reply;
}

std::string order_of(std::string_view sort, std::string_view order) {
  std::string column = "changed_at_us";
  for (const std::string_view known : {"changed_by", "action", "table_name", "object_id"}) {
    if (sort == known) column = known;
  }
  const std::string direction = order == "asc" ? " ASC" : " DESC";
  return " ORDER BY " + column + direction + ", id" + direction;
}

Result<Reply> list_lines(const Context& context, Records& records) {
  const Result<Filter> filter = read_filter(context);
  if (!filter) return base::fail(filter.error());
  const Result<std::string> format = query_word(context, "format", {"json", "jsonl", "csv"});
  if (!format) return base::fail(format.error());
  if (*format == "jsonl" || *format == "csv") {
    const Result<std::uint64_t> count = query_count(context, "limit", kExportMax, 1, kExportMax);
    if (!count) return base::fail(count.error());
    return export_lines(records, *filter, *count, *format == "csv");
  }
  const Result<std::uint64_t> page = query_count(context, "page", 1, 1, kPageMax);
  if (!page) return base::fail(page.error());
  const Result<std::uint64_t> size = query_count(context, "page_size", 10, 1, kPageSizeMax);
  if (!size) return base::fail(size.error());
  const Result<std::string> sort =
      query_word(context, "sort_by", {"updated_at", "changed_by", "action", "table_name", "object_id"});
  if (!sort) return base::fail(sort.error());
  const Result<std::string> order = query_word(context, "sort_order", {"asc", "desc"});
  if (!order) return base::fail(order.error());
  db::Transaction& transaction = records.transaction();
  const auto counted = transaction.run("SELECT count(*) FROM audit" + filter->sql, filter->values);
  if (!counted) return base::fail(counted.error());
  const auto total = static_cast<std::uint64_t>(db::as_int(counted->rows.at(0).at(0)));
  const auto rows = transaction.run(std::string(kAuditColumns) + filter->sql + order_of(*sort, *order) + " LIMIT " +
                                        std::to_string(*size) + " OFFSET " + std::to_string((*page - 1) * *size),
                                    filter->values);
  if (!rows) return base::fail(rows.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("audit_logs").begin_array();
  for (const db::Row& row : rows->rows) write_line(writer, row);
  writer.end_array();
  writer.key("total").number(total).key("page").number(*page).key("page_size").number(*size);
  writer.key("total_pages").number((total + *size - 1) / *size).end_object();
  return private_json_reply(std::move(text));
}

Result<Reply> show_line(const Context& context, Records& records) {
  const auto rows = records.transaction().run(std::string(kAuditColumns) + " WHERE id = $1", {context.captured});
  if (!rows) return base::fail(rows.error());
  if (rows->rows.empty()) {
    return base::fail(ErrorKind::NotFound, "Audit log with ID " + context.captured + " not found");
  }
  std::string text;
  json::Writer writer(text);
  write_line(writer, rows->rows.front());
  return private_json_reply(std::move(text));
}

}  // namespace

Task<Result<Reply>> list_audit(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) { return list_lines(context, records); };
  co_return co_await answer_from_records(context, std::move(work));
}

Task<Result<Reply>> show_audit(const Context& context) {
  std::function<Result<Reply>(Records&)> work = [&context](Records& records) { return show_line(context, records); };
  co_return co_await answer_from_records(context, std::move(work));
}

}  // namespace turnpike::api
