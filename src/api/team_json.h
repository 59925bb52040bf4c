#pragma once

#include <span>

#include "account/team_roster.h"
#include "json/write.h"
#include "ledger/ledger.h"

/// Teams as answers show them (spec management-api 3).
namespace turnpike::api {

/// What is booked, or what this process has settled where that is more.
Money live_spend(const ledger::Ledger& ledger, std::int64_t account_id, Money booked);
/// The same into a row, of its accounts in dollars and in tokens.
void make_live(account::Record& row, const ledger::Ledger& ledger);

/// The members of LiteLLM's team row, into an open object.
void write_team(json::Writer& writer, const account::Roster& roster, const ledger::Ledger& ledger);
std::string team_json(const account::Roster& roster, const ledger::Ledger& ledger);

/// A list of memberships, each with the budget it is held to. `only`: of these users; empty: of all.
Status write_memberships(json::Writer& writer, account::Records& records, const account::Roster& roster,
                         const ledger::Ledger& ledger, std::span<const std::string> only = {});

}  // namespace turnpike::api
