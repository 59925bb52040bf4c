#include "account/caller_tree.h"

#include <fmt/format.h>

#include <algorithm>

#include "account/key_routing.h"
#include "account/model_budgets.h"
#include "account/rate_limits.h"
#include "account/record.h"
#include "account/tables.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "json/document.h"
#include "json/lists.h"

namespace turnpike::account {
namespace {

using domain::Caller;
using domain::ModelLevel;

constexpr std::int16_t kKeyKind = 6;

const std::string& select_key_of_caller() {
  static const std::string sql = fmt::format(
      "SELECT k.hash, k.key_name, k.key_alias, k.models, k.aliases, k.metadata, k.user_id, k.team_id, "
      "k.organization_id, k.expires_us, k.blocked, k.router_settings, k.allowed_routes, k.access_group_ids, "
      "k.tpm_limit, k.rpm_limit, k.max_parallel_requests, k.permissions, k.handed_over, k.budget_id, "
      "k.model_max_budget, {} FROM verification_key k JOIN account a ON a.account_id = k.account_id{} WHERE k.hash = "
      "$1",
      db::kAccountColumns, db::kJoinWindow);
  return sql;
}
constexpr std::size_t kFirstAccountColumn = 21;

constexpr std::string_view kSelectSuccessor =
    "SELECT active_hash, revoke_at_us FROM deprecated_key WHERE hash = $1 AND revoke_at_us > $2";

std::string text_or_empty(const db::Value& value) {
  return db::is_null(value) ? std::string() : db::as_text(value);
}

std::optional<std::int64_t> whole(const db::Value& value) {
  if (db::is_null(value)) return std::nullopt;
  return db::as_int(value);
}

void add_texts(const json::Value& list, std::vector<std::string>& into) {
  for (const json::Value element : list.elements()) {
    std::optional<std::string> text = element.text();
    if (text && std::ranges::find(into, *text) == into.end()) into.push_back(std::move(*text));
  }
}

/// The key's own names come first.
void add_aliases(std::string_view aliases_json, Caller& caller) {
  json::Document document;
  if (!document.parse(aliases_json)) return;
  for (const json::Value::Pair member : document.root().members()) {
    std::optional<std::string> from = member.key.text();
    std::optional<std::string> to = member.value.text();
    if (from && to) caller.aliases.emplace(std::move(*from), std::move(*to));
  }
}

void add_routing(const std::string& router_settings_json, std::string_view whose, Caller& caller) {
  if (caller.routing || router_settings_json == "{}" || router_settings_json.empty()) return;
  if (Result<domain::KeyRouting> routing = parse_key_routing(router_settings_json)) {
    caller.routing = std::make_shared<const domain::KeyRouting>(std::move(*routing));
  } else {
    base::log(base::LogLevel::Warning, "router_settings of {} have no effect: {}", whose, routing.error().message);
  }
}

/// An entry that is no address lets nobody in: a list that cannot be read must not be an open door.
void add_addresses(const json::Value& list, Caller& caller) {
  constexpr domain::IpRange kNobody{};
  for (const json::Value element : list.elements()) {
    const std::optional<std::string> text = element.text();
    const auto range = text ? domain::parse_ip_range(*text) : std::nullopt;
    caller.allowed_ips.push_back(range.value_or(kNobody));
  }
}

/// What key and team keep under `metadata`.
void add_metadata(std::string_view metadata_json, Caller& caller) {
  json::Document document;
  if (!document.parse(metadata_json)) return;
  add_texts(document.root().find("tags"), caller.tags);
  add_texts(document.root().find("enforced_params"), caller.enforced_params);
  // The team's, which is read behind the key's, is what counts.
  if (std::optional<std::string> priority = document.root().find("priority").text()) caller.priority = *priority;
  caller.disable_fallbacks =
      caller.disable_fallbacks || document.root().find("disable_fallbacks").boolean().value_or(false);
}

/// Names that access groups of the database stand for beside those of the configuration.
class AccessGroupRows {
 public:
  explicit AccessGroupRows(Records& records) : records_(records) {}

