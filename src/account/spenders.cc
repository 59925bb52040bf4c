#include "account/spenders.h"

#include <array>

#include "account/config_accounts.h"
#include "account/rate_limits.h"
#include "account/tables.h"
#include "base/clock.h"

namespace turnpike::account {
namespace {

// Longer names are nobody's: no row can have one.
constexpr std::size_t kNameBytesMax = 1024;

std::string key_of(std::int16_t kind, std::string_view name) {
  return std::to_string(kind) + ":" + std::string(name);
}

}  // namespace

struct Spenders::State {
  using Order = std::list<std::string>;
  struct Known {
    SpenderRef spender;
    Order::iterator place;
  };

  db::Database& database;
  std::size_t names_max;
  std::unordered_map<std::string, Known> known;
  Order order;  // Most recently used first.
  // Whether the table of the kind has rows; nothing: not asked since it changed.
  std::array<std::optional<bool>, 2> has_rows;
  std::uint64_t changes = 0;
  config::BudgetSettings defaults;
  std::string calendar = "UTC";

  bool may_have_default(std::int16_t kind, std::string_view name) const {
    if (kind == kTagKind) return defaults.tags.contains(std::string(name));
    return defaults.end_user_budget || !defaults.end_user_budget_id.empty();
  }
  Actor actor() const { return {"config", {}, {}, base::unix_now_us(), true, calendar}; }

  std::optional<bool>& rows_of(std::int16_t kind) { return has_rows[kind == kEndUserKind ? 0 : 1]; }

