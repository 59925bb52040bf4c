#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "canary.h"
#include "cases.h"
#include "judge.h"
#include "provider.h"

namespace turnpike::storm {

struct Strength {
  std::chrono::seconds length{600};
  std::uint32_t calls_per_second = 200;
};

/// One fault storm in simulated time: the whole pipeline with four providers of which each fails by a schedule of its
/// own, all drawn from one seed. What the gateway did is held against what the providers know.
class Storm {
 public:
  Storm(std::uint64_t seed, const Strength& strength, const Terms& terms);

  /// Plays it, and looks at the books when it is over. Blocks; not on an I/O thread.
  void play();
  /// What came of it, in one line, and below it what was not as it must be.
  std::string report() const;
  bool satisfied() const { return judge_.satisfied() && !broken_; }

 private:
  void configure(const Terms& terms);
  Task<void> learn_key();
  Task<void> arrive();
  Task<void> make_call(Ask ask);
  void look_around();
  router::Health& health(std::size_t deployment);
  void look_at_rest();
  void read_ledger();

  const std::uint64_t seed_;
  const Strength strength_;
  const std::int64_t begun_us_;
  base::Random random_;
  Canary canary_;
  Cases cases_;
  std::array<std::unique_ptr<Provider>, kDeployments> providers_;
  std::array<std::uint64_t, kDeployments> rests_seen_{};
  std::array<bool, kDeployments> rest_noticed_{};
  pipeline::TestPipeline pipeline_;
  Judge judge_;
  bool broken_ = false;
  double real_seconds_ = 0;
};

}  // namespace turnpike::storm
