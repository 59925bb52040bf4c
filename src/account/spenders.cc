#include "account/spenders.h"

#include <array>

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
    : state_(std::make_shared<State>(State{database, names_max, {}, {}, {}, 0})) {}

std::optional<Spenders::SpenderRef> Spenders::find_known(std::int16_t kind, std::string_view name) {
  State& state = *state_;
  if (name.size() > kNameBytesMax || state.rows_of(kind) == false) return SpenderRef();
  const auto found = state.known.find(key_of(kind, name));
  if (found == state.known.end()) return std::nullopt;
  state.order.splice(state.order.begin(), state.order, found->second.place);
  return found->second.spender;
}

Task<Spenders::SpenderRef> Spenders::find(std::int16_t kind, std::string name) {
  const std::shared_ptr<State> state = state_;
  const std::uint64_t changes = state->changes;
  struct Answer {
    bool rows = false;
    std::optional<Spender> spender;
  };
  const auto answer = std::make_shared<Answer>();
  std::function<Status(db::Transaction&)> work = [kind, name, answer](db::Transaction& transaction) -> Status {
    const auto any =
        transaction.run(kind == kEndUserKind ? "SELECT 1 FROM end_user LIMIT 1" : "SELECT 1 FROM tag LIMIT 1", {});
    if (!any) return base::fail(any.error());
    answer->rows = !any->rows.empty();
    if (!answer->rows) return {};
    Result<std::optional<Spender>> spender = read_spender(transaction, kind, name);
    if (!spender) return base::fail(std::move(spender.error()));
    answer->spender = std::move(*spender);
    return {};
  };
  const Status done = co_await state->database.read(std::move(work));
  if (!done) co_return nullptr;
  SpenderRef spender = answer->spender ? std::make_shared<const Spender>(std::move(*answer->spender)) : nullptr;
  if (state->changes == changes) {
    state->rows_of(kind) = answer->rows;
    if (answer->rows) state->keep(key_of(kind, name), spender);
  }
  co_return spender;
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
