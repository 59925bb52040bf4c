#include "api/record_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "account/model_budgets.h"
#include "api/key_fields.h"
#include "api/reply.h"
#include "base/text.h"
#include "config/budget_settings.h"
#include "http/message.h"
#include "json/lists.h"
#include "protocol/field_readers.h"

namespace turnpike::api {
namespace {

using account::ColumnKind;

constexpr std::size_t kTextBytesMax = 4096;
constexpr std::size_t kListMax = 10'000;
constexpr std::size_t kObjectBytesMax = 256 * 1024;
constexpr std::string_view kTokenRange = "a whole number of tokens from 0 to 1,000,000,000,000,000";

const account::Column* column_of(const account::Table& table, std::string_view name) {
  const auto found = std::find_if(table.columns.begin(), table.columns.end(),
                                  [name](const account::Column& column) { return column.name == name; });
  return found == table.columns.end() ? nullptr : &*found;
}

tl::unexpected<Error> wrong(std::string_view name, std::string_view wanted) {
  return refuse_field(name, std::string(name) + " must be " + std::string(wanted) + ".");
}

Result<std::string> read_text(std::string_view name, const json::Value& value) {
  std::optional<std::string> text = value.text();
  if (!text) return wrong(name, "a text");
  if (text->size() > kTextBytesMax || base::has_control(*text)) {
    return wrong(name, "a text of at most 4,096 bytes without control characters");
  }
  return std::move(*text);
}

Result<std::vector<std::string>> read_texts(std::string_view name, const json::Value& value) {
  if (!value.is(json::Kind::Array)) return wrong(name, "a list of texts");
  std::vector<std::string> texts;
  for (const json::Value element : value.elements()) {
    if (texts.size() == kListMax) return wrong(name, "a list of at most 10,000 texts");
    Result<std::string> text = read_text(name, element);
    if (!text) return wrong(name, "a list of texts");
    texts.push_back(std::move(*text));
  }
  return texts;
}

Result<Money> read_amount(std::string_view name, const json::Value& value) {
  if (!value.is(json::Kind::Number)) return wrong(name, "an amount of dollars, a number from 0");
  Result<Money> money = Money::parse(value.raw());
  if (!money || *money < Money()) {
    return wrong(name, "an amount of dollars from 0 to 9,200,000,000");
  }
  return money;
}

Result<db::Value> read_column(const account::Column& column, const json::Value& value) {
  const std::string_view name = column.name;
  switch (column.kind) {
    case ColumnKind::Text: {
      Result<std::string> text = read_text(name, value);
      if (!text) return base::fail(std::move(text.error()));
      if (name == "budget_duration" && !domain::parse_budget_duration(*text)) {
        return wrong(name, "a number and a unit: \"30d\" (s, m, h, d, w, mo)");
      }
      return db::Value(std::move(*text));
    }
    case ColumnKind::Whole: {
      const std::optional<std::uint64_t> whole = value.whole();
      if (!whole) return wrong(name, "a whole number from 0");
      if (name.ends_with("_budget_tokens") && *whole > config::kTokenBudgetMax) return wrong(name, kTokenRange);
      return db::Value(static_cast<std::int64_t>(*whole));
    }
    case ColumnKind::Amount: {
      const Result<Money> money = read_amount(name, value);
      if (!money) return base::fail(money.error());
      return db::Value(money->nano());
    }
    case ColumnKind::Flag: {
      const std::optional<bool> flag = value.boolean();
      if (!flag) return wrong(name, "true or false");
      return db::Value(std::int64_t{*flag});
    }
    case ColumnKind::Time: {
      const std::optional<std::string> text = value.text();
      const std::optional<std::int64_t> time = text ? base::parse_iso_time(*text) : std::nullopt;
      if (!time) return wrong(name, "a time: \"2026-12-31T00:00:00Z\"");
      return db::Value(*time);
    }
    case ColumnKind::Object:
      if (!value.is(json::Kind::Object)) return wrong(name, "an object");
      if (value.raw().size() > kObjectBytesMax) return wrong(name, "an object of at most 256 KB");
      if (name == "model_max_budget") {
        if (const auto budgets = account::read_model_budgets(value.raw()); !budgets) return base::fail(budgets.error());
      }
      return db::Value(json::compact(value.raw()));
    case ColumnKind::List: {
      const Result<std::vector<std::string>> texts = read_texts(name, value);
      if (!texts) return base::fail(texts.error());
      return db::Value(json::write_list(*texts));
    }
  }
  return db::Value();
}

Status into_column(const account::Column& column, const json::Value& value, account::Record& row) {
  if (value.is(json::Kind::Null)) {
    if (column.nullable && column.kind != ColumnKind::Object && column.kind != ColumnKind::List &&
        column.kind != ColumnKind::Flag) {
      row.set(column.name, db::Value());
    }
    return {};
  }
  Result<db::Value> read = read_column(column, value);
  if (!read) return base::fail(std::move(read.error()));
  row.set(column.name, std::move(*read));
  return {};
}

Status into_metadata(std::string_view name, const json::Value& value, account::Record& row) {
  if (value.raw().size() > kObjectBytesMax) return wrong(name, "at most 256 KB");
  row.set("metadata", db::Value(set_member(row.text("metadata"), name, json::compact(value.raw()))));
  return {};
}

const BodyField* field_of(std::span<const BodyField> fields, std::string_view name) {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [name](const BodyField& field) { return field.name == name; });
  return found == fields.end() ? nullptr : &*found;
}

/// Null, and what asks for nothing: neither is told as unenforced.
bool asks(const json::Value& value) {
  return !value.is(json::Kind::Null) && value.raw() != "{}" && value.raw() != "[]";
}

}  // namespace

