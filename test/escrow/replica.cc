#include "replica.h"

#include <algorithm>

namespace turnpike::escrow {
namespace {

constexpr std::int64_t kTickUs = 250 * kMillisecondUs;
constexpr std::int64_t kReadLimitsUs = 500 * kMillisecondUs;
constexpr std::int64_t kShipUs = 100 * kMillisecondUs;
constexpr std::int64_t kShipTimeOutUs = 2 * kSecondUs;
constexpr std::int64_t kBatchMax = 200;
constexpr std::int64_t kOpenEarlyUs = 5 * kSecondUs;
constexpr std::int64_t kLateStartUs = 3 * kSecondUs;  // The start is told a second time then.
constexpr std::int64_t kRetireLateUs = 5 * kSecondUs;

}  // namespace

std::int64_t Replica::ledger_time_us() const {
  return std::max<std::int64_t>(0, world_.timeline().now_us() + clock_offset_us_);
}

void Replica::send_to_database(std::function<void()> arrive, std::function<void()> refused) {
  if (world_.to_database(replica_no_, std::move(arrive))) return;
  world_.timeline().after(kMillisecondUs, [process = Weak(process_), refused = std::move(refused)] {
    if (!process.expired()) refused();
  });
}

template <typename Read>
void Replica::send_back(const Weak& to, Read read) {
  world_.to_replica(replica_no_, [to, read = std::move(read)] {
    if (!to.expired()) read();
  });
}

/// Replays the journal: what is open is closed, as interrupted; then a new epoch begins.
void Replica::start() {
  for (const auto& [number, call] : disk_.holds) {
    // Of some the journal knows that the provider had begun to answer.
    const std::int64_t cost_nano = call.number % 3 == 0 ? std::min(call.hold_nano, call.cost_nano) / 2 : 0;
    write_entry(call, cost_nano, call.bookings);
    world_.judge().settled(call, cost_nano, world_.timeline().now_us());
  }
  disk_.holds.clear();
  ++disk_.epoch;
  process_ = std::make_shared<Process>(world_.plan().terms, disk_.epoch);
  process_->entries_at_start = static_cast<std::int64_t>(disk_.entries.size());
  register_epoch();
  read_limits();
  every(kTickUs, &Replica::tick);
  every(kShipUs, &Replica::ship);
  every(kReadLimitsUs, &Replica::read_limits);
}

void Replica::every(std::int64_t apart_us, void (Replica::*act)()) {
  world_.timeline().after(apart_us, [this, weak = Weak(process_), apart_us, act] {
    if (weak.expired()) return;
    (this->*act)();
    every(apart_us, act);
  });
}

void Replica::kill() {
  if (process_ == nullptr) return;
  for (const auto& [number, open] : process_->waiting) refuse(open.call, Refusal::Unavailable);
  process_.reset();
}

void Replica::lose_disk() {
  kill();
  disk_lost_ = true;
  world_.judge().disk_lost(replica_no_);
  disk_ = {};
}

void Replica::retire() {
  retiring_ = true;
  process_->keeper.retire_all(world_.timeline().now_us());
  pump();
}

void Replica::look_at_rest() {
  Judge& judge = world_.judge();
  if (disk_lost_) return;
  if (!process_->registered) judge.object("I6: a replica can always come back", std::to_string(replica_no_));
  if (process_->keeper.superseded()) judge.object("nobody takes a journal over", std::to_string(replica_no_));
  if (!process_->waiting.empty()) judge.object("every call that waits is told", std::to_string(replica_no_));
  if (!process_->running.empty() || !disk_.holds.empty())
    judge.object("I7: no call is left", std::to_string(replica_no_));
  for (const ledger::LeaseBelief& belief : process_->keeper.beliefs()) {
    if (belief.words->held.load() != 0) judge.object("I7: nothing is held", std::to_string(replica_no_));
  }
  for (const auto& [id, lease] : world_.database().book.leases) {
    if (id.second == replica_no_ && lease.granted_nano != lease.used_nano)
      judge.object("what is not used comes back",
                   std::to_string(replica_no_) + ", account " + std::to_string(id.first.account_id));
  }
}

void Replica::register_epoch() {
  const Weak weak = process_;
  const auto again = [this, weak] {
    if (!weak.expired() && !process_->registered) register_epoch();
  };
  const auto arrive = [this, weak, epoch = disk_.epoch] {
    if (world_.database().register_epoch(replica_no_, epoch)) {
      send_back(weak, [this] {
        process_->registered = true;
        pump();
      });
    }
  };
  send_to_database(arrive, [] {});
  if (world_.plan().faults) world_.timeline().after(kLateStartUs, [this, arrive] { send_to_database(arrive, [] {}); });
  world_.timeline().after(500 * kMillisecondUs, again);
}

void Replica::tick() {
  follow_windows();
  pump();
}

void Replica::read_limits() {
  const Weak weak = process_;
  const auto arrive = [this, weak] {
    std::map<std::int64_t, std::optional<std::int64_t>> limits_nano;
    for (const auto& [id, account] : world_.database().book.accounts) limits_nano[id] = account.limit_nano;
    send_back(weak, [this, limits_nano] {
      process_->limits_nano = limits_nano;
      process_->knows_limits = true;
    });
  };
  send_to_database(arrive, [] {});
}

/// Opens the next window before it begins, and lets go of those that are over.
void Replica::follow_windows() {
  const std::int64_t now_us = ledger_time_us();
  for (const auto& [account_id, newest] : std::map(process_->windows)) {
    const AccountPlan& account = world_.plan().account(account_id);
    const std::int64_t current = account.window_at(now_us);
    if (account.period_us == 0 || newest > current) continue;
    const bool soon = account.window_end_us(now_us) - now_us <= kOpenEarlyUs;
    if (newest == current && !soon) continue;
    const std::int64_t next = newest == current ? account.window_at(account.window_end_us(now_us)) : current;
    process_->ended.push_back({account_id, newest});
    open(account_id, next, LeaseKey{account_id, newest});
  }
  std::erase_if(process_->ended, [&](LeaseKey key) {
    const std::int64_t end_us = key.window_id * kSecondUs + world_.plan().account(key.account_id).period_us;
    if (now_us < end_us + kRetireLateUs) return false;
    process_->keeper.retire(key, world_.timeline().now_us());
    return true;
  });
}

std::shared_ptr<ledger::AccountWords> Replica::open(std::int64_t account_id, std::int64_t window_id,
                                                    std::optional<LeaseKey> after) {
  std::int64_t& newest = process_->windows.try_emplace(account_id, window_id).first->second;
  newest = std::max(newest, window_id);
  ledger::LeaseAccount account;
  account.key = {account_id, window_id};
  account.strict = world_.plan().strict;
  account.limit_nano = process_->limits_nano[account_id].value_or(0);
  account.after = after;
  return process_->keeper.open(account, world_.timeline().now_us());
}

void Replica::serve(Call call) {
  call.replica_no = replica_no_;
  const std::int64_t now_us = ledger_time_us();
  Open open_call;
  for (const std::int64_t account_id : world_.plan().accounts_of_key(call.key)) {
    const bool has_limit = !process_->knows_limits || process_->limits_nano[account_id].has_value();
    const LeaseKey key{account_id, world_.plan().account(account_id).window_at(now_us)};
    call.bookings.push_back({key, has_limit});
    if (has_limit) open_call.covered.push_back({key, open(account_id, key.window_id, std::nullopt)});
  }
  world_.judge().arrived(call);
  open_call.call = call;
  if (!process_->knows_limits || process_->keeper.superseded()) return refuse(call, Refusal::Unavailable);
  if (take(open_call)) return admit(std::move(open_call));
  const std::int64_t steady_us = world_.timeline().now_us();
  ledger::WaitingCall waiting;
  waiting.ticket = static_cast<std::uint64_t>(call.number);
  waiting.amount_nano = call.hold_nano;
  for (const Covered& one : open_call.covered) {
    const bool is_short = one.words->free.load() < call.hold_nano;
    if (is_short && one.words->refuses(call.hold_nano, steady_us)) return refuse(call, Refusal::Refused);
    waiting.accounts.push_back(one.key);
  }
  process_->waiting.emplace(call.number, std::move(open_call));
  process_->keeper.wait(std::move(waiting), steady_us);
  pump();
}

bool Replica::take(Open& open) {
  std::vector<ledger::AccountWords*> words;
  for (const Covered& one : open.covered) words.push_back(one.words.get());
  const ledger::AccountWords* const short_of = take_all(words, open.call.hold_nano);
  if (world_.plan().mutant == Mutant::LeaveHeld && short_of != nullptr && short_of != words.front())
    take_anyway(*words.front(), open.call.hold_nano);
  return short_of == nullptr;
}

/// The hold is in the journal, and the provider is asked.
void Replica::admit(Open open) {
  const Call call = open.call;
  const std::int64_t now_us = world_.timeline().now_us();
  disk_.holds.emplace(call.number, call);
  process_->running.emplace(call.number, std::move(open));
  world_.judge().admitted(call, now_us - call.arrived_us);
  const Weak weak = process_;
  world_.timeline().after(call.length_us, [this, weak, number = call.number] {
    if (!weak.expired()) settle(number);
  });
}

void Replica::refuse(const Call& call, Refusal how) {
  std::map<LeaseKey, std::int64_t> out_of_reach_nano;
  for (const Booking& booking : call.bookings) out_of_reach_nano[booking.key] = world_.out_of_reach_nano(booking.key);
  world_.judge().refused(call, how, out_of_reach_nano);
}

void Replica::settle(std::int64_t call_number) {
  const auto found = process_->running.find(call_number);
  const Open open = std::move(found->second);
  process_->running.erase(found);
  const Call& call = open.call;
  std::vector<Booking> bookings = call.bookings;
  if (world_.plan().mutant == Mutant::BookAtEnd) {
    for (Booking& booking : bookings)
      booking.key.window_id = world_.plan().account(booking.key.account_id).window_at(ledger_time_us());
  }
  write_entry(call, call.cost_nano, bookings);
  disk_.holds.erase(call_number);
  for (const Covered& one : open.covered) {
    if (ledger::settle(*one.words, call.hold_nano, call.cost_nano))
      process_->keeper.touched(one.key, world_.timeline().now_us());
  }
  world_.judge().settled(call, call.cost_nano, world_.timeline().now_us());
  pump();
}

void Replica::write_entry(const Call& call, std::int64_t cost_nano, std::vector<Booking> bookings) {
  Entry entry;
  entry.entry_no = static_cast<std::int64_t>(disk_.entries.size()) + 1;
  entry.call = call.number;
  entry.cost_nano = cost_nano;
  entry.bookings = std::move(bookings);
  world_.judge().journaled(replica_no_, entry, call.bookings);
  disk_.entries.push_back(std::move(entry));
}

void Replica::pump() {
  if (!process_->registered) return;
  const std::int64_t now_us = world_.timeline().now_us();
  break_at_time_out();
  while (const auto operation = process_->keeper.next(now_us)) send_operation(*operation);
  end_waits();
  const std::int64_t wake_at_us = process_->keeper.wake_at_us();
  if (wake_at_us >= process_->waking_at_us) return;
  process_->waking_at_us = wake_at_us;
  const Weak weak = process_;
  world_.timeline().at(wake_at_us, [this, weak, wake_at_us] {
    if (weak.expired() || process_->waking_at_us != wake_at_us) return;
    process_->waking_at_us = INT64_MAX;
    pump();
  });
}

void Replica::end_waits() {
  using Kind = ledger::LeaseOutcome::Kind;
  for (const ledger::LeaseOutcome& outcome : process_->keeper.take_outcomes()) {
    const auto found = process_->waiting.find(static_cast<std::int64_t>(outcome.ticket));
    Open open = std::move(found->second);
    process_->waiting.erase(found);
    if (outcome.kind == Kind::Taken) {
      admit(std::move(open));
    } else {
      refuse(open.call, outcome.kind == Kind::Refused ? Refusal::Refused : Refusal::Unavailable);
    }
  }
}

void Replica::send_operation(const ledger::LeaseOperation& operation) {
  break_before_sending(operation);
  process_->flight = operation;
  process_->sent_at_us = world_.timeline().now_us();
  const Weak weak = process_;
  const auto arrive = [this, weak, operation] {
    World& world = world_;
    const std::int64_t now_us = world.timeline().now_us();
    world.judge().before_change();
    const ledger::LeaseAnswer answer = world.database().apply(replica_no_, operation, now_us);
    world.judge().after_change(replica_no_, &operation, &answer, now_us);
    world.tell_everybody();
    send_back(weak, [this, answer] { read_answer(answer); });
  };
  send_to_database(arrive, [this] {
    process_->keeper.lost(world_.timeline().now_us());
    pump();
  });
}

void Replica::read_answer(ledger::LeaseAnswer answer) {
  const bool is_expected = process_->flight && process_->flight->op_no == answer.op_no;
  if (is_expected) break_before_reading();
  if (is_expected) world_.judge().believed(replica_no_, process_->keeper.beliefs());
  const bool starts = !process_->keeper.started();
  if (starts) add_unshipped(answer);
  process_->keeper.answered(answer, world_.timeline().now_us());
  if (is_expected) {
    process_->flight.reset();
    world_.judge().believed(replica_no_, process_->keeper.beliefs());
  }
  if (starts && process_->keeper.started()) process_->shipped_no = answer.shipped_no;
  if (retiring_) process_->keeper.retire_all(world_.timeline().now_us());
  pump();
}

void Replica::add_unshipped(ledger::LeaseAnswer& answer) {
  if (world_.plan().mutant == Mutant::ForgetUnshipped) return;
  for (ledger::OwnLease& own : answer.own) {
    for (std::int64_t no = answer.shipped_no + 1; no <= process_->entries_at_start; ++no) {
      const Entry& entry = disk_.entries[static_cast<std::size_t>(no - 1)];
      for (const Booking& booking : entry.bookings) {
        if (booking.covered && booking.key == own.key) own.used_nano += entry.cost_nano;
      }
    }
  }
}

void Replica::notice(const ledger::LeaseNotice& notice) {
  if (notice.kind == ledger::LeaseNotice::Kind::Changed) read_limits();
  process_->keeper.noticed(notice, world_.timeline().now_us());
  pump();
}

void Replica::ship() {
  if (!process_->keeper.started() || process_->shipping) return;
  const auto last_no = static_cast<std::int64_t>(disk_.entries.size());
  if (process_->shipped_no >= last_no) return;
  Batch batch;
  batch.replica_no = replica_no_;
  batch.epoch = disk_.epoch;
  for (std::int64_t no = process_->shipped_no + 1; no <= std::min(last_no, process_->shipped_no + kBatchMax); ++no)
    batch.entries.push_back(disk_.entries[static_cast<std::size_t>(no - 1)]);
  process_->shipping = true;
  const Weak weak = process_;
  const auto arrive = [this, weak, batch] {
    world_.judge().before_change();
    const std::optional<std::int64_t> shipped_no = world_.database().ship(batch);
    world_.judge().after_change(0, nullptr, nullptr, world_.timeline().now_us());
    if (!shipped_no) return;
    send_back(weak, [this, shipped_no] {
      process_->shipping = false;
      process_->shipped_no = std::max(process_->shipped_no, *shipped_no);
    });
  };
  const auto give_up = [this, weak] {
    if (!weak.expired()) process_->shipping = false;
  };
  send_to_database(arrive, give_up);
  world_.timeline().after(kShipTimeOutUs, give_up);
}

// What is done wrong on purpose, around the real keeper.

void Replica::break_before_sending(const ledger::LeaseOperation& operation) {
  if (world_.plan().mutant != Mutant::ReturnLate) return;
  for (const ledger::LeaseLine& line : operation.lines) {
    for (const ledger::LeaseBelief& belief : process_->keeper.beliefs()) {
      if (belief.key == line.key) const_cast<ledger::AccountWords*>(belief.words)->free += line.back_nano;
    }
  }
}

void Replica::break_before_reading() {
  if (world_.plan().mutant != Mutant::ReturnLate) return;
  for (const ledger::LeaseLine& line : process_->flight->lines) {
    for (const ledger::LeaseBelief& belief : process_->keeper.beliefs()) {
      if (belief.key == line.key) const_cast<ledger::AccountWords*>(belief.words)->free -= line.back_nano;
    }
  }
}

/// Answers in the database's place.
void Replica::break_at_time_out() {
  const Mutant mutant = world_.plan().mutant;
  if (mutant != Mutant::AssumeGranted && mutant != Mutant::AssumeVoid) return;
  const std::int64_t now_us = world_.timeline().now_us();
  if (!process_->flight || process_->flight->verb != ledger::LeaseVerb::Ask) return;
  if (now_us < process_->sent_at_us + world_.plan().terms.answer_us) return;
  const ledger::LeaseOperation operation = *std::exchange(process_->flight, std::nullopt);
  ledger::LeaseAnswer answer;
  answer.op_no = operation.op_no;
  for (const ledger::LeaseLine& line : operation.lines) {
    ledger::LeaseGrant grant;
    grant.key = line.key;
    grant.granted_nano = line.granted_nano;
    if (mutant == Mutant::AssumeVoid) grant.granted_nano += line.back_nano;
    if (mutant == Mutant::AssumeGranted) grant.granted_nano += line.want_nano + line.debt_nano;
    answer.grants.push_back(grant);
  }
  for (std::size_t i = 0; mutant == Mutant::AssumeGranted && i < operation.groups.size(); ++i) {
    answer.granted_groups.push_back(i);
    for (const ledger::LeaseNeed& need : operation.groups[i]) answer.grants[need.line].granted_nano += need.nano;
  }
  process_->keeper.answered(answer, now_us);
}

}  // namespace turnpike::escrow