  /// A list with what its groups hold. An empty list with groups is a list.
  Result<std::vector<std::string>> expand(std::vector<std::string> models, const std::vector<std::string>& ids) {
    if (models.empty() && ids.empty()) return models;
    if (Status done = read_rows(); !done) return base::fail(std::move(done.error()));
    const std::size_t named = models.size();
    for (const Record& group : rows_) {
      const bool by_id = std::ranges::find(ids, group.key()) != ids.end();
      const auto end = models.begin() + static_cast<std::ptrdiff_t>(named);
      const bool by_name = std::find(models.begin(), end, group.text("access_group_name")) != end;
      if (!by_id && !by_name) continue;
      for (std::string& model : group.list("access_model_names")) models.push_back(std::move(model));
    }
    // Groups of which nothing is left open nothing, and not everything.
    if (models.empty()) models.emplace_back("no-default-models");
    return models;
  }

 private:
  Status read_rows() {
    if (is_read_) return {};
    Query every;
    every.size = 0;
    Result<RecordPage> page = records_.list(kAccessGroups, every);
    if (!page) return base::fail(std::move(page.error()));
    rows_ = std::move(page->rows);
    is_read_ = true;
    return {};
  }

  Records& records_;
  std::vector<Record> rows_;
  bool is_read_ = false;
};

Status add_level(AccessGroupRows& groups, ModelLevel::Of of, std::vector<std::string> models,
                 const std::vector<std::string>& group_ids, Caller& caller) {
  Result<std::vector<std::string>> expanded = groups.expand(std::move(models), group_ids);
  if (!expanded) return base::fail(std::move(expanded.error()));
  if (!expanded->empty()) caller.model_levels.push_back({of, std::move(*expanded)});
  return {};
}

struct Tree {
  Records& records;
  AccessGroupRows& groups;
  Caller& caller;

  /// The row's account, and those of its budgets per model.
  void add_accounts(const Record& row, const std::string& label) {
    caller.accounts.push_back(facts_of(row, label));
    if (auto tokens = token_facts_of(row, label)) caller.accounts.push_back(std::move(*tokens));
  }

  Status add_account(const Record& row, const std::string& label) {
    add_accounts(row, label);
    const bool per_model =
        &row.table() == &kOrganizations ? !row.is_null("budget_id") : row.text("model_max_budget") != "{}";
    if (!per_model) return {};
    return read_model_accounts(records, row.table().account_kind, row.id(), label, caller.model_accounts);
  }

  /// The limits of a row, completed from the budget it is linked to, and those per model.
  Status add_row_limits(const Record& row, const std::string& label) {
    domain::CallerLimits limits{row.table().account_kind, row.id(), label, {}, rate_limits_of(row)};
    if (&row.table() == &kTeams) add_limit_types(row.text("metadata"), limits);
    const bool linked = &row.table() != &kTeams && &row.table() != &kUsers;
    if (linked) {
      if (Status done = complete_from_budget(records, row.maybe_text("budget_id"), limits.most); !done) return done;
    }
    add_limits(limits, caller.limits);
    if (&row.table() == &kTeamMembers) return {};
    add_model_limits(row.text("metadata"), linked ? "" : row.text("model_max_budget"), limits, caller.limits);
    return {};
  }

  Status add_team() {
    const Result<std::optional<Record>> found = records.find(kTeams, caller.team_id);
    if (!found) return base::fail(found.error());
    if (!*found) return {};
    const Record& team = **found;
    caller.team_alias = team.text("team_alias");
    caller.team_blocked = team.flag("blocked");
    if (caller.organization_id.empty()) caller.organization_id = team.text("organization_id");
    add_aliases(team.text("model_aliases"), caller);
    add_metadata(team.text("metadata"), caller);
    add_routing(team.text("router_settings"), "team " + caller.team_id, caller);
    if (Status added = add_account(team, caller.team_alias); !added) return added;
    if (Status limits = add_row_limits(team, caller.team_alias); !limits) return limits;
    if (Status level =
            add_level(groups, ModelLevel::Of::Team, team.list("models"), team.list("access_group_ids"), caller);
        !level)
      return level;
    if (caller.user_id.empty()) return {};
    const Result<std::optional<Record>> member = records.find(kTeamMembers, caller.team_id, caller.user_id);
    if (!member) return base::fail(member.error());
    if (!*member) return {};
    add_accounts(**member, caller.user_id);
    return add_row_limits(**member, caller.user_id);
  }

