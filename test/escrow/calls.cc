#include <algorithm>
#include <utility>

#include "replica.h"

// What becomes of a call in its gateway.

namespace turnpike::escrow {
namespace {

constexpr std::uint64_t kExtension = 1ULL << 62;  // Of a ticket: an admitted call waits for more.
constexpr std::int64_t kExtensionWaitUs = 200 * kMillisecondUs;

}  // namespace

void Replica::serve(Call call) {
  Judge& judge = world_.judge();
  call.replica_no = replica_no_;
  const std::int64_t ledger_us = ledger_time_us();
  Open open_call;
  bool strict = false, lenient = false;
  for (const std::int64_t account_id : world_.plan().accounts_of_key(call.key)) {
    const AccountPlan& account = world_.plan().account(account_id);
    const bool has_limit = !process_->knows_limits || process_->limits_nano[account_id].has_value();
    const LeaseKey key{account_id, account.window_at(ledger_us)};
    if (key.window_id != account.window_at(now_us())) judge.saw("calls in another window than the database's clock");
    (account.strict ? strict : lenient) = true;
    call.bookings.push_back({key, has_limit});
    if (has_limit) open_call.covered.push_back({key, open(account_id, key.window_id, std::nullopt)});
  }
  judge.arrived(call);
  if (strict && lenient) judge.saw("calls on strict accounts and others");
  open_call.call = call;
  if (!process_->knows_limits || process_->keeper.superseded()) return refuse(call, Refusal::Unavailable);
  if (take(open_call, call.hold_nano)) return admit(std::move(open_call));
  if (is_refused(open_call, call.hold_nano)) return refuse(call, Refusal::Refused);
  const auto ticket = static_cast<std::uint64_t>(call.number);
  wait(std::move(open_call), ticket, call.hold_nano, std::nullopt);
  if (call.patience_us > 0) later(call.patience_us, [this, ticket] { hang_up(ticket); });
  pump();
}

bool Replica::take(const Open& open, std::int64_t amount_nano) {
  std::vector<lease::Taking> takings;
  for (const Covered& one : open.covered) takings.push_back({one.words.get(), amount_nano});
  const lease::AccountWords* const short_of = take_all(takings);
  if (world_.plan().mutant == Mutant::LeaveHeld && short_of != nullptr && short_of != takings.front().account)
    take_anyway(*takings.front().account, amount_nano);
  return short_of == nullptr;
}

/// By a verdict that is still in force.
bool Replica::is_refused(const Open& open, std::int64_t amount_nano) const {
  return std::ranges::any_of(open.covered, [&](const Covered& one) {
    return one.words->free.load() < amount_nano && one.words->refuses(amount_nano, now_us());
  });
}

void Replica::wait(Open open, std::uint64_t ticket, std::int64_t amount_nano, std::optional<std::int64_t> wait_us) {
  lease::WaitingCall waiting;
  waiting.ticket = ticket;
  waiting.wait_us = wait_us;
  for (const Covered& one : open.covered) waiting.claims.push_back({one.key, amount_nano});
  process_->waiting.emplace(ticket, std::move(open));
  process_->keeper.wait(std::move(waiting), now_us());
}

void Replica::hang_up(std::uint64_t ticket) {
  if (process_->waiting.erase(ticket) == 0) return;
  world_.judge().saw("callers that hung up while they waited");
  if (world_.plan().mutant != Mutant::StayInQueue) process_->keeper.leave(ticket);
}

void Replica::end_waits() {
  using Kind = lease::LeaseOutcome::Kind;
  for (const lease::LeaseOutcome& outcome : process_->keeper.take_outcomes()) {
    const auto found = process_->waiting.find(outcome.ticket);
    if (found == process_->waiting.end()) {
      world_.judge().object("who has left is not served", std::to_string(outcome.ticket));
      continue;
    }
    Open open = std::move(found->second);
    process_->waiting.erase(found);
    if ((outcome.ticket & kExtension) != 0) {
      end_extension(open.call.number, outcome.kind == Kind::Taken);
    } else if (outcome.kind == Kind::Taken) {
      admit(std::move(open));
    } else {
      refuse(open.call, outcome.kind == Kind::Refused ? Refusal::Refused : Refusal::Unavailable);
    }
  }
}

/// The hold is in the journal, and the provider is asked.
void Replica::admit(Open open) {
  const Call call = open.call;
  const std::int64_t number = call.number;
  journal_.hold(call, now_us(), world_.dice());
  written(false);
  process_->running.emplace(number, std::move(open));
  world_.judge().admitted(call, now_us() - call.arrived_us);
  if (call.more_hold_nano > 0) {
    later(call.length_us / 2, [this, number] { extend(number); });
    return;
  }
  if (call.streams) {
    later(call.length_us / 2, [this, number] { grow(number, 0.5); });
    later(call.length_us * 3 / 4, [this, number] { grow(number, 0.75); });
  }
  later(call.length_us, [this, number] { settle(number); });
}

void Replica::refuse(const Call& call, Refusal how) {
  std::map<LeaseKey, OutOfReach> out_of_reach;
  for (const Booking& booking : call.bookings) out_of_reach[booking.key] = world_.out_of_reach(booking.key);
  world_.judge().refused(call, how, out_of_reach);
}

/// An attempt that was billed has failed: there is a second one if it can be held for.
void Replica::extend(std::int64_t call_number) {
  const Open& open = process_->running.at(call_number);
  const std::int64_t more_nano = open.call.more_hold_nano;
  if (take(open, more_nano)) return end_extension(call_number, true);
  if (is_refused(open, more_nano)) return end_extension(call_number, false);
  world_.judge().saw("extensions that waited");
  wait(open, static_cast<std::uint64_t>(call_number) | kExtension, more_nano, kExtensionWaitUs);
  pump();
}

void Replica::end_extension(std::int64_t call_number, bool taken) {
  world_.judge().saw(taken ? "holds extended" : "extensions refused");
  if (!taken) return settle(call_number);
  Open& open = process_->running.at(call_number);
  open.grown_nano += open.call.more_hold_nano;
  open.call.cost_nano += open.call.more_cost_nano;
  journal_.extend(call_number, open.call.more_hold_nano, now_us(), world_.dice());
  world_.judge().extended(call_number, open.call.more_hold_nano, true);
  later(open.call.length_us / 2, [this, call_number] { settle(call_number); });
}

/// A stream that has outgrown its hold takes a quarter more, whatever is left.
void Replica::grow(std::int64_t call_number, double done) {
  Open& open = process_->running.at(call_number);
  const auto so_far_nano = static_cast<std::int64_t>(static_cast<double>(open.call.cost_nano) * done);
  std::int64_t more_nano = 0;
  while (open.held_nano() + more_nano < so_far_nano) more_nano += open.call.hold_nano / 4 + 1;
  if (more_nano == 0) return;
  world_.judge().saw("holds that grew with their stream");
  open.grown_nano += more_nano;
  journal_.extend(call_number, more_nano, now_us(), world_.dice());
  for (const Covered& one : open.covered) {
    take_anyway(*one.words, more_nano);
    if (one.words->free.load() < 0) process_->keeper.touched(one.key, now_us());
  }
  world_.judge().extended(call_number, more_nano, false);
  pump();
}

void Replica::settle(std::int64_t call_number) {
  const auto found = process_->running.find(call_number);
  const Open open = std::move(found->second);
  process_->running.erase(found);
  const Call& call = open.call;
  const Mutant mutant = world_.plan().mutant;
  std::vector<Booking> bookings = call.bookings;
  for (Booking& booking : bookings) {
    const AccountPlan& account = world_.plan().account(booking.key.account_id);
    if (mutant == Mutant::BookAtEnd) booking.key.window_id = account.window_at(ledger_time_us());
    if (mutant == Mutant::OtherClock) booking.key.window_id = account.window_at(call.arrived_us);
    if (!booking.covered) world_.judge().saw("bookings outside of leases");
  }
  write_entry(++process_->last_no, call_number, call.cost_nano, bookings);
  const std::int64_t held_nano = mutant == Mutant::KeepExtension ? call.hold_nano : open.held_nano();
  for (const Covered& one : open.covered) {
    if (lease::settle(*one.words, held_nano, call.cost_nano)) process_->keeper.touched(one.key, now_us());
  }
  world_.judge().settled(call_number, call.cost_nano, now_us());
  answer(call_number);
  written(true);
  pump();
}

/// The last byte waits for the disk if it has to.
void Replica::answer(std::int64_t call_number) {
  if (!world_.plan().synced || world_.plan().mutant == Mutant::AnswerUnsynced)
    return world_.judge().answered(call_number);
  world_.judge().saw("answers that waited for the disk");
  later(std::max<std::int64_t>(0, journal_.synced_at_us() - now_us()),
        [this, call_number] { world_.judge().answered(call_number); });
}

void Replica::write_entry(std::int64_t entry_no, std::int64_t call, std::int64_t cost_nano,
                          std::vector<Booking> bookings) {
  Entry entry;
  entry.entry_no = entry_no;
  entry.call = call;
  entry.cost_nano = cost_nano;
  entry.bookings = std::move(bookings);
  world_.judge().journaled(replica_no_, entry);
  const bool forgets = world_.plan().mutant == Mutant::CloseAgain && !process_->serves;
  if (!forgets) journal_.entry(entry, now_us(), world_.dice());
  process_->entries[entry_no] = std::move(entry);
}

}  // namespace turnpike::escrow
