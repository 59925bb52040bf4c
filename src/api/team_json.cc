#include "api/team_json.h"

#include <algorithm>
#include <map>

#include "account/tables.h"

namespace turnpike::api {
namespace {

void text_or_null(json::Writer& writer, std::string_view name, const std::optional<std::string>& text) {
  writer.key(name);
  if (text) {
    writer.string(*text);
  } else {
    writer.null();
  }
}

void write_ids(json::Writer& writer, std::string_view name, const account::Roster& roster, bool admins) {
  writer.key(name).begin_array();
  for (const account::TeamMember& member : roster.members) {
    if ((member.role == "admin") == admins) writer.string(member.user_id);
  }
  writer.end_array();
}

/// `litellm_budget_table` of a membership: null without a budget.
Result<std::string> budget_json(account::Records& records, const std::optional<std::string>& budget_id) {
  if (!budget_id) return std::string("null");
  Result<std::optional<account::Record>> budget = records.find(account::kBudgets, *budget_id);
  if (!budget) return base::fail(std::move(budget.error()));
  return *budget ? account::record_json(**budget) : std::string("null");
}

}  // namespace

Money live_spend(const ledger::Ledger& ledger, std::int64_t account_id, Money booked) {
  const ledger::AccountRef account = ledger.find_account(account_id);
  // What other replicas have spent since is known when they have booked it.
  return account ? std::max(booked, account->spent()) : booked;
}

void make_live(account::Record& row, const ledger::Ledger& ledger) {
  if (row.account_id != 0) row.spend = live_spend(ledger, row.account_id, row.spend);
  if (row.tokens) row.tokens->spent = live_spend(ledger, row.tokens->account_id, row.tokens->spent);
}

void write_team(json::Writer& writer, const account::Roster& roster, const ledger::Ledger& ledger) {
  constexpr std::string_view kHidden[] = {"model_aliases"};  // Below litellm_model_table.
  account::Record team = roster.team;
  make_live(team, ledger);
  account::write_record(writer, team, kHidden);
  write_ids(writer, "admins", roster, true);
  write_ids(writer, "members", roster, false);
  writer.key("members_with_roles").begin_array();
  for (const account::TeamMember& member : roster.members) {
    writer.begin_object().key("user_id").string(member.user_id);
    text_or_null(writer, "user_email", member.email);
    writer.key("role").string(member.role).end_object();
  }
  writer.end_array();
  writer.key("model_id").null().key("litellm_model_table");
  if (const std::string aliases = team.text("model_aliases"); aliases == "{}") {
    writer.null();
  } else {
    writer.begin_object().key("model_aliases").raw(aliases).end_object();
  }
}

std::string team_json(const account::Roster& roster, const ledger::Ledger& ledger) {
  std::string text;
  json::Writer writer(text);
  writer.begin_object();
  write_team(writer, roster, ledger);
  writer.end_object();
  return text;
}

Status write_memberships(json::Writer& writer, account::Records& records, const account::Roster& roster,
                         const ledger::Ledger& ledger, std::span<const std::string> only) {
  std::map<std::optional<std::string>, std::string> budgets;  // Most members share one.
  writer.begin_array();
  for (const account::TeamMember& member : roster.members) {
    if (!only.empty() && std::ranges::find(only, member.user_id) == only.end()) continue;
    if (!budgets.contains(member.budget_id)) {
      Result<std::string> budget = budget_json(records, member.budget_id);
      if (!budget) return base::fail(std::move(budget.error()));
      budgets[member.budget_id] = std::move(*budget);
    }
    writer.begin_object().key("user_id").string(member.user_id).key("team_id").string(roster.team.key());
    text_or_null(writer, "budget_id", member.budget_id);
    writer.key("spend").raw(live_spend(ledger, member.account_id, member.spend).to_string()).key("spend_tokens");
    member.tokens_id == 0 ? writer.null()
                          : writer.number(live_spend(ledger, member.tokens_id, member.spend_tokens).nano());
    writer.key("litellm_budget_table").raw(budgets[member.budget_id]).end_object();
  }
  writer.end_array();
  return {};
}

}  // namespace turnpike::api
