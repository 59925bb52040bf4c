#include "app/importer.h"

#include <algorithm>

#include "account/tables.h"
#include "json/write.h"

namespace turnpike::app {
namespace {

using account::Record;

constexpr std::size_t kRowsAtOnce = 200;
const char* const kActor = "import-litellm";

constexpr std::string_view kBookkeeping[] = {"created_at", "created_by",           "updated_at", "updated_by",
                                             "spend",      "object_permission_id", "model_spend"};

bool says_nothing(const json::Value& value) {
  const std::string_view raw = value.raw();
  return raw == "null" || raw == "false" || raw == "0" || raw == "\"\"" || raw == "[]" || raw == "{}";
}

/// Every string of the text that opens is opened; the others were never sealed.
void open_value(const account::Sealer& sealer, const json::Value& value, json::Writer& out, std::int64_t& plain) {
  switch (value.kind()) {
    case json::Kind::Object:
      out.begin_object();
      for (const json::Value::Pair member : value.members()) {
        out.key(member.key.text().value_or(""));
        open_value(sealer, member.value, out, plain);
      }
      out.end_object();
      return;
    case json::Kind::Array:
      out.begin_array();
      for (const json::Value element : value.elements()) open_value(sealer, element, out, plain);
      out.end_array();
      return;
    case json::Kind::String: {
      const std::string text = value.text().value_or("");
      const std::optional<std::string> opened = sealer.ready() ? sealer.open(text) : std::nullopt;
      if (!opened && !text.empty()) ++plain;
      out.string(opened.value_or(text));
      return;
    }
    default:
      out.raw(value.raw());
  }
}

}  // namespace

Status Importer::in_target(const std::function<Status(account::Records&)>& work) {
  account::Actor actor;
  actor.name = kActor;
  actor.now_us = parts_.now_us;
  const auto unit = [&](db::Transaction& transaction) -> Status {
    account::Records records(transaction, actor);
    return work(records);
  };
  return parts_.dry_run ? parts_.target->read_now(unit) : parts_.target->transact_now(unit);
}

ImportCount& Importer::begin_count(const std::string& name) {
  counts_.emplace_back();
  counts_.back().name = name;
  return counts_.back();
}

void Importer::note_unused(const json::Value& row, const Copy& copy, ImportCount& count) const {
  const auto known = [&](std::string_view name) {
    const auto is_name = [name](std::string_view other) { return other == name; };
    return std::any_of(std::begin(kBookkeeping), std::end(kBookkeeping), is_name) ||
           std::any_of(copy.unused.begin(), copy.unused.end(), is_name) ||
           std::any_of(copy.key.begin(), copy.key.end(), is_name) ||
           std::any_of(copy.target->columns.begin(), copy.target->columns.end(),
                       [name](const account::Column& column) { return column.name == name; });
  };
  for (const json::Value::Pair member : row.members()) {
    const std::string name = member.key.text().value_or("");
    if (!known(name) && !says_nothing(member.value)) count.note("column " + name + " has no place here");
  }
}

Importer::Pending Importer::read_row(const Copy& copy, const json::Value& row, ImportCount& count) {
  Pending pending{Record(*copy.target)};
  for (const account::Column& column : copy.target->columns) take_column(row, column, pending.record);
  pending.record.spend = money_of(row.find("spend")).value_or(Money());
  pending.created_us = time_of(row.find("created_at")).value_or(parts_.now_us);
  pending.updated_us = time_of(row.find("updated_at")).value_or(pending.created_us);
  pending.created_by = text_of(row.find("created_by"));
  pending.updated_by = text_of(row.find("updated_by"));
  note_unused(row, copy, count);
  return pending;
}

Status Importer::copy_table(const Copy& copy) {
  ImportCount& count = begin_count(copy.source);
  std::vector<Pending> batch;
  const auto take = [&](const json::Value& row) -> Status {
    Pending pending = read_row(copy, row, count);
    count.add_found(pending.record.spend);
    const Result<std::string> reason = copy.prepare ? copy.prepare(row, pending.record) : std::string();
    if (!reason) return base::fail(reason.error());
    if (!reason->empty()) {
      count.leave_out(pending.record.spend, *reason);
      return {};
    }
    batch.push_back(std::move(pending));
    return batch.size() < kRowsAtOnce ? Status{} : write(batch, count);
  };
  if (Status read = parts_.source->each(copy.source, copy.key, take); !read) return read;
  return write(batch, count);
}

Status Importer::write(std::vector<Pending>& batch, ImportCount& count) {
  if (batch.empty()) return {};
  ImportCount after = count;  // A unit of work may run twice; its figures count once.
  Status written = in_target([&](account::Records& records) -> Status {
    after = count;
    for (const Pending& row : batch) {
      if (Status one = write_one(records, row, after); !one) return one;
    }
    return {};
  });
  if (!written) return written;
  count = after;
  batch.clear();
  return {};
}

Status Importer::write_one(account::Records& records, const Pending& row, ImportCount& count) const {
  const account::Table& table = row.record.table();
  const std::string second = table.keys > 1 ? row.record.key(1) : std::string();
  const Result<std::optional<Record>> there = records.find(table, row.record.key(0), second);
  if (!there) return base::fail(there.error());
  if (*there) {
    count.add_there(row.record.spend);
    return {};
  }
  Record record = row.record;
  if (Status kept = drop_missing_budget(records, record, count); !kept) return kept;
  count.add_made(record.spend);
  if (parts_.dry_run) return {};
  if (const Result<Record> made = records.create(std::move(record)); !made) return base::fail(made.error());
  std::string sql = "UPDATE " + std::string(table.sql) +
                    " SET created_at_us = $1, updated_at_us = $2, created_by = $3, updated_by = $4 WHERE " +
                    std::string(table.columns[0].name) + " = $5";
  std::vector<db::Value> values = {row.created_us, row.updated_us, row.created_by, row.updated_by, row.record.key(0)};
  if (table.keys > 1) {
    sql += " AND " + std::string(table.columns[1].name) + " = $6";
    values.emplace_back(second);
  }
  const Result<db::Rows> dated = records.transaction().run(sql, values);
  return dated ? Status{} : base::fail(dated.error());
}

/// A link to a budget that is gone is no link.
Status Importer::drop_missing_budget(account::Records& records, Record& record, ImportCount& count) const {
  const account::Table& table = record.table();
  const bool links =
      &table != &account::kBudgets && std::any_of(table.columns.begin(), table.columns.end(),
                                                  [](const auto& column) { return column.name == "budget_id"; });
  if (!links || record.is_null("budget_id") || parts_.dry_run) return {};
  const Result<std::optional<Record>> budget = records.find(account::kBudgets, record.text("budget_id"));
  if (!budget) return base::fail(budget.error());
  if (*budget) return {};
  record.set("budget_id", db::Value());
  count.note("budget_id names no budget and was dropped");
  return {};
}

Result<std::string> Importer::object_permission(const json::Value& row) {
  const std::string id = text_of(row.find("object_permission_id"));
  std::string found = "{}";
  if (id.empty()) return found;
  Status read = parts_.source->where(
      "LiteLLM_ObjectPermissionTable", "object_permission_id", id, [&](const json::Value& permission) -> Status {
        found.clear();
        json::Writer out(found);
        out.begin_object();
        for (const json::Value::Pair member : permission.members()) {
          const std::string name = member.key.text().value_or("");
          const std::string text = nested_json(member.value);
          if (name == "object_permission_id" || text.empty() || text == "[]" || text == "{}") continue;
          out.key(name).raw(text);
        }
        out.end_object();
        return {};
      });
  if (!read) return base::fail(std::move(read.error()));
  return found;
}

Result<std::string> Importer::resealed(const json::Value& value, ImportCount& count) const {
  const std::string text = nested_json(value);
  json::Document document;
  if (text.empty() || !document.parse(text)) return std::string("{}");
  std::string opened;
  json::Writer out(opened);
  std::int64_t plain = 0;
  open_value(parts_.theirs, document.root(), out, plain);
  if (plain > 0) count.note("with values that LITELLM_SALT_KEY does not open; they were taken as plain text");
  return account::seal_strings(parts_.ours, opened);
}

Status Importer::copy() {
  using namespace account;
  const auto with_permission = [this](const json::Value& row, Record& record) -> Result<std::string> {
    const Result<std::string> permission = object_permission(row);
    if (!permission) return base::fail(permission.error());
    record.set("object_permission", *permission);
    return std::string();
  };
  const auto team = [this, with_permission](const json::Value& row, Record& record) -> Result<std::string> {
    if (record.key() == "litellm-dashboard") return std::string("the team of LiteLLM's dashboard");
    if (const std::string id = text_of(row.find("model_id")); !id.empty()) {
      Status aliases = parts_.source->where("LiteLLM_ModelTable", "id", id, [&](const json::Value& model) -> Status {
        const std::string text = nested_json(model.find("aliases"));
        if (text.starts_with('{')) record.set("model_aliases", text);
        return {};
      });
      if (!aliases) return base::fail(std::move(aliases.error()));
    }
    return with_permission(row, record);
  };
  const auto model = [this](const json::Value& row, Record& record) -> Result<std::string> {
    Result<std::string> sealed = resealed(row.find("litellm_params"), counts_.back());
    if (!sealed) return base::fail(std::move(sealed.error()));
    record.set("litellm_params", std::move(*sealed));
    return std::string();
  };
  const auto credential = [this](const json::Value& row, Record& record) -> Result<std::string> {
    Result<std::string> sealed = resealed(row.find("credential_values"), counts_.back());
    if (!sealed) return base::fail(std::move(sealed.error()));
    record.set("credential_values", std::move(*sealed));
    return std::string();
  };
  const auto user = [with_permission](const json::Value& row, Record& record) -> Result<std::string> {
    // The row that carries the spend of the whole proxy is nobody.
    if (record.key() == "litellm-proxy-budget") return std::string("LiteLLM's sum over all calls, which is no user");
    return with_permission(row, record);
  };
  const Copy copies[] = {
      {"LiteLLM_BudgetTable", &kBudgets, {"budget_id"}},
      {"LiteLLM_OrganizationTable", &kOrganizations, {"organization_id"}, {}, with_permission},
      {"LiteLLM_UserTable", &kUsers, {"user_id"}, {"team_id", "organization_id", "teams"}, user},
      {"LiteLLM_TeamTable", &kTeams, {"team_id"}, {"admins", "members", "members_with_roles", "model_id"}, team},
      {"LiteLLM_OrganizationMembership", &kOrganizationMembers, {"organization_id", "user_id"}},
      {"LiteLLM_EndUserTable", &kEndUsers, {"user_id"}, {}, with_permission},
      {"LiteLLM_TagTable", &kTags, {"tag_name"}},
      {"LiteLLM_AccessGroupTable", &kAccessGroups, {"access_group_id"}},
      {"LiteLLM_ProxyModelTable", &kModels, {"model_id"}, {}, model},
      {"LiteLLM_CredentialsTable", &kCredentials, {"credential_name"}, {"credential_id"}, credential},
  };
  for (const Copy& one : copies) {
    if (Status copied = copy_table(one); !copied) {
      copied.error().message = one.source + ": " + copied.error().message;
      return copied;
    }
  }
  if (Status members = copy_members(); !members) return members;
  if (Status keys = copy_keys(); !keys) return keys;
  if (Status old = copy_deprecated_keys(); !old) return old;
  return count_config();
}

Status Importer::count_config() {
  ImportCount& count = begin_count("LiteLLM_Config");
  return parts_.source->each("LiteLLM_Config", {"param_name"}, [&](const json::Value& row) -> Status {
    count.add_found(Money());
    count.leave_out(Money(), "settings belong into the configuration file: " + text_of(row.find("param_name")));
    return {};
  });
}

}  // namespace turnpike::app
