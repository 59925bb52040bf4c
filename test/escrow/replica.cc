#include "replica.h"

#include <algorithm>

namespace turnpike::escrow {
namespace {

constexpr std::int64_t kShipTimeOutUs = 2 * kSecondUs;
constexpr std::int64_t kBatchMax = 200;
constexpr std::int64_t kOpenEarlyUs = 5 * kSecondUs;
constexpr std::int64_t kRetireLateUs = 5 * kSecondUs;

}  // namespace

std::int64_t Replica::now_us() const {
  return world_.timeline().now_us();
}

std::int64_t Replica::ledger_time_us() const {
  return std::max<std::int64_t>(0, now_us() + clock_offset_us_);
}

void Replica::send_to_database(std::function<void()> arrive, std::function<void()> refused) {
  if (world_.to_database(replica_no_, std::move(arrive))) return;
  world_.timeline().after(kMillisecondUs, [process = Weak(process_), refused = std::move(refused)] {
    if (!process.expired()) refused();
  });
}

void Replica::later(std::int64_t us, std::function<void()> happen) {
  world_.timeline().after(us, [weak = Weak(process_), happen = std::move(happen)] {
    if (!weak.expired()) happen();
  });
}

void Replica::retire() {
  retiring_ = true;
  process_->keeper.retire_all(now_us());
  pump();
}

void Replica::look_at_rest() {
  Judge& judge = world_.judge();
  if (disk_lost_) return;
  if (!process_->registered) judge.object("I6: a replica can always come back", std::to_string(replica_no_));
  if (process_->keeper.superseded()) judge.object("nobody takes a journal over", std::to_string(replica_no_));
  if (!process_->waiting.empty()) judge.object("every call that waits is told", std::to_string(replica_no_));
  if (!process_->running.empty() || !journal_.replay().open.empty())
    judge.object("I7: no call is left", std::to_string(replica_no_));
  for (const lease::LeaseBelief& belief : process_->keeper.beliefs()) {
    if (belief.words->held.load() != 0) judge.object("I7: nothing is held", std::to_string(replica_no_));
  }
  for (const auto& [id, lease] : world_.database().book.leases) {
    if (id.second == replica_no_ && lease.granted_nano != lease.used_nano)
      judge.object("what is not used comes back",
                   std::to_string(replica_no_) + ", account " + std::to_string(id.first.account_id));
  }
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
  const std::int64_t ledger_us = ledger_time_us();
  for (const auto& [account_id, newest] : std::map(process_->windows)) {
    const AccountPlan& account = world_.plan().account(account_id);
    const std::int64_t current = account.window_at(ledger_us);
    if (account.period_us == 0 || newest > current) continue;
    const bool soon = account.window_end_us(ledger_us) - ledger_us <= kOpenEarlyUs;
    if (newest == current && !soon) continue;
    const std::int64_t next = newest == current ? account.window_at(account.window_end_us(ledger_us)) : current;
    process_->ended.push_back({account_id, newest});
    open(account_id, next, LeaseKey{account_id, newest});
  }
  std::erase_if(process_->ended, [&](LeaseKey key) {
    const std::int64_t end_us = key.window_id * kSecondUs + world_.plan().account(key.account_id).period_us;
    if (ledger_us < end_us + kRetireLateUs) return false;
    process_->keeper.retire(key, now_us());
    return true;
  });
}

std::shared_ptr<lease::AccountWords> Replica::open(std::int64_t account_id, std::int64_t window_id,
                                                   std::optional<LeaseKey> after) {
  std::int64_t& newest = process_->windows.try_emplace(account_id, window_id).first->second;
  newest = std::max(newest, window_id);
  lease::LeaseAccount account;
  account.key = {account_id, window_id};
  account.strict = world_.plan().account(account_id).strict && world_.plan().mutant != Mutant::OneMode;
  account.limit_nano = process_->limits_nano[account_id].value_or(0);
  account.after = after;
  return process_->keeper.open(account, now_us());
}

void Replica::pump() {
  if (!process_->registered) return;
  const std::int64_t steady_us = now_us();
  break_at_time_out();
  while (const auto operation = process_->keeper.next(steady_us)) send_operation(*operation);
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

void Replica::send_operation(const lease::LeaseOperation& operation) {
  break_before_sending(operation);
  process_->flight = operation;
  process_->sent_at_us = now_us();
  const Weak weak = process_;
  const auto arrive = [this, weak, operation] {
    World& world = world_;
    const auto process = weak.lock();
    const bool is_current = process != nullptr && process->flight && process->flight->op_no == operation.op_no;
    world.judge().before_change();
    const lease::LeaseAnswer answer = world.database().apply(replica_no_, operation, now_us());
    world.judge().after_change(Judge::By::Replica, replica_no_);
    world.judge().applied(replica_no_, operation, answer, is_current, now_us());
    world.tell_everybody();
    send_back(weak, [this, answer] { read_answer(answer); });
  };
  send_to_database(arrive, [this, op_no = operation.op_no] {
    process_->keeper.lost(op_no, now_us());
    pump();
  });
}

void Replica::read_answer(lease::LeaseAnswer answer) {
  Judge& judge = world_.judge();
  const bool is_expected = process_->flight && process_->flight->op_no == answer.op_no;
  if (is_expected) break_before_reading();
  if (is_expected) judge.believed(replica_no_, process_->keeper.beliefs());
  const bool is_applied = answer.result == lease::LeaseResult::Applied;
  if (!process_->keeper.started() && is_applied) add_unshipped(answer);
  process_->keeper.answered(answer, now_us());
  if (is_expected) {
    process_->flight.reset();
    if (is_applied) judge.heard(replica_no_);
    judge.believed(replica_no_, process_->keeper.beliefs());
  }
  // A database that has fewer entries than it had gets them again.
  if (is_applied && answer.shipped_no < process_->shipped_no && world_.plan().mutant != Mutant::KeepShipped)
    process_->shipped_no = answer.shipped_no;
  if (retiring_) process_->keeper.retire_all(now_us());
  pump();
}

void Replica::add_unshipped(lease::LeaseAnswer& answer) {
  if (world_.plan().mutant == Mutant::ForgetUnshipped) return;
  std::map<LeaseKey, std::int64_t> more_nano;
  for (auto at = process_->entries.upper_bound(answer.shipped_no); at != process_->entries.end(); ++at) {
    const Entry& entry = at->second;
    if (!process_->earlier_calls.contains(entry.call)) continue;
    for (const Booking& booking : entry.bookings) {
      if (booking.covered) more_nano[booking.key] += entry.cost_nano;
    }
  }
  for (lease::OwnLease& own : answer.own) {
    if (const auto found = more_nano.extract(own.key)) own.used_nano += found.mapped();
  }
  // A window that was opened without the database has no lease there.
  for (const auto& [key, nano] : more_nano) {
    world_.judge().saw("windows without a lease that a restart found in its journal");
    if (world_.plan().mutant != Mutant::OwnOnly) answer.own.push_back({key, 0, nano});
  }
}

void Replica::notice(const lease::LeaseNotice& notice) {
  if (notice.kind == lease::LeaseNotice::Kind::Changed) read_limits();
  process_->keeper.noticed(notice, now_us());
  pump();
}

void Replica::ship() {
  if (!process_->registered || process_->shipping || process_->shipped_no >= process_->last_no) return;
  Batch batch;
  batch.replica_no = replica_no_;
  batch.epoch = journal_.epoch();
  const std::int64_t last_no = std::min(process_->last_no, process_->shipped_no + kBatchMax);
  for (std::int64_t no = process_->shipped_no + 1; no <= last_no; ++no) {
    // One that only the database had, until it forgot it, is nobody's.
    if (!process_->entries.contains(no)) write_entry(no, 0, 0, {});
    batch.entries.push_back(process_->entries.at(no));
  }
  process_->shipping = true;
  const Weak weak = process_;
  const auto arrive = [this, weak, batch] {
    world_.judge().before_change();
    const Database::Shipped answer = world_.database().ship(batch);
    for (const Entry& entry : answer.added) world_.judge().stored(replica_no_, entry, now_us());
    world_.judge().after_change(Judge::By::Edit);
    const bool is_unsynced = !weak.expired() && !journal_.is_synced(batch.entries.back().entry_no, now_us());
    if (is_unsynced && power_cut_ && power_cut_->after_shipping) later(0, [this] { cut_power(power_cut_->torn); });
    if (!answer.accepted) return;
    send_back(weak, [this, shipped_no = answer.shipped_no] {
      process_->shipping = false;
      const bool keeps = world_.plan().mutant == Mutant::KeepShipped;
      process_->shipped_no = keeps ? std::max(process_->shipped_no, shipped_no) : shipped_no;
    });
  };
  const auto give_up = [this, weak] {
    if (!weak.expired()) process_->shipping = false;
  };
  send_to_database(arrive, give_up);
  world_.timeline().after(kShipTimeOutUs, give_up);
}

// What is done wrong on purpose, around the real keeper.

void Replica::break_before_sending(const lease::LeaseOperation& operation) {
  if (world_.plan().mutant != Mutant::ReturnLate) return;
  for (const lease::LeaseLine& line : operation.lines) {
    for (const lease::LeaseBelief& belief : process_->keeper.beliefs()) {
      if (belief.key == line.key) const_cast<lease::AccountWords*>(belief.words)->free += line.back_nano;
    }
  }
}

void Replica::break_before_reading() {
  if (world_.plan().mutant != Mutant::ReturnLate) return;
  for (const lease::LeaseLine& line : process_->flight->lines) {
    for (const lease::LeaseBelief& belief : process_->keeper.beliefs()) {
      if (belief.key == line.key) const_cast<lease::AccountWords*>(belief.words)->free -= line.back_nano;
    }
  }
}

/// Answers in the database's place.
void Replica::break_at_time_out() {
  const Mutant mutant = world_.plan().mutant;
  if (mutant != Mutant::AssumeGranted && mutant != Mutant::AssumeVoid) return;
  const std::int64_t steady_us = now_us();
  if (!process_->flight || process_->flight->verb != lease::LeaseVerb::Ask) return;
  if (steady_us < process_->sent_at_us + world_.plan().terms.answer_us) return;
  const lease::LeaseOperation operation = *std::exchange(process_->flight, std::nullopt);
  lease::LeaseAnswer answer;
  answer.op_no = operation.op_no;
  for (const lease::LeaseLine& line : operation.lines) {
    lease::LeaseGrant grant;
    grant.key = line.key;
    grant.granted_nano = line.granted_nano;
    if (mutant == Mutant::AssumeVoid) grant.granted_nano += line.back_nano;
    if (mutant == Mutant::AssumeGranted) grant.granted_nano += line.want_nano + line.debt_nano;
    answer.grants.push_back(grant);
  }
  for (std::size_t i = 0; mutant == Mutant::AssumeGranted && i < operation.groups.size(); ++i) {
    answer.granted_groups.push_back(i);
    for (const lease::LeaseNeed& need : operation.groups[i]) answer.grants[need.line].granted_nano += need.nano;
  }
  process_->keeper.answered(answer, steady_us);
}

}  // namespace turnpike::escrow