  Status add_user() {
    const Result<std::optional<Record>> found = records.find(kUsers, caller.user_id);
    if (!found) return base::fail(found.error());
    if (!*found) return {};
    const Record& user = **found;
    caller.is_user = true;
    caller.role = domain::parse_role(user.text("user_role")).value_or(domain::Role::InternalUser);
    caller.user_email = user.text("user_email");
    if (Status added = add_account(user, caller.user_email); !added) return added;
    if (Status limits = add_row_limits(user, caller.user_email); !limits) return limits;
    if (!caller.team_id.empty()) return {};  // His own list is for his personal keys.
    return add_level(groups, ModelLevel::Of::User, user.list("models"), {}, caller);
  }

  Status add_organization() {
    const Result<std::optional<Record>> found = records.find(kOrganizations, caller.organization_id);
    if (!found) return base::fail(found.error());
    if (!*found) return {};
    const Record& organization = **found;
    caller.organization_alias = organization.text("organization_alias");
    if (Status added = add_account(organization, caller.organization_alias); !added) return added;
    if (Status limits = add_row_limits(organization, caller.organization_alias); !limits) return limits;
    if (Status level = add_level(groups, ModelLevel::Of::Organization, organization.list("models"), {}, caller); !level)
      return level;
    if (caller.user_id.empty()) return {};
    const Result<std::optional<Record>> member =
        records.find(kOrganizationMembers, caller.organization_id, caller.user_id);
    if (!member) return base::fail(member.error());
    if (*member) add_accounts(**member, caller.user_id);
    return {};
  }

