#pragma once

#include <functional>

#include "account/record.h"
#include "api/context.h"
#include "base/task.h"

/// Records behind a route: who asks, and the transaction in which the answer is made.
namespace turnpike::api {

/// Tells the ledger of this process what a committed unit of work did to accounts.
void tell_ledger(ledger::Ledger& ledger, const std::vector<account::AccountNews>& news);

/// By which budgets begin anew (domain/budget.h).
std::string budget_calendar(const config::Settings& settings);
/// Whom the audit log names for this request.
account::Actor actor_of(const Context& context);

/// Runs `work` in one transaction. Errors: those of `work`; Unavailable type "no_db_connection" without a database.
Task<Status> in_records(const Context& context, std::function<Status(account::Records&)> work);
/// The same for work that changes nothing: it waits for no other.
Task<Status> read_records(const Context& context, std::function<Status(account::Records&)> work);

/// The same two for work that makes the whole answer.
Task<Result<Reply>> answer_in_records(const Context& context, std::function<Result<Reply>(account::Records&)> work);
Task<Result<Reply>> answer_from_records(const Context& context, std::function<Result<Reply>(account::Records&)> work);

}  // namespace turnpike::api
