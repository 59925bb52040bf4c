#include "world.h"

#include <fmt/core.h>

#include <algorithm>

#include "replica.h"

namespace turnpike::escrow {
namespace {

constexpr double kCallsPerSecond = 12;
constexpr std::int64_t kMeanCallUs = 800 * kMillisecondUs;
constexpr std::int64_t kCallUsMax = 20 * kSecondUs;
constexpr double kSecondAttempts = 0.12;
constexpr double kHasty = 0.03;  // Callers who do not wait long.
constexpr std::int64_t kSlowness = 300;
constexpr std::int64_t kReclaimAfterUs = 15 * kSecondUs;
constexpr std::int64_t kLookEveryUs = 5 * kSecondUs;  // Somebody looks whether the rows are in order.

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
  for (const lease::LeaseNotice& notice : database_.book.take_notices()) {
    if (!plan_.notices) continue;
    for (const auto& replica : replicas_) {
      Replica* const to = replica.get();
      to_replica(to->number(), [to, notice] {
        if (to->runs()) to->notice(notice);
      });
    }
  }
}

OutOfReach World::out_of_reach(LeaseKey key) const {
  OutOfReach lies;
  for (const auto& replica : replicas_) {
    const bool reaches = replica->knows_leases() && !is_cut(replica->number()) && !database_is_late();
    const auto found = database_.book.leases.find({key, replica->number()});
    if (reaches || found == database_.book.leases.end()) continue;
    const Cause cause = replica->disk_lost()       ? Cause::DiskLost
                        : !replica->knows_leases() ? Cause::Down
                        : database_is_late()       ? Cause::NoDatabase
                                                   : Cause::CutOff;
    const std::int64_t unused_nano = found->second.granted_nano - judge_.committed_nano(key, replica->number());
    if (unused_nano > 0) lies[cause] += unused_nano;
  }
  return lies;
}

Replica* World::pick_replica() {
  std::vector<Replica*> running;
  for (const auto& replica : replicas_) {
    if (replica->serves()) running.push_back(replica.get());
  }
  return running.empty() ? nullptr : dice_.one_of(running);
}

/// Strict holds cover their call; default ones know nothing of it.
Call World::draw_call() {
  constexpr double kMean = static_cast<double>(kMeanCostNano);
  const auto draw_cost = [&] { return static_cast<std::int64_t>(std::min(dice_.exponential(kMean), 8 * kMean)) + 1; };
  Call call;
  call.number = ++calls_;
  call.key = static_cast<int>(dice_.between(0, kKeys - 1));
  const bool strict = plan_.is_strict(call.key);
  const auto draw_hold = [&](std::int64_t cost_nano) {
    if (strict) return static_cast<std::int64_t>(static_cast<double>(cost_nano) * (1 + 1.5 * dice_.fraction())) + 1;
    return static_cast<std::int64_t>(kMean * 1.6 * (0.6 + 0.8 * dice_.fraction()));
  };
  call.arrived_us = timeline_.now_us();
  call.cost_nano = draw_cost();
  call.hold_nano = draw_hold(call.cost_nano);
  call.length_us = std::min(static_cast<std::int64_t>(dice_.exponential(static_cast<double>(kMeanCallUs))), kCallUsMax);
  if (dice_.chance(kSecondAttempts)) {
    call.more_cost_nano = draw_cost() / 2 + 1;
    call.more_hold_nano = draw_hold(call.more_cost_nano);
  }
  call.streams = dice_.chance(0.5);
  if (dice_.chance(kHasty)) call.patience_us = dice_.between(1, 300) * kMillisecondUs;
  return call;
}

void World::arrive() {
  if (timeline_.now_us() >= plan_.length_us) return;
  timeline_.after(static_cast<std::int64_t>(dice_.exponential(1e6 / kCallsPerSecond)), [this] { arrive(); });
  Replica* const replica = pick_replica();
  if (replica == nullptr) return;
  replica->serve(draw_call());
}

/// What somebody who looks after the database does now and then.
void World::maintain() {
  if (healed_) return;
  timeline_.after(kSecondUs, [this] { maintain(); });
  if (timeline_.now_us() % kLookEveryUs < kSecondUs) judge_.check_rows(timeline_.now_us());
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
  judge_.after_change(Judge::By::Reclaim);
}

void World::heal() {
  healed_ = true;
  cut_until_us_.clear();
  stopped_until_us_ = slow_until_us_ = 0;
  for (const auto& replica : replicas_) {
    replica->hide(false);
    if (!replica->runs() && !replica->disk_lost()) replica->start();
  }
}

void World::play() {
  for (const auto& replica : replicas_) replica->start();
  for (const FaultPlan& fault : plan_.fault_plans) plan_fault(fault);
  timeline_.after(kSecondUs, [this] { arrive(); });
  maintain();
  timeline_.run_until(plan_.length_us + kCallUsMax);
  heal();
  timeline_.run_until(timeline_.now_us() + 2 * kCallUsMax);
  for (const auto& replica : replicas_) {
    if (replica->runs()) replica->retire();
  }
  timeline_.run_until(timeline_.now_us() + 10 * kSecondUs);
  judge_.finish(timeline_.now_us());
  for (const auto& replica : replicas_) replica->look_at_rest();
}

}  // namespace turnpike::escrow