Result<Applied> apply_fields(const json::Value& body, std::span<const BodyField> fields, account::Record& row) {
  using Rule = BodyField::Rule;
  if (!body.is(json::Kind::Object)) return refuse_field("body", "The body must be a JSON object.");
  Applied applied;
  std::vector<std::string> seen;
  for (const json::Value::Pair member : body.members()) {
    const std::string name = member.key.text().value_or(std::string());
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
      return refuse_field(name, name + " is there twice: send it once.");
    }
    seen.push_back(name);
    const BodyField* field = field_of(fields, name);
    if (field == nullptr) {
      applied.ignored.push_back(name);
      continue;
    }
    if (field->rule == Rule::Own) continue;
    const account::Column* column = field->rule == Rule::Metadata ? nullptr : column_of(row.table(), name);
    if (field->rule == Rule::Unenforced && asks(member.value)) applied.unenforced.push_back(name);
    Status done;
    if (column != nullptr && name == "metadata" && member.value.is(json::Kind::Object)) {
      row.set("metadata", db::Value(merged_metadata(row.text("metadata"), member.value.raw())));
    } else if (column != nullptr) {
      done = into_column(*column, member.value, row);
    }
    if (!done) return base::fail(std::move(done.error()));
  }
  // Behind `metadata` itself, which would otherwise lay itself over them.
  for (const json::Value::Pair member : body.members()) {
    const std::string name = member.key.text().value_or(std::string());
    const BodyField* field = field_of(fields, name);
    if (field == nullptr || field->rule == Rule::Own || member.value.is(json::Kind::Null)) continue;
    if (field->rule != Rule::Metadata && column_of(row.table(), name) != nullptr) continue;
    if (Status done = into_metadata(name, member.value, row); !done) return base::fail(std::move(done.error()));
  }
  return applied;
}

std::string merged_metadata(std::string_view old_json, std::string_view sent_json) {
  // What stands in metadata without being the administrator's own text: an update of metadata must not lose it.
  constexpr std::string_view kStored[] = {"model_rpm_limit",
                                          "model_tpm_limit",
                                          "rpm_limit_type",
                                          "tpm_limit_type",
                                          "enforced_params",
                                          "allowed_ips",
                                          "budget_mode",
                                          "temp_budget_increase",
                                          "temp_budget_expiry",
                                          "guardrails",
                                          "policies",
                                          "tags",
                                          "prompts",
                                          "logging",
                                          "secret_manager_settings",
                                          "allowed_passthrough_routes",
                                          "allowed_vector_store_indexes",
                                          "team_member_key_duration",
                                          "team_member_budget_id",
                                          "service_account_id"};
  std::string merged = json::compact(sent_json);
  json::Document old_document, sent_document;
  if (!old_document.parse(old_json) || !sent_document.parse(sent_json)) return merged;
  for (const std::string_view name : kStored) {
    const json::Value kept = old_document.root().find(name);
    if (kept && !sent_document.root().find(name)) merged = set_member(merged, name, kept.raw());
  }
  return merged;
}

