#include "world.h"

#include <fmt/core.h>

#include <algorithm>

#include "replica.h"

namespace turnpike::escrow {
namespace {

constexpr double kCallsPerSecond = 12;
constexpr std::int64_t kMeanCallUs = 800 * kMillisecondUs;
constexpr std::int64_t kCallUsMax = 20 * kSecondUs;
constexpr std::int64_t kSlowness = 300;
constexpr std::int64_t kReclaimAfterUs = 15 * kSecondUs;
constexpr std::int64_t kNewDisk = 100;  // The number of the replica that takes the place of one that is lost.

}  // namespace

World::World(std::uint64_t seed, Mutant mutant)
    : plan_(seed, mutant), dice_(seed), database_(plan_), judge_(plan_, database_) {
  for (std::size_t i = 0; i < plan_.replicas; ++i) {
    replicas_.push_back(std::make_unique<Replica>(*this, static_cast<std::int64_t>(i) + 1, plan_.clock_offsets_us[i]));
  }
}

World::~World() = default;

bool World::is_cut(std::int64_t replica_no) const {
  const auto found = cut_until_us_.find(replica_no);
  return found != cut_until_us_.end() && timeline_.now_us() < found->second;
}

/// When the copies of a message arrive: one mostly, sometimes late, none or two.
std::size_t World::copies(std::int64_t (&delays_us)[2]) {
  delays_us[0] = dice_.between(200, 1'500);
  delays_us[1] = dice_.between(kSecondUs / 2, 4 * kSecondUs);
  if (healed_ || !dice_.chance(plan_.message_fault)) return 1;
  const std::int64_t fate = dice_.between(0, 2);
  if (fate == 1) delays_us[0] = delays_us[1];
  return static_cast<std::size_t>(fate);
}

bool World::to_database(std::int64_t replica_no, std::function<void()> arrive) {
  if (database_stopped() && !is_cut(replica_no) && dice_.chance(0.5)) return false;
  if (is_cut(replica_no)) return true;
  std::int64_t delays_us[2];
  for (std::size_t copy = copies(delays_us); copy-- > 0;) {
    const std::int64_t slowness = timeline_.now_us() < slow_until_us_ ? kSlowness : 1;
    const std::int64_t statement_us = dice_.between(1'000, 4'000) * slowness;
    timeline_.after(delays_us[copy] + statement_us, [this, replica_no, arrive] {
      if (!is_cut(replica_no) && !database_stopped()) arrive();
    });
  }
  return true;
}

void World::to_replica(std::int64_t replica_no, std::function<void()> arrive) {
  if (is_cut(replica_no)) return;
  std::int64_t delays_us[2];
  for (std::size_t copy = copies(delays_us); copy-- > 0;) {
    timeline_.after(delays_us[copy], [this, replica_no, arrive] {
      if (!is_cut(replica_no)) arrive();
    });
  }
}

void World::tell_everybody() {
  for (const ledger::LeaseNotice& notice : database_.book.take_notices()) {
    if (!plan_.notices) continue;
    for (const auto& replica : replicas_) {
      Replica* const to = replica.get();
      to_replica(to->number(), [to, notice] {
        if (to->runs()) to->notice(notice);
      });
    }
  }
}

std::int64_t World::out_of_reach_nano(LeaseKey key) const {
  std::int64_t nano = 0;
  for (const auto& replica : replicas_) {
    if (replica->runs() && !is_cut(replica->number()) && !database_stopped()) continue;
    const auto found = database_.book.leases.find({key, replica->number()});
    if (found == database_.book.leases.end()) continue;
    nano += std::max<std::int64_t>(0, found->second.granted_nano - judge_.committed_nano(key, replica->number()));
  }
  return nano;
}

Replica* World::pick_replica() {
  std::vector<Replica*> running;
  for (const auto& replica : replicas_) {
    if (replica->runs()) running.push_back(replica.get());
  }
  return running.empty() ? nullptr : dice_.one_of(running);
}

void World::arrive() {
  if (timeline_.now_us() >= plan_.length_us) return;
  timeline_.after(static_cast<std::int64_t>(dice_.exponential(1e6 / kCallsPerSecond)), [this] { arrive(); });
  Replica* const replica = pick_replica();
  if (replica == nullptr) return;
  Call call;
  call.number = ++calls_;
  call.key = static_cast<int>(dice_.between(0, kKeys - 1));
  call.arrived_us = timeline_.now_us();
  call.cost_nano = plan_.draw_cost_nano(dice_);
  call.hold_nano = plan_.draw_hold_nano(call.cost_nano, dice_);
  call.length_us = std::min(static_cast<std::int64_t>(dice_.exponential(static_cast<double>(kMeanCallUs))), kCallUsMax);
  replica->serve(call);
}

void World::begin_fault(const FaultPlan& fault) {
  using Kind = FaultPlan::Kind;
  const std::int64_t until_us = timeline_.now_us() + fault.length_us;
  Replica* const replica = replicas_[fault.replica].get();
  switch (fault.kind) {
    case Kind::Kill:
      if (!replica->runs()) return;
      replica->kill();
      timeline_.at(until_us, [replica] {
        if (!replica->runs() && !replica->disk_lost()) replica->start();
      });
      return;
    case Kind::LoseDisk: {
      if (replica->disk_lost()) return;
      replica->lose_disk();
      const std::int64_t number = replica->number() + kNewDisk;
      const std::int64_t offset_us = plan_.clock_offsets_us[fault.replica];
      timeline_.at(until_us, [this, number, offset_us] {
        replicas_.push_back(std::make_unique<Replica>(*this, number, offset_us));
        replicas_.back()->start();
      });
      return;
    }
    case Kind::Cut:
      cut_until_us_[replica->number()] = until_us;
      return;
    case Kind::StopDatabase:
      stopped_until_us_ = until_us;
      return;
    case Kind::SlowDatabase:
      slow_until_us_ = until_us;
      return;
    case Kind::Limit:
    case Kind::NoLimit:
    case Kind::Spend:
      edit(fault);
      return;
  }
}

void World::edit_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano) {
  judge_.before_change();
  database_.set_limit(account_id, limit_nano, timeline_.now_us());
  judge_.after_change(0, nullptr, nullptr, timeline_.now_us());
  judge_.edited(account_id);
  tell_everybody();
}

void World::edit(const FaultPlan& fault) {
  const AccountPlan& account = plan_.account(fault.account_id);
  const std::int64_t part_nano = static_cast<std::int64_t>(static_cast<double>(*account.limit_nano) * fault.part);
  if (fault.kind == FaultPlan::Kind::Spend) {
    const LeaseKey key{account.account_id, account.window_at(timeline_.now_us())};
    judge_.before_change();
    judge_.adjusted(key, database_.set_spend(key, part_nano, timeline_.now_us()));
    judge_.after_change(0, nullptr, nullptr, timeline_.now_us());
    tell_everybody();
    return;
  }
  if (fault.kind == FaultPlan::Kind::Limit) return edit_limit(account.account_id, part_nano);
  edit_limit(account.account_id, std::nullopt);
  timeline_.after(fault.length_us,
                  [this, id = account.account_id, limit_nano = account.limit_nano] { edit_limit(id, limit_nano); });
}

/// What somebody who looks after the database does now and then.
void World::maintain() {
  if (healed_) return;
  timeline_.after(kSecondUs, [this] { maintain(); });
  const bool early = plan_.mutant == Mutant::ReclaimEarly;
  if (!plan_.reclaims && !early) return;
  judge_.before_change();
  if (early) {
    database_.take_back_early(timeline_.now_us());
  } else {
    for (const auto& replica : replicas_) {
      if (replica->runs()) database_.book.reclaim(replica->number(), kReclaimAfterUs, timeline_.now_us());
    }
  }
  judge_.after_change(0, nullptr, nullptr, timeline_.now_us());
}

void World::heal() {
  healed_ = true;
  cut_until_us_.clear();
  stopped_until_us_ = slow_until_us_ = 0;
  for (const auto& replica : replicas_) {
    if (!replica->runs() && !replica->disk_lost()) replica->start();
  }
}

void World::play() {
  for (const auto& replica : replicas_) replica->start();
  for (const FaultPlan& fault : plan_.fault_plans) timeline_.at(fault.at_us, [this, fault] { begin_fault(fault); });
  timeline_.after(kSecondUs, [this] { arrive(); });
  maintain();
  timeline_.run_until(plan_.length_us + kCallUsMax);
  heal();
  timeline_.run_until(timeline_.now_us() + 2 * kCallUsMax);
  for (const auto& replica : replicas_) {
    if (replica->runs()) replica->retire();
  }
  timeline_.run_until(timeline_.now_us() + 10 * kSecondUs);
  judge_.finish();
  for (const auto& replica : replicas_) replica->look_at_rest();
}

}  // namespace turnpike::escrow
