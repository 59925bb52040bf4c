#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "database.h"
#include "judge.h"
#include "plan.h"
#include "timeline.h"

namespace turnpike::escrow {

class Replica;

/// One simulation: callers, replicas, a network that loses and delays, a database, and the judge of it all.
class World {
 public:
  World(std::uint64_t seed, Mutant mutant);
  ~World();
  void play();

  const Plan& plan() const { return plan_; }
  Judge& judge() { return judge_; }
  Database& database() { return database_; }
  Timeline& timeline() { return timeline_; }
  Dice& dice() { return dice_; }

  /// Carries a message of a replica to the database; `arrive` runs there, perhaps twice, perhaps never. False: nobody
  /// listens, and the replica knows.
  bool to_database(std::int64_t replica_no, std::function<void()> arrive);
  void to_replica(std::int64_t replica_no, std::function<void()> arrive);
  /// What the last change in the database tells everybody.
  void tell_everybody();
  /// What lies with replicas that cannot give it back.
  OutOfReach out_of_reach(LeaseKey key) const;

 private:
  void arrive();
  Call draw_call();
  Replica* pick_replica();
  std::size_t copies(std::int64_t (&delays_us)[2]);
  bool is_cut(std::int64_t replica_no) const;
  bool database_stopped() const { return timeline_.now_us() < stopped_until_us_; }
  bool database_is_late() const { return timeline_.now_us() < std::max(stopped_until_us_, slow_until_us_); }
  void maintain();
  void heal();

  // faults.cc
  void plan_fault(const FaultPlan& fault);
  void begin_fault(const FaultPlan& fault);
  void restart_at(std::int64_t at_us, Replica& replica);
  void kill_again(Replica& replica);
  void cut_power(const FaultPlan& fault, Replica& replica);
  void lose_disk(const FaultPlan& fault, Replica& replica);
  void give_up(const FaultPlan& fault, Replica& replica);
  void forget(std::int64_t replica_no, bool release);
  void plan_fail_over(const FaultPlan& fault);
  void edit(const FaultPlan& fault);
  void edit_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano);
  void edit_spend(const AccountPlan& account, std::int64_t spent_nano);
  bool is_money_out(const AccountPlan& account) const;
  void note_turns(const FaultPlan& fault);

  const Plan plan_;
  Timeline timeline_;
  Dice dice_;
  Database database_;
  Judge judge_;
  std::vector<std::unique_ptr<Replica>> replicas_;  // Those whose disk is lost stay, and are never started again.
  std::map<std::int64_t, std::int64_t> cut_until_us_;
  std::int64_t stopped_until_us_ = 0, slow_until_us_ = 0;
  std::int64_t calls_ = 0;
  bool healed_ = false;
};

}  // namespace turnpike::escrow