std::string metadata_member(std::string_view metadata_json, std::string_view name) {
  json::Document metadata;
  if (!metadata.parse(metadata_json)) return {};
  const json::Value value = metadata.root().find(name);
  return value && !protocol::asks_for_nothing(value) ? json::compact(value.raw()) : std::string();
}

std::vector<std::string> new_targets(std::string_view before_json, std::string_view after_json) {
  std::vector<std::string> targets;
  json::Document before, after;
  if (!before.parse(before_json) || !after.parse(after_json)) return targets;
  for (const json::Value::Pair alias : after.root().members()) {
    std::optional<std::string> target = alias.value.text();
    if (target && before.root().find(alias.key.text().value_or("")).text() != target)
      targets.push_back(std::move(*target));
  }
  return targets;
}

Result<std::optional<std::string>> text_member(const json::Value& body, std::string_view name) {
  const json::Value value = body.find(name);
  if (!value || value.is(json::Kind::Null)) return std::optional<std::string>();
  Result<std::string> text = read_text(name, value);
  if (!text) return base::fail(std::move(text.error()));
  return std::optional(std::move(*text));
}

Result<std::string> needed_text(const json::Value& body, std::string_view name) {
  Result<std::optional<std::string>> text = text_member(body, name);
  if (!text) return base::fail(std::move(text.error()));
  if (!*text || (*text)->empty()) return refuse_field(name, std::string(name) + " is missing.");
  return std::move(**text);
}

Result<std::optional<bool>> flag_member(const json::Value& body, std::string_view name) {
  const json::Value value = body.find(name);
  if (!value || value.is(json::Kind::Null)) return std::optional<bool>();
  const std::optional<bool> flag = value.boolean();
  if (!flag) return wrong(name, "true or false");
  return flag;
}

Result<std::optional<Money>> amount_member(const json::Value& body, std::string_view name) {
  const json::Value value = body.find(name);
  if (!value || value.is(json::Kind::Null)) return std::optional<Money>();
  const Result<Money> money = read_amount(name, value);
  if (!money) return base::fail(money.error());
  return std::optional(*money);
}

Result<std::optional<std::uint64_t>> whole_member(const json::Value& body, std::string_view name) {
  const json::Value value = body.find(name);
  if (!value || value.is(json::Kind::Null)) return std::optional<std::uint64_t>();
  const std::optional<std::uint64_t> whole = value.whole();
  if (!whole) return wrong(name, "a whole number from 0");
  return whole;
}

Result<std::optional<std::int64_t>> token_member(const json::Value& body, std::string_view name) {
  const Result<std::optional<std::uint64_t>> whole = whole_member(body, name);
  if (!whole) return base::fail(whole.error());
  if (!*whole) return std::optional<std::int64_t>();
  if (**whole > config::kTokenBudgetMax) return wrong(name, kTokenRange);
  return std::optional(static_cast<std::int64_t>(**whole));
}

Status check_token_budgets(std::optional<std::int64_t> soft, std::optional<std::int64_t> hard) {
  if (!soft || !hard || *soft < *hard) return {};
  return refuse_field(
      "soft_budget_tokens",
      fmt::format("soft_budget_tokens ({}) must be strictly lower than max_budget_tokens ({}).", *soft, *hard));
}

Status check_token_budgets(const account::Record& row) {
  return check_token_budgets(row.whole("soft_budget_tokens"), row.whole("max_budget_tokens"));
}

Result<std::optional<std::vector<std::string>>> list_member(const json::Value& body, std::string_view name) {
  const json::Value value = body.find(name);
  if (!value || value.is(json::Kind::Null)) return std::optional<std::vector<std::string>>();
  Result<std::vector<std::string>> texts = read_texts(name, value);
  if (!texts) return base::fail(std::move(texts.error()));
  return std::optional(std::move(*texts));
}

void tell_applied(const Applied& applied, std::string& fields) {
  if (!applied.ignored.empty()) {
    http::add_field(fields, "x-turnpike-ignored-fields", ignored_fields_value(applied.ignored));
  }
  if (!applied.unenforced.empty()) {
    http::add_field(fields, "x-turnpike-unenforced-fields", ignored_fields_value(applied.unenforced));
  }
}

}  // namespace turnpike::api
