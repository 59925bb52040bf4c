#include <algorithm>

#include "account/tables.h"
#include "api/handlers.h"
#include "api/organization_rows.h"
#include "api/team_members.h"
#include "api/user_rows.h"

// Who is in an organisation, as what, and for how much (spec management-api 5).
namespace turnpike::api {
namespace {

using account::kOrganizationMembers;
using account::Record;
using account::Records;

constexpr std::size_t kAddedAtOnceMax = 500;
constexpr std::string_view kRoles[] = {"org_admin", "internal_user", "internal_user_viewer"};

/// The organisation of `body`, which the caller manages.
Result<Record> managed_organization(const Context& context, Records& records, const json::Value& body) {
  const Result<std::string> id = needed_text(body, "organization_id");
  if (!id) return base::fail(id.error());
  if (Status may = may_manage_organization(records, *context.caller, *id); !may) return base::fail(may.error());
  return get_organization(records, *id);
}

Status set_role(const json::Value& body, Record& membership) {
  const Result<std::optional<std::string>> role = text_member(body, "role");
  if (!role) return base::fail(role.error());
  if (!*role) return {};
  if (std::ranges::find(kRoles, **role) == std::end(kRoles)) {
    return refuse_field("role", "role must be org_admin, internal_user or internal_user_viewer.");
  }
  membership.set("user_role", db::Value(**role));
  return {};
}

/// `max_budget_in_organization` and `max_budget_tokens_in_organization` stand in a budget object of the membership's
/// own.
Status set_budget(Records& records, const MemberBudget& own, Record& membership) {
  if (!own.any()) return {};
  const std::optional<std::string> linked = membership.maybe_text("budget_id");
  Result<std::optional<Record>> before = std::optional<Record>();
  if (linked) before = records.find(account::kBudgets, *linked);
  if (!before) return base::fail(std::move(before.error()));
  Record budget = *before ? **before : Record(account::kBudgets);
  if (own.dollars) budget.set("max_budget", own.dollars);
  if (own.tokens) budget.set("max_budget_tokens", db::Value(*own.tokens));
  if (*before) {
    const Result<Record> changed = records.update(**before, std::move(budget));
    return changed ? Status() : base::fail(changed.error());
  }
  budget.set("budget_id", db::Value(new_id(records)));
  const Result<Record> made = records.create(std::move(budget));
  if (!made) return base::fail(made.error());
  membership.set("budget_id", db::Value(made->key()));
  return {};
}

struct Added {
  Record user, membership;
};

Result<Added> add_member(Records& records, const Record& organization, const json::Value& member,
                         const MemberBudget& own_budget) {
  if (!member.is(json::Kind::Object)) return refuse_field("member", "member must be an object or a list of objects.");
  Record membership(kOrganizationMembers);
  if (const Result<std::string> role = needed_text(member, "role"); !role) return base::fail(role.error());
  if (Status set = set_role(member, membership); !set) return base::fail(std::move(set.error()));
  Result<Record> user = find_or_make_user(records, member, "internal_user_viewer");
  if (!user) return base::fail(std::move(user.error()));
  membership.set("organization_id", db::Value(organization.key())).set("user_id", db::Value(user->key()));
  const auto there = records.find(kOrganizationMembers, organization.key(), user->key());
  if (!there) return base::fail(there.error());
  if (*there) {
    return refuse_field("member", "User=" + user->key() + " is already a member of organization=" + organization.key());
  }
  if (Status set = set_budget(records, own_budget, membership); !set) return base::fail(std::move(set.error()));
  Result<Record> made = records.create(std::move(membership));
  if (!made) return base::fail(std::move(made.error()));
  return Added{std::move(*user), std::move(*made)};
}

Result<std::vector<Added>> add_all(Records& records, const Record& organization, const json::Value& body) {
  const Result<MemberBudget> own_budget = member_budget(body, "organization");
  if (!own_budget) return base::fail(own_budget.error());
  const json::Value member = body.find("member");
  if (!member) return refuse_field("member", "member is missing: {role, user_id or user_email}, or a list of them.");
  std::vector<Added> added;
  const auto add = [&](const json::Value& one) -> Status {
    Result<Added> done = add_member(records, organization, one, *own_budget);
    if (!done) return base::fail(std::move(done.error()));
    added.push_back(std::move(*done));
    return {};
  };
  if (!member.is(json::Kind::Array)) {
    if (Status done = add(member); !done) return base::fail(std::move(done.error()));
    return added;
  }
  for (const json::Value element : member.elements()) {
    if (added.size() == kAddedAtOnceMax) return refuse_field("member", "Maximum 500 members can be added at once.");
    if (Status done = add(element); !done) return base::fail(std::move(done.error()));
  }
  return added;
}

Result<Reply> add_members(const Context& context, Records& records, const json::Value& body) {
  const Result<Record> organization = managed_organization(context, records, body);
  if (!organization) return base::fail(organization.error());
  const Result<std::vector<Added>> added = add_all(records, *organization, body);
  if (!added) return base::fail(added.error());
  std::string text;
  json::Writer writer(text);
  writer.begin_object().key("organization_id").string(organization->key()).key("updated_users").begin_array();
  for (const Added& one : *added) {
    writer.begin_object();
    if (administers(*context.caller)) {
      if (Status written = write_user(writer, context, records, one.user); !written) return base::fail(written.error());
    } else {
      account::write_record(writer, one.user, hidden_columns(*context.caller));
    }
    writer.end_object();
  }
  writer.end_array().key("updated_organization_memberships").begin_array();
  for (const Added& one : *added) {
    if (Status written = write_membership(writer, context, records, one.membership); !written) {
      return base::fail(std::move(written.error()));
    }
  }
  writer.end_array().end_object();
  return private_json_reply(std::move(text));
}

/// The membership that `body` means.
Result<Record> named_membership(const Context& context, Records& records, const json::Value& body) {
  const Result<Record> organization = managed_organization(context, records, body);
  if (!organization) return base::fail(organization.error());
  const Result<std::optional<Record>> user = find_user(records, body);
  if (!user) return base::fail(user.error());
  if (!*user) return no_such("user_id", "User not found in organization=" + organization->key());
  Result<std::optional<Record>> membership = records.find(kOrganizationMembers, organization->key(), (*user)->key());
  if (!membership) return base::fail(std::move(membership.error()));
  if (!*membership) {
    return no_such("user_id", "User=" + (*user)->key() + " is not a member of organization=" + organization->key());
  }
  return std::move(**membership);
}

Result<Reply> membership_reply(const Context& context, Records& records, const Record& row) {
  std::string text;
  json::Writer writer(text);
  if (Status written = write_membership(writer, context, records, row); !written) return base::fail(written.error());
  return private_json_reply(std::move(text));
}

Result<Reply> change_member(const Context& context, Records& records, const json::Value& body) {
  const Result<Record> before = named_membership(context, records, body);
  if (!before) return base::fail(before.error());
  const Result<MemberBudget> own_budget = member_budget(body, "organization");
  if (!own_budget) return base::fail(own_budget.error());
  Record after = *before;
  if (Status set = set_role(body, after); !set) return base::fail(std::move(set.error()));
  if (Status set = set_budget(records, *own_budget, after); !set) return base::fail(std::move(set.error()));
  const Result<Record> changed = records.update(*before, std::move(after));
  if (!changed) return base::fail(changed.error());
  return membership_reply(context, records, *changed);
}

Result<Reply> remove_member(const Context& context, Records& records, const json::Value& body) {
  const Result<Record> row = named_membership(context, records, body);
  if (!row) return base::fail(row.error());
  Result<Reply> reply = membership_reply(context, records, *row);
  if (Status removed = records.remove(*row); !removed) return base::fail(std::move(removed.error()));
  return reply;
}

}  // namespace

Status write_membership(json::Writer& writer, const Context& context, Records& records, const Record& row) {
  writer.begin_object();
  write_live(writer, context, row);
  if (Status written = write_budget_member(writer, records, row.maybe_text("budget_id")); !written) return written;
  writer.end_object();
  return {};
}

Task<Result<Reply>> add_organization_members(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return add_members(context, records, body); });
}

Task<Result<Reply>> update_organization_member(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return change_member(context, records, body); });
}

Task<Result<Reply>> delete_organization_member(const Context& context) {
  return answer_with_body(
      context, [&context](Records& records, const json::Value& body) { return remove_member(context, records, body); });
}

}  // namespace turnpike::api
