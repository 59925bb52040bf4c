#include <algorithm>
#include <iterator>

#include "account/owned_keys.h"
#include "account/tables.h"
#include "account/team_roster.h"
#include "api/handlers.h"
#include "api/organization_rows.h"

// Organisations (spec management-api 5). Their limits stand in a budget object.
namespace turnpike::api {
namespace {

using account::kOrganizations;
using account::Record;
using account::Records;
using Rule = BodyField::Rule;

constexpr BodyField kOrganizationFields[] = {{"organization_id", Rule::Own},
                                             {"organization_alias"},
                                             {"budget_id", Rule::Own},
                                             {"models"},
                                             {"metadata"},
                                             {"model_rpm_limit", Rule::Metadata},
                                             {"model_tpm_limit", Rule::Metadata},
                                             {"object_permission", Rule::Unenforced},
                                             {"spend", Rule::Own}};

Status set_spend(const json::Value& body, Record& row) {
  const Result<std::optional<Money>> spend = amount_member(body, "spend");
  if (!spend) return base::fail(spend.error());
  if (*spend) row.spend = **spend;
  return {};
}

Result<Reply> organization_reply(const Context& context, Records& records, const Record& row, const Applied& applied) {
  std::string text;
  json::Writer writer(text);
  if (Status written = write_organization(writer, context, records, row); !written) {
    return base::fail(std::move(written.error()));
  }
  Reply reply = private_json_reply(std::move(text));
  tell_applied(applied, reply.fields);
  return reply;
}

Result<Reply> make_organization(const Context& context, Records& records, const json::Value& body) {
  if (const Result<std::string> alias = needed_text(body, "organization_alias"); !alias) {
    return base::fail(alias.error());
  }
  const Result<std::optional<std::string>> id = text_member(body, "organization_id");
  if (!id) return base::fail(id.error());
  Record row(kOrganizations);
  row.set("organization_id", db::Value(id->value_or("").empty() ? new_id(records) : **id));
  Result<Applied> applied = apply_fields(body, kOrganizationFields, row);
  if (!applied) return base::fail(std::move(applied.error()));
  if (Status set = set_spend(body, row); !set) return base::fail(std::move(set.error()));
  if (Status linked = link_budget(context, records, body, true, row, *applied); !linked) {
    return base::fail(std::move(linked.error()));
  }
  const Result<std::optional<Record>> there = records.find(kOrganizations, row.key());
  if (!there) return base::fail(there.error());
  if (*there) {
    return refuse_field("organization_id", "Organization with organization_id=" + row.key() + " already exists.");
  }
  const Result<Record> made = records.create(std::move(row));
  if (!made) return base::fail(made.error());
  return organization_reply(context, records, *made, *applied);
}

Result<Reply> change_organization(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> id = needed_text(body, "organization_id");
  if (!id) return base::fail(id.error());
  if (Status may = may_manage_organization(records, *context.caller, *id); !may) return base::fail(may.error());
  const Result<Record> before = get_organization(records, *id);
  if (!before) return base::fail(before.error());
  Result<Grant> grant = read_grant(body, Grant::To::Organization, false);
  if (!grant) return base::fail(std::move(grant.error()));
  grant->organization_id = *id;
  if (Status within = grant_within(records, *context.caller, *grant); !within) return base::fail(within.error());
  Record after = *before;
  Result<Applied> applied = apply_fields(body, kOrganizationFields, after);
  if (!applied) return base::fail(std::move(applied.error()));
  if (Status set = set_spend(body, after); !set) return base::fail(std::move(set.error()));
  if (Status linked = link_budget(context, records, body, false, after, *applied); !linked) {
    return base::fail(std::move(linked.error()));
  }
  const Result<Record> changed = records.update(*before, std::move(after));
  if (!changed) return base::fail(changed.error());
  return organization_reply(context, records, *changed, *applied);
}

/// With its teams and their keys, its own keys and its memberships.
Status remove_organization(Records& records, const Record& organization) {
  const auto teams = records.all(account::kTeams, "organization_id", organization.key());
  if (!teams) return base::fail(teams.error());
  for (const Record& team : *teams) {
    if (Status removed = account::remove_team(records, team); !removed) return removed;
  }
  const auto keys = account::keys_of(records, {{"organization_id", organization.key()}});
  if (!keys) return base::fail(keys.error());
  if (Status removed = account::remove_keys(records, *keys); !removed) return removed;
  const auto members = records.all(account::kOrganizationMembers, "organization_id", organization.key());
  if (!members) return base::fail(members.error());
  for (const Record& member : *members) {
    if (Status removed = records.remove(member); !removed) return removed;
  }
  return records.remove(organization);
}

Result<Reply> remove_organizations(const Context& context, Records& records, const json::Value& body) {
  const Result<std::vector<std::string>> ids = needed_list(body, "organization_ids");
  if (!ids) return base::fail(ids.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const std::string& id : *ids) {
    const Result<Record> row = get_organization(records, id);
    if (!row) return base::fail(row.error());
    if (Status written = write_organization(writer, context, records, *row); !written) {
      return base::fail(std::move(written.error()));
    }
    if (Status removed = remove_organization(records, *row); !removed) return base::fail(std::move(removed.error()));
  }
  writer.end_array();
  return private_json_reply(std::move(text));
}

/// All of them for who sees everything, else those one is a member of.
Result<std::vector<Record>> visible_organizations(const Context& context, Records& records) {
  account::Query query;
  query.size = kListRowsMax;
  const std::string id = context.request().query_value("org_id");
  if (!id.empty()) query.where.push_back({"organization_id", account::Condition::Test::Equals, {id}});
  const std::string alias = context.request().query_value("org_alias");
  if (!alias.empty()) query.where.push_back({"organization_alias", account::Condition::Test::Contains, {alias}});
  const domain::Caller& caller = *context.caller;
  if (!sees_everything(caller)) {
    std::vector<db::Value> own;
    if (caller.is_user) {
      const auto memberships = records.all(account::kOrganizationMembers, "user_id", caller.user_id);
      if (!memberships) return base::fail(memberships.error());
      for (const Record& membership : *memberships) own.emplace_back(membership.key());
    }
    query.where.push_back({"organization_id", account::Condition::Test::AnyOf, std::move(own)});
  }
  Result<account::RecordPage> page = records.list(kOrganizations, query);
  if (!page) return base::fail(std::move(page.error()));
  return std::move(page->rows);
}

Result<Reply> show_list(const Context& context, Records& records) {
  const Result<std::vector<Record>> rows = visible_organizations(context, records);
  if (!rows) return base::fail(rows.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const Record& row : *rows) {
    if (Status written = write_organization(writer, context, records, row); !written) {
      return base::fail(std::move(written.error()));
    }
  }
  writer.end_array();
  return private_json_reply(std::move(text));
}

Result<Reply> show_one(const Context& context, Records& records) {
  const std::string id = context.request().query_value("organization_id");
  if (id.empty()) return refuse_field("organization_id", "Say which: /organization/info?organization_id=...");
  if (Status may = may_read_organization(records, *context.caller, id); !may) return base::fail(may.error());
  const Result<Record> row = get_organization(records, id);
  if (!row) return base::fail(row.error());
  return organization_reply(context, records, *row, {});
}

/// The older form of /organization/info: several at once.
Result<Reply> show_several(const Context& context, Records& records, const json::Value& body) {
  const Result<std::vector<std::string>> ids = needed_list(body, "organizations");
  if (!ids) return base::fail(ids.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const std::string& id : *ids) {
    if (Status may = may_read_organization(records, *context.caller, id); !may) return base::fail(may.error());
    const Result<Record> row = get_organization(records, id);
    if (!row) return base::fail(row.error());
    if (Status written = write_organization(writer, context, records, *row); !written) {
      return base::fail(std::move(written.error()));
    }
  }
  writer.end_array();
  return private_json_reply(std::move(text));
}

}  // namespace

Result<Record> get_organization(Records& records, const std::string& id) {
  Result<std::optional<Record>> found = records.find(kOrganizations, id);
  if (!found) return base::fail(std::move(found.error()));
  if (!*found) return no_such("organization_id", "Organization not found, passed organization_id=" + id);
  return std::move(**found);
}

Status write_organization(json::Writer& writer, const Context& context, Records& records, const Record& row) {
  writer.begin_object();
  write_live(writer, context, row);
  const auto members = records.all(account::kOrganizationMembers, "organization_id", row.key());
  if (!members) return base::fail(members.error());
  writer.key("members").begin_array();
  for (const Record& member : *members) {
    if (Status written = write_membership(writer, context, records, member); !written) return written;
  }
  writer.end_array();
  const auto teams = records.all(account::kTeams, "organization_id", row.key());
  if (!teams) return base::fail(teams.error());
  writer.key("teams").begin_array();
  for (const Record& team : *teams) {
    writer.begin_object();
    write_live(writer, context, team);
    writer.end_object();
  }
  writer.end_array();
  if (Status written = write_budget_member(writer, records, row.maybe_text("budget_id")); !written) return written;
  writer.end_object();
  return {};
}

Task<Result<Reply>> new_organization(const Context& context) {
  return answer_with_body(context, [&context](Records& records, const json::Value& body) {
    return make_organization(context, records, body);
  });
}

Task<Result<Reply>> update_organization(const Context& context) {
  return answer_with_body(context, [&context](Records& records, const json::Value& body) {
    return change_organization(context, records, body);
  });
}

Task<Result<Reply>> delete_organizations(const Context& context) {
  return answer_with_body(context, [&context](Records& records, const json::Value& body) {
    return remove_organizations(context, records, body);
  });
}

Task<Result<Reply>> list_organizations(const Context& context) {
  return answer_from_records(context, [&context](Records& records) { return show_list(context, records); });
}

Task<Result<Reply>> organization_info(const Context& context) {
  return answer_from_records(context, [&context](Records& records) { return show_one(context, records); });
}

Task<Result<Reply>> organizations_info(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return show_several(context, records, body); });
}

}  // namespace turnpike::api
