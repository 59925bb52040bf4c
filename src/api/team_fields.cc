#include "api/team_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "account/key_routing.h"
#include "account/tables.h"
#include "api/key_fields.h"
#include "api/reply.h"
#include "api/shares.h"
#include "base/id.h"
#include "base/text.h"
#include "json/lists.h"
#include "protocol/field_readers.h"

namespace turnpike::api {
namespace {

using account::Record;
using Rule = BodyField::Rule;

constexpr BodyField kTeamFields[] = {
    {"team_id", Rule::Own},
    {"team_alias"},
    {"organization_id"},
    {"models"},
    {"metadata"},
    {"max_budget"},
    {"soft_budget"},
    {"max_budget_tokens"},
    {"soft_budget_tokens"},
    {"blocked"},
    {"model_aliases"},
    {"team_member_permissions"},
    {"router_settings"},
    {"access_group_ids"},
    {"tags", Rule::Metadata},
    {"team_member_key_duration", Rule::Metadata},

    // Those who are in it from the start, and what each of them may spend.
    {"members_with_roles", Rule::Own},
    {"admins", Rule::Own},
    {"members", Rule::Own},
    {"team_member_budget", Rule::Own},
    {"team_member_budget_tokens", Rule::Own},
    {"team_member_budget_duration", Rule::Own},
    {"team_member_rpm_limit", Rule::Own},
    {"team_member_tpm_limit", Rule::Own},

    // Kept for the version that counts them.
    {"max_parallel_requests"},
    {"tpm_limit"},
    {"rpm_limit"},
    {"budget_duration"},
    {"model_max_budget"},
    {"model_rpm_limit", Rule::Metadata},
    {"model_tpm_limit", Rule::Metadata},
    {"rpm_limit_type", Rule::Metadata},
    {"tpm_limit_type", Rule::Metadata},
    {"object_permission", Rule::Unenforced},
    {"prompts", Rule::Unenforced},
    {"secret_manager_settings", Rule::Unenforced},
    {"allowed_passthrough_routes", Rule::Unenforced},
    {"allowed_vector_store_indexes", Rule::Unenforced},

    {"guardrails", Rule::Own},
    {"policies", Rule::Own},
};

constexpr std::string_view kMemberLimits[] = {"team_member_budget", "team_member_budget_tokens",
                                              "team_member_budget_duration", "team_member_rpm_limit",
                                              "team_member_tpm_limit"};

bool given(const json::Value& value) {
  return value && !value.is(json::Kind::Null);
}

/// What looks at content and is not built yet would protect nobody: better a refusal than a promise.
Status refuse_unkept_promises(const json::Value& body) {
  const json::Value metadata = body.find("metadata");
  for (const std::string_view name : {"guardrails", "policies"}) {
    for (const json::Value& value : {body.find(name), metadata ? metadata.find(name) : json::Value()}) {
      if (!given(value) || value.raw() == "[]" || value.raw() == "{}") continue;
      return refuse_field(name, fmt::format("{} are not enforced by this version of Turnpike, so they are refused "
                                            "rather than stored and ignored: leave the field out.",
                                            name));
    }
  }
  return {};
}

Status check_aliases(const Record& team) {
  const std::string aliases = team.text("model_aliases");
  json::Document document;
  if (Status status = document.parse(aliases); !status) return status;
  for (const auto& [key, value] : document.root().members()) {
    if (!value.is(json::Kind::String)) {
      return refuse_field("model_aliases", R"(model_aliases must be an object of texts: {"fast": "gpt-4o-mini"}.)");
    }
  }
  return {};
}

Status check_values(const json::Value& body, const Record& team) {
  if (Status known = check_limit_types(team.text("metadata")); !known) return known;
  const std::optional<Money> soft = team.amount("soft_budget");
  const std::optional<Money> hard = team.amount("max_budget");
  if (soft && hard && *soft >= *hard) {
    return refuse_field("soft_budget", fmt::format("soft_budget ({}) must be strictly lower than max_budget ({}).",
                                                   soft->to_string(), hard->to_string()));
  }
  if (Status good = check_token_budgets(team); !good) return good;
  if (given(body.find("model_aliases"))) {
    if (Status status = check_aliases(team); !status) return status;
  }
  if (given(body.find("team_member_permissions"))) {
    if (Status known = check_member_permissions(team.list("team_member_permissions")); !known) return known;
  }
  if (given(body.find("router_settings")) && team.text("router_settings") != "{}") {
    if (auto routing = account::parse_key_routing(team.text("router_settings")); !routing)
      return base::fail(std::move(routing.error()));
  }
  return {};
}

std::optional<std::optional<std::int64_t>> given_limit(const json::Value& body, const Record& team,
                                                       std::string_view name) {
  if (!body.find(name)) return std::nullopt;
  return team.whole(name);
}

Status raises(std::string_view name, std::string_view what) {
  return forbid_field(name, fmt::format("Admins of a team share out what it has and cannot add to it: {} {}. Ask an "
                                        "administrator, or an admin of the "
                                        "team's organisation.",
                                        name, what));
}

/// What others bind the team by stands in its metadata too.
Status metadata_binds_still(const Record& before, const Record& after) {
  const std::string old_text = before.text("metadata"), new_text = after.text("metadata");
  for (const std::string_view name :
       {"enforced_params", "model_rpm_limit", "model_tpm_limit", "rpm_limit_type", "tpm_limit_type", "guardrails",
        "policies", "disable_global_guardrails", "allowed_passthrough_routes", "allowed_vector_store_indexes",
        "secret_manager_settings", "budget_mode", "temp_budget_increase", "temp_budget_expiry", "logging",
        "callback_settings"}) {
    if (metadata_member(old_text, name) != metadata_member(new_text, name))
      return raises(name, "is not theirs to change");
  }
  const std::vector<std::string> kept = json::read_list(metadata_member(new_text, "tags"));
  for (const std::string& tag : json::read_list(metadata_member(old_text, "tags"))) {
    if (std::ranges::find(kept, tag) == kept.end()) return raises("tags", "hold " + tag);
  }
  return {};
}

/// Names of the team's own models come and go with the models: without its alias such a name in `models` would be that
/// of somebody else's model.
Status own_models_stay(const Record& before, const Record& after) {
  const std::string old_text = before.text("model_aliases"), new_text = after.text("model_aliases");
  json::Document was, is;
  if (!was.parse(old_text) || !is.parse(new_text)) return {};
  for (const auto& [key, value] : was.root().members()) {
    const std::optional<std::string> target = value.text();
    if (!target || !target->starts_with(own_model_prefix(before))) continue;
    if (is.root().find(key.text().value_or("")).text() != target)
      return raises("model_aliases", "of the team's own models go with /model/delete");
  }
  return {};
}

std::string new_budget_id(const Record& team) {
  std::uint8_t random[8];
  base::fill_random(random, sizeof random);
  return fmt::format("team-{}-budget-{}", team.maybe_text("team_alias").value_or(team.key()), base::to_hex(random));
}

/// The companions of team_member_budget, laid over the budget.
Status apply_member_limits(const account::Actor& actor, const json::Value& body, Record& budget) {
  if (body.find("team_member_budget")) {
    const Result<std::optional<Money>> amount = amount_member(body, "team_member_budget");
    if (!amount) return base::fail(amount.error());
    budget.set("max_budget", *amount);
  }
  if (body.find("team_member_budget_tokens")) {
    const Result<std::optional<std::int64_t>> tokens = token_member(body, "team_member_budget_tokens");
    if (!tokens) return base::fail(tokens.error());
    budget.set("max_budget_tokens", *tokens ? db::Value(**tokens) : db::Value());
  }
  if (body.find("team_member_budget_duration")) {
    const Result<std::optional<std::string>> duration = text_member(body, "team_member_budget_duration");
    if (!duration) return base::fail(duration.error());
    if (*duration && !domain::parse_budget_duration(**duration)) {
      return refuse_field("team_member_budget_duration",
                          "team_member_budget_duration must be a number and a unit: \"30d\" (s, m, h, d, w, mo).");
    }
    domain::BudgetTerms terms;
    terms.duration = duration->value_or("");
    terms.zone = actor.calendar;
    budget.set("budget_duration", *duration ? db::Value(**duration) : db::Value());
    budget.set("budget_reset_at", *duration ? db::Value(domain::first_end_us(terms, actor.now_us)) : db::Value());
  }
  for (const std::string_view column : {"rpm_limit", "tpm_limit"}) {
    const std::string name = "team_member_" + std::string(column);
    if (!body.find(name)) continue;
    const Result<std::optional<std::uint64_t>> limit = whole_member(body, name);
    if (!limit) return base::fail(limit.error());
    budget.set(column, *limit ? db::Value(static_cast<std::int64_t>(**limit)) : db::Value());
  }
  return {};
}

/// Members who have been in the team without any budget are held to the new one too.
Status link_members(account::Records& records, const Record& team, const std::string& budget_id) {
  Result<std::vector<Record>> members = records.all(account::kTeamMembers, "team_id", team.key());
  if (!members) return base::fail(std::move(members.error()));
  for (const Record& member : *members) {
    if (!member.is_null("budget_id")) continue;
    Record linked = member;
    linked.set("budget_id", db::Value(budget_id));
    if (auto written = records.update(member, std::move(linked)); !written)
      return base::fail(std::move(written.error()));
  }
  return {};
}

}  // namespace

Status parse_body(const Context& context, json::Document& document) {
  const std::string_view body = base::trim(context.request().body);
  if (Status status = document.parse(body.empty() ? std::string_view("{}") : body); !status) return status;
  if (!document.root().is(json::Kind::Object)) return refuse_field("body", "The body must be a JSON object.");
  return {};
}

Result<Record> get_team(account::Records& records, const std::string& team_id) {
  Result<std::optional<Record>> team = records.find(account::kTeams, team_id);
  if (!team) return base::fail(std::move(team.error()));
  if (*team) return std::move(**team);
  Error error;
  error.kind = ErrorKind::NotFound;
  error.param = "team_id";
  error.message = "Team not found, passed team_id=" + team_id;
  return base::fail(std::move(error));
}

Result<Applied> apply_team_body(const json::Value& body, Record& team) {
  if (Status status = refuse_unkept_promises(body); !status) return base::fail(std::move(status.error()));
  const std::string member_budget = member_budget_of(team);
  Result<Applied> applied = apply_fields(body, kTeamFields, team);
  if (!applied) return applied;
  if (member_budget_of(team) != member_budget) {
    return refuse_field("metadata", "metadata.team_member_budget_id is ours to set: send team_member_budget.");
  }
  if (Status status = check_values(body, team); !status) return base::fail(std::move(status.error()));
  return applied;
}

std::string own_model_prefix(const Record& team) {
  return "model_name_" + team.key() + "_";
}

Grant grant_of(const json::Value& body, const Record* before, const Record& team) {
  Grant grant;
  grant.to = Grant::To::Team;
  grant.is_new = before == nullptr;
  for (const auto& [key, value] : body.members()) {
    if (!protocol::asks_for_nothing(value)) grant.fields.push_back(key.text().value_or(""));
  }
  const std::string aliases = before == nullptr ? "{}" : before->text("model_aliases");
  grant.alias_targets = new_targets(aliases, team.text("model_aliases"));
  std::erase_if(grant.alias_targets,
                [&team](const std::string& target) { return target.starts_with(own_model_prefix(team)); });
  grant.team_id = team.key();
  grant.organization_id = team.maybe_text("organization_id");
  if (given(body.find("models"))) grant.models = team.list("models");
  if (body.find("max_budget")) grant.max_budget = team.amount("max_budget");
  grant.max_budget_tokens = given_limit(body, team, "max_budget_tokens");
  grant.tpm_limit = given_limit(body, team, "tpm_limit");
  grant.rpm_limit = given_limit(body, team, "rpm_limit");
  grant.max_parallel_requests = given_limit(body, team, "max_parallel_requests");
  return grant;
}

Result<bool> stands_above(account::Records& records, const domain::Caller& caller, const Record& team) {
  if (administers(caller)) return true;
  const std::optional<std::string> organization = team.maybe_text("organization_id");
  if (!organization) return false;
  const Status may = may_manage_organization(records, caller, *organization);
  if (!may && may.error().kind != ErrorKind::PermissionDenied) return base::fail(may.error());
  return may.has_value();
}

std::optional<std::int64_t> team_key_seconds(const Record& team) {
  const std::string text = team.text("metadata");
  json::Document metadata;
  if (!metadata.parse(text)) return std::nullopt;
  const std::optional<std::string> duration = metadata.root().find("team_member_key_duration").text();
  const std::optional<std::int64_t> seconds = duration ? base::parse_duration_seconds(*duration) : std::nullopt;
  return seconds && *seconds > 0 ? seconds : std::nullopt;
}

Status only_less(const Record& before, const Record& after) {
  const std::optional<Money> budget = before.amount("max_budget");
  if (budget && (!after.amount("max_budget") || *after.amount("max_budget") > *budget)) {
    return raises("max_budget", "is " + budget->to_string());
  }
  for (const std::string_view name : {"max_budget_tokens", "tpm_limit", "rpm_limit", "max_parallel_requests"}) {
    const std::optional<std::int64_t> limit = before.whole(name);
    if (limit && (!after.whole(name) || *after.whole(name) > *limit)) {
      return raises(name, "is " + std::to_string(*limit));
    }
  }
  const std::vector<std::string> models = before.list("models");
  const std::vector<std::string> asked = after.list("models");
  const auto held = [&models](const std::string& model) { return std::ranges::find(models, model) != models.end(); };
  if (!models.empty() && (asked.empty() || !std::ranges::all_of(asked, held))) {
    return raises("models", "are " + fmt::format("{}", fmt::join(models, ", ")));
  }
  // What says where the team belongs, what it may reach and whether it may call at all is not its own to say.
  for (const std::string_view name : {"organization_id", "blocked", "access_group_ids", "budget_duration",
                                      "budget_reset_at", "model_max_budget", "object_permission"}) {
    if (before[name] != after[name]) return raises(name, "is not theirs to change");
  }
  if (Status bound = metadata_binds_still(before, after); !bound) return bound;
  return own_models_stay(before, after);
}

std::string member_budget_of(const Record& team) {
  const std::string metadata = team.text("metadata");
  json::Document document;
  if (!document.parse(metadata)) return {};
  return document.root().find("team_member_budget_id").text().value_or(std::string());
}

Status apply_member_budget(account::Records& records, const json::Value& body, Record& team) {
  if (std::ranges::none_of(kMemberLimits, [&body](std::string_view name) { return bool(body.find(name)); })) return {};
  const std::string known = member_budget_of(team);
  Result<std::optional<Record>> found = std::optional<Record>();
  if (!known.empty()) found = records.find(account::kBudgets, known);
  if (!found) return base::fail(std::move(found.error()));
  if (*found) {
    Record changed = **found;
    if (Status status = apply_member_limits(records.actor(), body, changed); !status) return status;
    if (auto written = records.update(**found, std::move(changed)); !written)
      return base::fail(std::move(written.error()));
    return link_members(records, team, known);
  }
  if (std::ranges::none_of(kMemberLimits, [&body](std::string_view name) { return given(body.find(name)); })) return {};
  Record budget(account::kBudgets);
  if (Status status = apply_member_limits(records.actor(), body, budget); !status) return status;
  const std::string budget_id = new_budget_id(team);
  budget.set("budget_id", db::Value(budget_id));
  if (auto made = records.create(std::move(budget)); !made) return base::fail(std::move(made.error()));
  team.set("metadata", db::Value(set_member(team.text("metadata"), "team_member_budget_id", json::quoted(budget_id))));
  return link_members(records, team, budget_id);
}

std::vector<std::string> available_teams(const Context& context) {
  return context.settings().litellm.available_teams;
}

}  // namespace turnpike::api
