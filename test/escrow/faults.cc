#include <fmt/core.h>

#include <algorithm>

#include "replica.h"
#include "world.h"

// What goes wrong, and what administrators do meanwhile.

namespace turnpike::escrow {
namespace {

constexpr std::int64_t kNewDisk = 100;  // The number of the replica that takes the place of one that is lost.
constexpr std::int64_t kGiveUpUs = 6 * kSecondUs;  // An operator takes a silent replica for lost then.

}  // namespace

void World::plan_fault(const FaultPlan& fault) {
  if (fault.kind == FaultPlan::Kind::FailOver) plan_fail_over(fault);
  timeline_.at(fault.at_us, [this, fault] { begin_fault(fault); });
}

void World::begin_fault(const FaultPlan& fault) {
  using Kind = FaultPlan::Kind;
  const std::int64_t until_us = timeline_.now_us() + fault.length_us;
  Replica& replica = *replicas_[fault.replica];
  note_turns(fault);
  if (replica.is_hidden()) return;
  switch (fault.kind) {
    case Kind::Kill:
      replica.kill();
      return restart_at(until_us, replica);
    case Kind::KillTwice:
      replica.kill();
      restart_at(until_us, replica);
      return timeline_.at(until_us, [this, &replica] { kill_again(replica); });
    case Kind::PowerCut:
    case Kind::TornTail:
      return cut_power(fault, replica);
    case Kind::LoseDisk:
      return lose_disk(fault, replica);
    case Kind::Forget:
      return give_up(fault, replica);
    case Kind::Cut:
      cut_until_us_[replica.number()] = until_us;
      return;
    case Kind::StopDatabase:
      stopped_until_us_ = until_us;
      return;
    case Kind::SlowDatabase:
      slow_until_us_ = until_us;
      return;
    case Kind::FailOver:
      return;  // It was begun when the standby stopped listening.
    case Kind::Limit:
    case Kind::NoLimit:
    case Kind::Spend:
      return edit(fault);
  }
}

/// Whether a window turns while it lasts.
void World::note_turns(const FaultPlan& fault) {
  judge_.saw(fmt::format("{}", name_of(fault.kind)));
  const std::int64_t now_us = timeline_.now_us();
  const bool turns = std::ranges::any_of(plan_.accounts, [&](const AccountPlan& account) {
    return account.period_us > 0 && account.window_end_us(now_us) <= now_us + fault.length_us;
  });
  if (turns) judge_.saw(fmt::format("a window turns in {}", name_of(fault.kind)));
}

void World::restart_at(std::int64_t at_us, Replica& replica) {
  timeline_.at(at_us, [&replica] {
    if (!replica.runs() && !replica.disk_lost() && !replica.is_hidden()) replica.start();
  });
}

/// Before the database has been heard, or soon after.
void World::kill_again(Replica& replica) {
  const std::int64_t soon_us = dice_.between(0, dice_.chance(0.5) ? 5 : 400) * kMillisecondUs;
  timeline_.after(soon_us, [this, &replica] {
    if (!replica.runs()) return;
    replica.kill();
    restart_at(timeline_.now_us() + dice_.between(100, 2'000) * kMillisecondUs, replica);
  });
}

void World::cut_power(const FaultPlan& fault, Replica& replica) {
  const bool torn = fault.kind == FaultPlan::Kind::TornTail;
  replica.await_power_cut({torn, fault.part < 1.2});
  timeline_.after(fault.length_us * 3 / 4, [&replica, torn] {
    if (replica.awaits_power_cut()) replica.cut_power(torn);
  });
  timeline_.after(fault.length_us, [this, fault, &replica] {
    // Some start without the database.
    if (fault.part < 0.4) cut_until_us_[replica.number()] = timeline_.now_us() + 2 * kSecondUs;
    restart_at(timeline_.now_us(), replica);
  });
}

void World::lose_disk(const FaultPlan& fault, Replica& replica) {
  if (replica.disk_lost()) return;
  replica.lose_disk();
  const std::int64_t number = replica.number() + kNewDisk;
  timeline_.after(fault.length_us, [this, number, offset_us = plan_.clock_offsets_us[fault.replica]] {
    replicas_.push_back(std::make_unique<Replica>(*this, number, offset_us));
    replicas_.back()->start();
  });
  if (fault.part < 1) return;
  timeline_.after(kGiveUpUs,
                  [this, number = replica.number(), release = fault.part < 1.5] { forget(number, release); });
}

/// Its disk is believed to be lost, and is found again.
void World::give_up(const FaultPlan& fault, Replica& replica) {
  if (replica.disk_lost()) return;
  replica.kill();
  replica.hide(true);
  timeline_.after(kGiveUpUs, [this, &replica, release = fault.part < 1] {
    if (replica.is_hidden()) forget(replica.number(), release);
  });
  timeline_.after(fault.length_us, [this, &replica] {
    replica.hide(false);
    restart_at(timeline_.now_us(), replica);
  });
}

void World::forget(std::int64_t replica_no, bool release) {
  judge_.saw(release ? "replicas released" : "replicas written off");
  judge_.before_change();
  database_.forget(replica_no, release);
  judge_.after_change(Judge::By::Operator);
  judge_.written_off(replica_no);
}

/// The standby has all that was stored when it listened last.
void World::plan_fail_over(const FaultPlan& fault) {
  timeline_.at(fault.at_us - fault.length_us, [this, fault] {
    timeline_.at(fault.at_us, [this, earlier = database_.copy()] {
      judge_.before_change();
      judge_.fail_over(*earlier);
      database_.fall_back(*earlier);
      judge_.after_change(Judge::By::FailOver);
    });
  });
}

bool World::is_money_out(const AccountPlan& account) const {
  const auto escrow = database_.book.escrows.find({account.account_id, account.window_at(timeline_.now_us())});
  return escrow != database_.book.escrows.end() && escrow->second.granted_nano > 0;
}

void World::edit_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano) {
  const std::optional<std::int64_t> before_nano = database_.book.accounts.at(account_id).limit_nano;
  const bool raised = before_nano && limit_nano && *limit_nano > *before_nano;
  const std::string_view how = !limit_nano ? "removed" : !before_nano ? "set" : raised ? "raised" : "lowered";
  judge_.saw(fmt::format("limits {}{}", how, is_money_out(plan_.account(account_id)) ? " while money is out" : ""));
  judge_.before_change();
  database_.set_limit(account_id, limit_nano, timeline_.now_us());
  judge_.after_change(Judge::By::Edit);
  judge_.edited(account_id);
  tell_everybody();
}

void World::edit_spend(const AccountPlan& account, std::int64_t spent_nano) {
  const LeaseKey key{account.account_id, account.window_at(timeline_.now_us())};
  judge_.before_change();
  const std::int64_t more_nano = database_.set_spend(key, spent_nano, timeline_.now_us());
  judge_.adjusted(key, more_nano);
  judge_.after_change(Judge::By::Edit);
  judge_.saw(fmt::format("spend edited {}{}", more_nano > 0 ? "up" : "down",
                         is_money_out(account) ? " while money is out" : ""));
  tell_everybody();
}

void World::edit(const FaultPlan& fault) {
  const AccountPlan& account = plan_.account(fault.account_id);
  const auto part_nano = static_cast<std::int64_t>(static_cast<double>(account.budget_nano) * fault.part);
  if (fault.kind == FaultPlan::Kind::Spend) return edit_spend(account, part_nano);
  if (fault.kind == FaultPlan::Kind::Limit) return edit_limit(account.account_id, part_nano);
  edit_limit(account.account_id, std::nullopt);
  timeline_.after(fault.length_us, [this, &account] { edit_limit(account.account_id, account.budget_nano); });
}

}  // namespace turnpike::escrow
