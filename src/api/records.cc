#include "api/records.h"

#include <memory>

namespace turnpike::api {
namespace {

Error no_database() {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.type = "no_db_connection";
  error.message = "No connected db.";
  return error;
}

std::function<Status(account::Records&)> into(std::shared_ptr<Reply> reply,
                                              std::function<Result<Reply>(account::Records&)> work) {
  return [reply = std::move(reply), work = std::move(work)](account::Records& records) -> Status {
    Result<Reply> made = work(records);
    if (!made) return base::fail(std::move(made.error()));
    *reply = std::move(*made);
    return {};
  };
}

}  // namespace

void tell_ledger(ledger::Ledger& ledger, const std::vector<account::AccountNews>& news) {
  using What = account::AccountNews::What;
  for (const account::AccountNews& one : news) {
    // An account this process has not met yet is read whole with its caller.
    if (one.what == What::Closed) {
      ledger.account_closed(one.account.account_id, one.account.version);
    } else if (one.what == What::Terms) {
      ledger.terms_changed(one.account);
    } else {
      ledger.spend_changed(one.account.account_id, one.account.spent, one.edit, one.account.version);
    }
  }
}

std::string budget_calendar(const config::Settings& settings) {
  return domain::calendar_text(settings.litellm.timezone, settings.turnpike.budget_week_start);
}

account::Actor actor_of(const Context& context) {
  account::Actor actor;
  actor.name = author(context);
  actor.key_hash = context.caller ? context.caller->key_hash_hex : std::string();
  actor.request_id = context.request_id;
  actor.now_us = context.now_us;
  actor.audited = context.settings().litellm.store_audit_logs;
  actor.calendar = budget_calendar(context.settings());
  return actor;
}

Task<Status> in_records(const Context& context, std::function<Status(account::Records&)> work) {
  if (context.gateway.database == nullptr) co_return base::fail(no_database());
  const auto actor = std::make_shared<account::Actor>(actor_of(context));
  const auto changes = std::make_shared<std::vector<account::Change>>();
  const auto news = std::make_shared<std::vector<account::AccountNews>>();
  std::function<Status(db::Transaction&)> unit = [actor, changes, news,
                                                  work = std::move(work)](db::Transaction& transaction) -> Status {
    account::Records records(transaction, *actor);
    Status done = work(records);
    *changes = records.changes();
    *news = records.account_news();
    return done;
  };
  Status done = co_await context.gateway.database->transact(std::move(unit));
  if (done) tell_ledger(*context.gateway.ledger, *news);
  if (done && !changes->empty() && context.gateway.changed) context.gateway.changed(*changes);
  co_return done;
}

Task<Status> read_records(const Context& context, std::function<Status(account::Records&)> work) {
  if (context.gateway.database == nullptr) co_return base::fail(no_database());
  const auto actor = std::make_shared<account::Actor>(actor_of(context));
  std::function<Status(db::Transaction&)> unit = [actor, work = std::move(work)](db::Transaction& transaction) {
    account::Records records(transaction, *actor);
    return work(records);
  };
  co_return co_await context.gateway.database->read(std::move(unit));
}

Task<Result<Reply>> answer_in_records(const Context& context, std::function<Result<Reply>(account::Records&)> work) {
  auto reply = std::make_shared<Reply>();
  std::function<Status(account::Records&)> unit = into(reply, std::move(work));
  if (Status done = co_await in_records(context, std::move(unit)); !done) co_return base::fail(std::move(done.error()));
  co_return std::move(*reply);
}

Task<Result<Reply>> answer_from_records(const Context& context, std::function<Result<Reply>(account::Records&)> work) {
  auto reply = std::make_shared<Reply>();
  std::function<Status(account::Records&)> unit = into(reply, std::move(work));
  if (Status done = co_await read_records(context, std::move(unit)); !done) {
    co_return base::fail(std::move(done.error()));
  }
  co_return std::move(*reply);
}

}  // namespace turnpike::api