  Status add_owners() {
    if (!caller.team_id.empty()) {
      if (Status added = add_team(); !added) return added;
    }
    if (!caller.user_id.empty()) {
      if (Status added = add_user(); !added) return added;
    }
    if (!caller.organization_id.empty()) {
      if (Status added = add_organization(); !added) return added;
    }
    std::ranges::sort(caller.accounts, {}, &domain::CallerAccount::kind);
    std::ranges::sort(caller.limits, {}, &domain::CallerLimits::kind);
    return {};
  }
};

/// Whoever made the key knows its secret: he must not be its user by that. What binds the user binds on.
void take_users_rights(Caller& caller) {
  const bool is_viewer =
      caller.role == domain::Role::ProxyAdminViewer || caller.role == domain::Role::InternalUserViewer;
  caller.handed_over = true;
  caller.is_user = false;
  caller.role = is_viewer ? domain::Role::InternalUserViewer : domain::Role::InternalUser;
}

Result<domain::CallerRef> to_caller(db::Transaction& transaction, const db::Row& row, std::int64_t now_us) {
  auto caller = std::make_shared<Caller>();
  caller->key_hash_hex = db::as_text(row.at(0));
  caller->key_name = db::as_text(row.at(1));
  caller->key_alias = text_or_empty(row.at(2));
  caller->models = json::read_list(db::as_text(row.at(3)));
  add_aliases(db::as_text(row.at(4)), *caller);
  const std::string metadata = db::as_text(row.at(5));
  add_metadata(metadata, *caller);
  json::Document document;
  if (document.parse(metadata)) {
    add_addresses(document.root().find("allowed_ips"), *caller);
    const json::Value account = document.root().find("service_account_id");
    caller->is_service_account = account && !account.is(json::Kind::Null);
  }
  const std::string permissions = db::as_text(row.at(17));
  json::Document permitted;
  if (permitted.parse(permissions))
    caller->reads_all_spend = permitted.root().find("get_spend_routes").boolean().value_or(false);
  caller->user_id = text_or_empty(row.at(6));
  caller->team_id = text_or_empty(row.at(7));
  caller->organization_id = text_or_empty(row.at(8));
  caller->expires_us = whole(row.at(9));
  caller->blocked = db::as_int(row.at(10)) != 0;
  add_routing(db::as_text(row.at(11)), "key " + caller->key_hash_hex, *caller);
  caller->allowed_routes = json::read_list(db::as_text(row.at(12)));
  caller->tpm_limit = whole(row.at(14));
  caller->rpm_limit = whole(row.at(15));
  caller->max_parallel_requests = whole(row.at(16));
  const auto budget_id = db::is_null(row.at(19)) ? std::nullopt : std::optional(db::as_text(row.at(19)));
  std::size_t at = kFirstAccountColumn;
  const Result<db::AccountRow> account = db::read_account(transaction, row, at, now_us);
  if (!account) return base::fail(account.error());
  caller->max_budget = account->terms.limit_at(now_us);
  caller->accounts.push_back(db::facts_of(*account, {kKeyKind, caller->key_hash_hex}, caller->key_alias));
  if (const db::AccountState* const tokens = account->budget_in_tokens()) {
    caller->max_budget_tokens = tokens->terms.limit ? std::optional(tokens->terms.limit->nano()) : std::nullopt;
    caller->accounts.push_back(
        db::facts_of(*tokens, {domain::kind_in_tokens(kKeyKind), caller->key_hash_hex}, caller->key_alias));
  }
  Actor nobody;
  nobody.now_us = now_us;
  Records records(transaction, nobody);
  if (budget_id || db::as_text(row.at(20)) != "{}") {
    if (Status read =
            read_model_accounts(records, kKeyKind, caller->key_hash_hex, caller->key_alias, caller->model_accounts);
        !read)
      return base::fail(std::move(read.error()));
  }
  domain::CallerLimits limits{kKeyKind, caller->key_hash_hex, caller->key_alias, {}, {}};
  if (limits.label.empty()) limits.label = caller->key_name;
  limits.most = {caller->rpm_limit, caller->tpm_limit, caller->max_parallel_requests};
  if (Status done = complete_from_budget(records, budget_id, limits.most); !done) return base::fail(done.error());
  add_limit_types(metadata, limits);
  add_limits(limits, caller->limits);
  add_model_limits(metadata, db::as_text(row.at(20)), limits, caller->limits);
  AccessGroupRows groups(records);
  if (Status level =
          add_level(groups, ModelLevel::Of::Key, caller->models, json::read_list(db::as_text(row.at(13))), *caller);
      !level)
    return base::fail(std::move(level.error()));
  if (Status added = Tree{records, groups, *caller}.add_owners(); !added) return base::fail(std::move(added.error()));
  if (db::as_int(row.at(18)) != 0) take_users_rights(*caller);
  return caller;
}

}  // namespace

Result<ReadCaller> read_caller(db::Transaction& transaction, const std::string& hash, std::int64_t now_us) {
  ReadCaller read;
  Result<db::Rows> rows = transaction.run(select_key_of_caller(), {hash});
  if (!rows) return base::fail(std::move(rows.error()));
  if (rows->rows.empty()) {
    const Result<db::Rows> successor = transaction.run(kSelectSuccessor, {hash, now_us});
    if (!successor) return base::fail(successor.error());
    if (successor->rows.empty()) return read;
    read.until = db::as_int(successor->rows[0].at(1));
    rows = transaction.run(select_key_of_caller(), {db::as_text(successor->rows[0].at(0))});
    if (!rows) return base::fail(std::move(rows.error()));
    if (rows->rows.empty()) return ReadCaller();
  }
  Result<domain::CallerRef> caller = to_caller(transaction, rows->rows.front(), now_us);
  if (!caller) return base::fail(std::move(caller.error()));
  read.caller = std::move(*caller);
  return read;
}

Status add_owners(db::Transaction& transaction, Caller& caller) {
  Actor nobody;
  nobody.now_us = base::unix_now_us();
  Records records(transaction, nobody);
  AccessGroupRows groups(records);
  return Tree{records, groups, caller}.add_owners();
}

}  // namespace turnpike::account
