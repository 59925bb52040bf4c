#pragma once

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
  std::int64_t out_of_reach_nano(LeaseKey key) const;

 private:
  void arrive();
  void begin_fault(const FaultPlan& fault);
  void edit(const FaultPlan& fault);
  void edit_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano);
  Replica* pick_replica();
  std::size_t copies(std::int64_t (&delays_us)[2]);
  bool is_cut(std::int64_t replica_no) const;
  bool database_stopped() const { return timeline_.now_us() < stopped_until_us_; }
  void heal();
  void maintain();

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
