#include "api/handlers.h"
#include "api/records.h"
#include "db/account_rows.h"

// POST /global/spend/reset (spec management-api 10.2): the spend of every key and team becomes 0. Nothing is erased:
// each is an entry of its own in the ledger, as every edit of a spend is.
namespace turnpike::api {
namespace {

using account::Records;

constexpr int kAccountsOfAUnit = 500;  // Of one transaction, so that others get their turn.

tl::unexpected<Error> master_key_only() {
  return base::fail(ErrorKind::PermissionDenied, "Only the master key itself may reset the spend of everybody.");
}

bool is_master_key(const domain::Caller& caller) {
  return caller.role == domain::Role::Anonymous ||
         (caller.is_admin() && !caller.is_user && caller.key_hash_hex == "litellm_proxy_master_key");
}

/// Sets the spends of the next accounts to 0. Returns the last of them; 0: there are no more.
Result<std::int64_t> reset_some(Records& records, std::int64_t behind) {
  constexpr std::int64_t kTeam = 3;
  db::Transaction& transaction = records.transaction();
  const Result<db::Rows> accounts = transaction.run(
      "SELECT a.account_id, a.kind, a.entity FROM account a JOIN account_window w ON w.account_id = a.account_id AND"
      " w.window_id = a.window_id WHERE a.kind IN (3, 6, 103, 106) AND a.closed_us IS NULL AND w.spent_nano <> 0"
      " AND a.account_id > $1 ORDER BY a.account_id LIMIT $2",
      {behind, std::int64_t{kAccountsOfAUnit}});
  if (!accounts) return base::fail(accounts.error());
  std::int64_t last = 0;
  for (const db::Row& row : accounts->rows) {
    last = db::as_int(row[0]);
    const Result<Money> edit = db::set_account_spend(transaction, last, Money(), db::EntryKind::Adjust,
                                                     records.actor().name, records.actor().now_us);
    if (!edit) return base::fail(edit.error());
    const Result<std::optional<db::AccountRow>> reset = db::find_account(transaction, last, records.actor().now_us);
    if (!reset) return base::fail(reset.error());
    if (!*reset) continue;
    const db::AccountName name{static_cast<std::int16_t>(db::as_int(row[1])), db::as_text(row[2])};
    records.tell({account::AccountNews::What::Spend, db::facts_of(**reset, name, name.entity), *edit});
    const std::string_view kind = domain::kind_of_entity(name.kind) == kTeam ? "team" : "key";
    if (Status noted = records.note(kind, db::as_text(row[2])); !noted) return base::fail(std::move(noted.error()));
  }
  return last;
}

}  // namespace

Task<Result<Reply>> reset_global_spend(const Context& context) {
  if (!is_master_key(*context.caller)) co_return master_key_only();
  co_await context.gateway.ledger->shipped();
  const auto last = std::make_shared<std::int64_t>(0);
  bool first = true;
  do {
    std::function<Status(Records&)> work = [last, behind = *last, first](Records& records) -> Status {
      const Result<std::int64_t> reached = reset_some(records, behind);
      if (!reached) return base::fail(reached.error());
      *last = *reached;
      if (!first) return {};
      return account::write_audit(records.transaction(), records.actor(), "spend_reset", "LiteLLM_SpendLogs", "global",
                                  "", "");
    };
    if (Status done = co_await in_records(context, std::move(work)); !done) {
      co_return base::fail(std::move(done.error()));
    }
    first = false;
  } while (*last != 0);
  co_return private_json_reply(
      R"({"message":"Spend for all API Keys and Teams reset successfully","status":"success"})");
}

/// There are no views that could be behind: sums are kept with the entries, in the same transaction.
Task<Result<Reply>> refresh_global_spend(const Context&) {
  co_return json_reply(R"({"message":"Nothing to refresh: sums are kept as entries are booked.","status":"success"})");
}

}  // namespace turnpike::api