  void keep(std::string key, SpenderRef spender) {
    drop(key);
    while (order.size() >= names_max && !order.empty()) drop(std::string(order.back()));
    order.push_front(key);
    known.emplace(std::move(key), Known{std::move(spender), order.begin()});
  }
  void drop(const std::string& key) {
    const auto found = known.find(key);
    if (found == known.end()) return;
    order.erase(found->second.place);
    known.erase(found);
  }
};

Spenders::Spenders(db::Database& database, std::size_t names_max)
    : state_(std::make_shared<State>(State{database, names_max, {}, {}, {}, 0, {}, "UTC"})) {}

std::optional<Spenders::SpenderRef> Spenders::find_known(std::int16_t kind, std::string_view name) {
  State& state = *state_;
  if (name.size() > kNameBytesMax) return SpenderRef();
  if (state.rows_of(kind) == false && !state.may_have_default(kind, name)) return SpenderRef();
  const auto found = state.known.find(key_of(kind, name));
  if (found == state.known.end()) return std::nullopt;
  state.order.splice(state.order.begin(), state.order, found->second.place);
  return found->second.spender;
}

namespace {

/// What a look for a spender has found.
struct Found {
  bool has_rows = false;  // The table of its kind has any.
  bool is_open = true;    // Its account is as it has to be; else it is to be opened first.
  std::optional<Spender> spender;
};

Result<bool> has_rows(Records& records, std::int16_t kind) {
  const auto any = records.transaction().run(
      kind == kEndUserKind ? "SELECT 1 FROM end_user LIMIT 1" : "SELECT 1 FROM tag LIMIT 1", {});
  if (!any) return base::fail(any.error());
  return !any->rows.empty();
}

Result<std::optional<db::AccountRow>> account_of(Records& records, std::int16_t kind, const std::string& name) {
  const auto rows = records.transaction().run(
      "SELECT account_id FROM account WHERE kind = $1 AND entity = $2 AND model = ''", {std::int64_t{kind}, name});
  if (!rows) return base::fail(rows.error());
  if (rows->rows.empty()) return std::optional<db::AccountRow>();
  return db::find_account(records.transaction(), db::as_int(rows->rows[0][0]), records.actor().now_us);
}

/// Whether accounts are there with these terms, as far as they say anything.
bool is_open_by(const std::optional<db::AccountRow>& account, const DefaultTerms& wanted) {
  const bool counts_tokens = wanted.tokens.limit || wanted.tokens.soft;
  if (!account) return !wanted.money.terms.limit && !counts_tokens;
  const db::AccountState* const tokens = account->budget_in_tokens();
  return account->terms == wanted.money.terms && (tokens != nullptr) == counts_tokens &&
         (tokens == nullptr || tokens->terms == wanted.tokens);
}

/// `defaults`: null where the configuration gives nobody of this kind a budget.
Result<Found> look(Records& records, std::int16_t kind, const std::string& name,
                   const config::BudgetSettings* defaults) {
  Found found;
  const Result<bool> rows = has_rows(records, kind);
  if (!rows) return base::fail(rows.error());
  found.has_rows = *rows;
  if (!*rows && defaults == nullptr) return found;
  const auto row = records.find(kind == kEndUserKind ? kEndUsers : kTags, name);
  if (!row) return base::fail(row.error());
  std::optional<std::string> budget_id = *row ? (*row)->maybe_text("budget_id") : std::nullopt;
  if (!*row && defaults == nullptr) return found;
  const std::string label = *row && kind == kEndUserKind ? (*row)->text("alias") : std::string();
  Spender spender{{}, {}, *row && kind == kEndUserKind && (*row)->flag("blocked"), {kind, name, label, {}, {}}};
  if (*row) {
    spender.account = facts_of(**row, label);
    spender.tokens = token_facts_of(**row, label);
  }
  if (!budget_id && defaults != nullptr) {
    const Result<DefaultTerms> wanted = default_terms(records, *defaults, kind, name);
    if (!wanted) return base::fail(wanted.error());
    const auto account = account_of(records, kind, name);
    if (!account) return base::fail(account.error());
    found.is_open = is_open_by(*account, *wanted);
    if (!*account) return found;
    spender.account = db::facts_of(**account, {kind, name}, label);
    if (const db::AccountState* const tokens = (*account)->budget_in_tokens())
      spender.tokens = db::facts_of(*tokens, {domain::kind_in_tokens(kind), name}, label);
    if (kind == kEndUserKind && !defaults->end_user_budget_id.empty()) budget_id = defaults->end_user_budget_id;
  }
  if (Status done = complete_from_budget(records, budget_id, spender.limits.most); !done)
    return base::fail(std::move(done.error()));
  found.spender = std::move(spender);
  return found;
}

/// Opens the account by what the configuration says and looks again.
Result<Found> open_and_look(Records& records, std::int16_t kind, const std::string& name,
                            const config::BudgetSettings& defaults) {
  const Result<DefaultTerms> wanted = default_terms(records, defaults, kind, name);
  if (!wanted) return base::fail(wanted.error());
  if (Status set = records.set_account({kind, name}, wanted->money); !set) return base::fail(std::move(set.error()));
  const auto account = account_of(records, kind, name);
  if (!account) return base::fail(account.error());
  if (Status set = records.set_token_account({kind, name}, wanted->tokens, (*account)->window.ends_us); !set)
    return base::fail(std::move(set.error()));
  return look(records, kind, name, &defaults);
}

}  // namespace

Result<std::optional<Spender>> read_spender(db::Transaction& transaction, std::int16_t kind, const std::string& name) {
  Actor nobody;
  nobody.now_us = base::unix_now_us();
  Records records(transaction, nobody);
  Result<Found> found = look(records, kind, name, nullptr);
  if (!found) return base::fail(std::move(found.error()));
  return std::move(found->spender);
}

Task<Spenders::SpenderRef> Spenders::find(std::int16_t kind, std::string name) {
  const std::shared_ptr<State> state = state_;
  const std::uint64_t changes = state->changes;
  const auto found = std::make_shared<Found>();
  const auto defaults = std::make_shared<const config::BudgetSettings>(state->defaults);
  const bool has_default = state->may_have_default(kind, name);
  const auto unit = [kind, name, found, defaults, actor = state->actor()](bool has_default_in, bool opens) {
    return [=](db::Transaction& transaction) -> Status {
      Records records(transaction, actor);
      Result<Found> one = opens ? open_and_look(records, kind, name, *defaults)
                                : look(records, kind, name, has_default_in ? defaults.get() : nullptr);
      if (!one) return base::fail(std::move(one.error()));
      *found = std::move(*one);
      return {};
    };
  };
  std::function<Status(db::Transaction&)> work = unit(has_default, false);
  Status done = co_await state->database.read(std::move(work));
  if (done && !found->is_open) {
    work = unit(has_default, true);
    done = co_await state->database.transact(std::move(work));
  }
  if (!done) co_return nullptr;
  SpenderRef spender = found->spender ? std::make_shared<const Spender>(std::move(*found->spender)) : nullptr;
  if (state->changes == changes) {
    state->rows_of(kind) = found->has_rows;
    if (found->has_rows || has_default) state->keep(key_of(kind, name), spender);
  }
  co_return spender;
}

void Spenders::take_defaults(config::BudgetSettings defaults, std::string calendar) {
  state_->defaults = std::move(defaults);
  state_->calendar = std::move(calendar);
  forget_all();
}

void Spenders::forget(std::int16_t kind, std::string_view name) {
  ++state_->changes;
  state_->rows_of(kind).reset();
  state_->drop(key_of(kind, name));
}

void Spenders::forget_all() {
  ++state_->changes;
  state_->known.clear();
  state_->order.clear();
  state_->has_rows = {};
}

}  // namespace turnpike::account
