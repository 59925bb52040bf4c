#include <algorithm>
#include <utility>

#include "replica.h"

// A gateway starts, and ends in all the ways but the orderly one.

namespace turnpike::escrow {
namespace {

constexpr std::int64_t kTickUs = 250 * kMillisecondUs;
constexpr std::int64_t kReadLimitsUs = 500 * kMillisecondUs;
constexpr std::int64_t kShipUs = 100 * kMillisecondUs;
constexpr std::int64_t kLateStartUs = 3 * kSecondUs;  // The start is told a second time then.
constexpr std::int64_t kRegisterAgainUs = 500 * kMillisecondUs;
constexpr std::int64_t kAloneAfterUs = kSecondUs;  // It goes on with what the journal knows then.

}  // namespace

Replica::Replica(World& world, std::int64_t replica_no, std::int64_t clock_offset_us)
    : world_(world), replica_no_(replica_no), clock_offset_us_(clock_offset_us), journal_(world.plan()) {}

/// A new epoch begins; then the database is asked what it has of this journal.
void Replica::start() {
  const std::int64_t epoch = journal_.begin_epoch();
  process_ = std::make_shared<Process>(world_.plan().terms, epoch);
  Journal::Replay replay = journal_.replay();
  process_->entries = std::move(replay.entries);
  process_->open = std::move(replay.open);
  process_->last_no = replay.last_no;
  register_epoch();
  later(kAloneAfterUs, [this] {
    if (!process_->serves) take_up(nullptr);
  });
}

void Replica::every(std::int64_t apart_us, void (Replica::*act)()) {
  later(apart_us, [this, apart_us, act] {
    (this->*act)();
    every(apart_us, act);
  });
}

void Replica::register_epoch() {
  const Weak weak = process_;
  const auto arrive = [this, weak, epoch = journal_.epoch()] {
    world_.judge().before_change();
    const Database::Registered found = world_.database().register_epoch(replica_no_, epoch);
    world_.judge().after_change(Judge::By::Edit);
    if (!found.accepted) return;
    send_back(weak, [this, found] {
      if (!process_->registered) registered(found);
    });
  };
  send_to_database(arrive, [] {});
  if (world_.plan().faults) world_.timeline().after(kLateStartUs, [this, arrive] { send_to_database(arrive, [] {}); });
  later(kRegisterAgainUs, [this] {
    if (!process_->registered) register_epoch();
  });
}

void Replica::registered(const Database::Registered& found) {
  process_->registered = true;
  reconcile(found);
  if (!process_->serves) take_up(&found);
  process_->shipped_no = found.shipped_no;
  pump();
}

/// Closes what is open, gives numbers that are missing to nobody, and begins to serve. `found`: what the database has;
/// null: it has not said.
void Replica::take_up(const Database::Registered* found) {
  const Mutant mutant = world_.plan().mutant;
  std::int64_t from_no = 1;
  if (found != nullptr && mutant != Mutant::GiveNumbersAgain) {
    from_no = found->shipped_no + 1;
  }
  if (found == nullptr && !process_->open.empty())
    world_.judge().saw("calls closed before the database was heard", process_->open.size());
  for (const auto& [number, call] : std::exchange(process_->open, {})) {
    const auto stored = found == nullptr ? std::map<std::int64_t, Entry>::const_iterator() : found->stored.find(number);
    if (found != nullptr && stored != found->stored.end() && mutant != Mutant::CloseStored) {
      take_over(stored->second);
      continue;
    }
    close_hold(call, ++process_->last_no);
  }
  for (std::int64_t no = from_no; no <= process_->last_no; ++no) {
    if (process_->entries.contains(no)) continue;
    world_.judge().saw("entry numbers without an entry");
    write_entry(no, 0, 0, {});
  }
  for (const auto& [no, entry] : process_->entries) process_->earlier_calls.insert(entry.call);
  process_->serves = true;
  read_limits();
  every(kTickUs, &Replica::tick);
  every(kShipUs, &Replica::ship);
  every(kReadLimitsUs, &Replica::read_limits);
}

/// Holds the journal against what the database has. After a power cut, numbers in it may be another call's there, and
/// what a start without the database has closed may be stored since long.
void Replica::reconcile(const Database::Registered& found) {
  const Mutant mutant = world_.plan().mutant;
  if (mutant == Mutant::GiveNumbersAgain) return;
  process_->last_no = std::max(process_->last_no, found.shipped_no);
  for (const auto& [no, entry] : std::map(process_->entries)) {
    if (entry.call == 0) continue;
    const auto stored = found.stored.find(entry.call);
    const bool is_stored = stored != found.stored.end();
    if (is_stored && stored->second.entry_no != no && mutant != Mutant::CloseStored) {
      write_entry(no, 0, 0, {});
      take_over(stored->second);
    } else if (!is_stored && no <= found.shipped_no) {
      write_entry(no, 0, 0, {});
      Entry again = entry;
      again.entry_no = ++process_->last_no;
      journal_.entry(again, now_us(), world_.dice());
      world_.judge().numbered_anew(again.call, again.entry_no);
      process_->entries[again.entry_no] = again;
    }
  }
}

/// A power cut took from the journal what had been shipped.
void Replica::take_over(const Entry& stored) {
  world_.judge().saw("holds whose entries only the database had");
  journal_.entry(stored, now_us(), world_.dice());
  world_.judge().journaled(replica_no_, stored);
  process_->entries[stored.entry_no] = stored;
}

void Replica::close_hold(const Call& call, std::int64_t entry_no) {
  // Of some the journal knows that the provider had begun to answer. A strict account pays for the whole hold.
  const bool strict = world_.plan().is_strict(call.key);
  const std::int64_t estimate_nano = call.number % 3 == 0 ? std::min(call.hold_nano, call.cost_nano) / 2 : 0;
  const std::int64_t cost_nano = strict ? call.hold_nano : estimate_nano;
  write_entry(entry_no, call.number, cost_nano, call.bookings);
  world_.judge().settled(call.number, cost_nano, now_us());
}

void Replica::kill() {
  if (process_ == nullptr) return;
  if (!process_->registered) world_.judge().saw("ends before the database was heard");
  for (const auto& [ticket, open] : process_->waiting) {
    if (!process_->running.contains(open.call.number)) refuse(open.call, Refusal::Unavailable);
  }
  process_.reset();
}

/// A power cut that waits for it comes before the sync.
void Replica::written(bool is_entry) {
  if (!power_cut_ || power_cut_->after_shipping) return;
  if (power_cut_->torn && is_entry) return later(0, [this] { cut_power(true); });
  if (power_cut_->torn) return;
  const std::int64_t within_us = std::max<std::int64_t>(0, journal_.synced_at_us() - now_us());
  later(world_.dice().between(within_us / 2, within_us), [this] { cut_power(power_cut_->torn); });
}

void Replica::cut_power(bool torn) {
  power_cut_.reset();
  if (process_ == nullptr) return;
  kill();
  world_.judge().power_cut(replica_no_, journal_.cut_power(torn, now_us(), world_.dice()), now_us());
}

void Replica::lose_disk() {
  kill();
  disk_lost_ = true;
  world_.judge().disk_lost(replica_no_);
}

}  // namespace turnpike::escrow
