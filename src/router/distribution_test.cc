/// The strategies against their definitions: who is drawn how often (chi-squared, one seed), and how fast traffic moves
/// when a deployment changes (calls in simulated time).

#include <gtest/gtest.h>

#include <cmath>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <vector>

#include "base/id.h"
#include "router/router.h"
#include "router/sticky.h"

namespace turnpike::router::distribution_test {
namespace {

constexpr std::int64_t kNow = 1'800'000'000'000'000;  // Unix microseconds, at a full minute.
constexpr std::int64_t kMillisecond = 1'000;
constexpr std::int64_t kSecond = 1'000'000;
constexpr std::uint64_t kSeed = 20'261'126;

ModelGroup group_of(std::size_t count, Routing routing, const std::function<void(std::size_t, Deployment&)>& set) {
  ModelGroup group;
  group.name = "g";
  group.routing = routing;
  for (std::size_t i = 0; i < count; ++i) {
    Deployment made;
    made.id = std::string(1, static_cast<char>('a' + i));
    made.seed = seed_of(made.id);
    made.health = std::make_shared<Health>();
    set(i, made);
    group.deployments.push_back(std::make_shared<const Deployment>(std::move(made)));
  }
  return group;
}

std::size_t index_of(const Deployment& deployment) {
  return static_cast<std::size_t>(deployment.id[0] - 'a');
}

/// The value that chi-squared exceeds once in a thousand (Wilson and Hilferty's approximation).
double critical(double freedom) {
  constexpr double kQuantile = 3.0902;
  const double spread = 2 / (9 * freedom);
  return freedom * std::pow(1 - spread + kQuantile * std::sqrt(spread), 3);
}

double chi_squared(const std::vector<double>& seen, const std::vector<double>& expected) {
  double sum = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    if (expected[i] > 0) sum += (seen[i] - expected[i]) * (seen[i] - expected[i]) / expected[i];
  }
  return sum;
}

struct Case {
  const char* name;
  Routing routing;
  std::function<void(std::size_t, Deployment&)> member;
  std::vector<double> shares;  // Of 1, in the order of the members.
  bool sticky = false;
};

void answered(Deployment& deployment, std::int64_t ms_per_token) {
  note_answer(deployment, {.duration_us = 100 * ms_per_token * kMillisecond, .tokens = 200, .tokens_written = 100},
              kNow);
}

const Case kCases[] = {
    {"simple-shuffle, evenly", {}, [](std::size_t, Deployment&) {}, {.2, .2, .2, .2, .2}},
    {"simple-shuffle, by weight",
     {},
     [](std::size_t i, Deployment& d) { d.weight = std::vector<double>{5, 3, 2, 0}[i]; },
     {.5, .3, .2, 0}},
    {"simple-shuffle, by rpm",
     {},
     [](std::size_t i, Deployment& d) { d.rpm = std::vector<double>{600, 300, 100}[i]; },
     {.6, .3, .1}},
    {"simple-shuffle, by tpm",
     {},
     [](std::size_t i, Deployment& d) { d.tpm = std::vector<double>{1e6, 3e6}[i]; },
     {.25, .75}},
    {"least-busy, ties evenly",
     {.strategy = Strategy::LeastBusy},
     [](std::size_t i, Deployment& d) { d.health->load.in_flight = std::vector<int>{1, 4, 1, 1}[i]; },
     {1. / 3, 0, 1. / 3, 1. / 3}},
    {"latency-based-routing, all within the buffer evenly",
     {.strategy = Strategy::LatencyBased, .buffer = 0.5},
     [](std::size_t i, Deployment& d) { answered(d, std::vector<int>{10, 15, 16, 12}[i]); },
     {1. / 3, 1. / 3, 0, 1. / 3}},
    {"usage-based-routing, the largest share left",
     {.strategy = Strategy::UsageBased, .limits = true},
     [](std::size_t i, Deployment& d) {
       d.rpm = std::vector<double>{100, 1'000, 1'000}[i];
       d.health->load.answered.add(std::vector<std::uint64_t>{50, 100, 100}[i], kNow);
     },
     {0, .5, .5}},
    {"usage-based-routing-v2, the largest share left",
     {.strategy = Strategy::UsageBasedV2, .limits = true},
     [](std::size_t i, Deployment& d) {
       d.tpm = std::vector<double>{1'000, 10'000, 10'000, 20'000}[i];
       d.health->load.tokens.add(std::vector<std::uint64_t>{500, 1'000, 1'000, 2'000}[i], kNow);
     },
     {0, 1. / 3, 1. / 3, 1. / 3}},
    {"cost-based-routing, ties evenly",
     {.strategy = Strategy::CostBased},
     [](std::size_t i, Deployment& d) { d.token_cost_femto = std::vector<std::int64_t>{7, 3, 3}[i]; },
     {0, .5, .5}},
    {"calls that stay together, by weight",
     {},
     [](std::size_t i, Deployment& d) { d.weight = std::vector<double>{6, 3, 1}[i]; },
     {.6, .3, .1},
     true},
};

TEST(Distribution, IsThatOfTheDefinition) {
  constexpr int kDraws = 60'000;
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    const std::size_t count = row.shares.size();
    const ModelGroup group = group_of(count, row.routing, row.member);
    base::Random random(kSeed);
    std::vector<double> seen(count), pairs(count * count);
    std::size_t before = 0;
    for (int i = 0; i < kDraws; ++i) {
      const std::uint64_t sticky = row.sticky ? sticky_of("g", std::to_string(i)) : 0;
      const Result<Pick> picked = pick(group, {.now_us = kNow, .random = random.next(), .sticky = sticky});
      const std::size_t drawn = index_of(*picked->deployment);
      note_unasked(*picked->deployment, false);
      seen[drawn] += 1;
      if (i > 0) pairs[before * count + drawn] += 1;
      before = drawn;
    }
    std::vector<double> expected, expected_pairs;
    double drawable = 0;
    for (std::size_t i = 0; i < count; ++i) {
      expected.push_back(row.shares[i] * kDraws);
      drawable += row.shares[i] > 0 ? 1 : 0;
      if (row.shares[i] == 0) EXPECT_EQ(seen[i], 0) << "never " << i;
      for (std::size_t k = 0; k < count; ++k) expected_pairs.push_back(row.shares[i] * row.shares[k] * (kDraws - 1));
    }
    EXPECT_LT(chi_squared(seen, expected), critical(drawable - 1));
    EXPECT_LT(chi_squared(pairs, expected_pairs), critical(drawable * drawable - 1)) << "one draw tells of the next";
  }
}

/// Calls at even distances in simulated time; each deployment answers after its own time.
class Traffic {
 public:
  Traffic(const ModelGroup& group, std::int64_t distance_us, std::vector<std::int64_t> answer_us, bool stream = false)
      : group_(group), distance_us_(distance_us), answer_us_(std::move(answer_us)), stream_(stream) {}

  void set_answer(std::size_t member, std::int64_t us) { answer_us_[member] = us; }
  std::int64_t now_us() const { return now_us_; }

  /// Who gets the next call; nobody: refused.
  std::optional<std::size_t> call() {
    now_us_ += distance_us_;
    while (!under_way_.empty() && under_way_.top().ends_us <= now_us_) end();
    Result<Pick> picked =
        pick(group_, {.now_us = now_us_, .random = random_.next(), .prompt_tokens = 100, .stream = stream_});
    if (!picked || !picked->deployment) return std::nullopt;
    const std::size_t member = index_of(*picked->deployment);
    under_way_.push({now_us_ + answer_us_[member], now_us_, member, std::make_shared<Slot>(std::move(picked->slot))});
    return member;
  }

  /// The shares of the next calls.
  std::vector<double> shares(int calls) {
    std::vector<double> seen(answer_us_.size());
    for (int i = 0; i < calls; ++i) {
      if (const auto member = call()) seen[*member] += 1.0 / calls;
    }
    return seen;
  }

  /// How many calls until, of the latest hundred, 95 have gone to `member`; -1: not within `most`.
  int calls_until_moved(std::size_t member, int most) {
    constexpr std::size_t kWindow = 100;
    constexpr int kMoved = 95;
    std::deque<bool> latest;
    int to_member = 0;
    for (int calls = 1; calls <= most; ++calls) {
      latest.push_back(call() == member);
      to_member += latest.back() ? 1 : 0;
      if (latest.size() > kWindow) {
        to_member -= latest.front() ? 1 : 0;
        latest.pop_front();
      }
      if (to_member >= kMoved) return calls;
    }
    return -1;
  }

 private:
  struct UnderWay {
    std::int64_t ends_us, began_us;
    std::size_t member;
    std::shared_ptr<Slot> slot;
    bool operator<(const UnderWay& other) const { return ends_us > other.ends_us; }
  };

  void end() {
    const UnderWay call = under_way_.top();
    under_way_.pop();
    const Deployment& deployment = *group_.deployments[call.member];
    const std::int64_t took_us = call.ends_us - call.began_us;
    if (stream_) note_first_content(deployment, took_us, 10, group_.routing.ttl_us, call.ends_us);
    note_answer(deployment,
                {.duration_us = took_us, .tokens = 200, .tokens_written = 100, .ttl_us = group_.routing.ttl_us},
                call.ends_us);
    note_success(deployment, call.ends_us, false);
    call.slot->end();
  }

  const ModelGroup& group_;
  std::int64_t distance_us_;
  std::vector<std::int64_t> answer_us_;
  bool stream_;
  std::int64_t now_us_ = kNow;
  base::Random random_{kSeed};
  std::priority_queue<UnderWay> under_way_;
};

// Of the hundred calls that are looked at, 95 must be the new ones': no change can be seen sooner.
constexpr int kSoonest = 95;

TEST(Convergence, LatencyMovesTrafficAwayFromWhoBecomesSlow) {
  for (const bool stream : {false, true}) {
    const ModelGroup group = group_of(2, {.strategy = Strategy::LatencyBased}, [](std::size_t, Deployment&) {});
    Traffic traffic(group, 100 * kMillisecond, {100 * kMillisecond, 150 * kMillisecond}, stream);
    traffic.shares(50);
    ASSERT_GT(traffic.shares(100)[0], 0.99);
    traffic.set_answer(0, 2 * kSecond);
    // Six slow answers of ten turn the middle; until they are there, two seconds of calls go the old way.
    const int calls = traffic.calls_until_moved(1, 1'000);
    EXPECT_GE(calls, kSoonest);
    EXPECT_LE(calls, kSoonest + 20 + 6) << (stream ? "streams" : "whole answers");
  }
}

TEST(Convergence, LatencyLooksAgainAtWhoWasSlowOnceItsSamplesAreForgotten) {
  const std::int64_t ttl_us = 60 * kSecond;
  const ModelGroup group =
      group_of(2, {.strategy = Strategy::LatencyBased, .ttl_us = ttl_us}, [](std::size_t, Deployment&) {});
  Traffic traffic(group, 100 * kMillisecond, {2 * kSecond, 150 * kMillisecond});
  traffic.shares(100);
  ASSERT_GT(traffic.shares(100)[1], 0.99);
  traffic.set_answer(0, 50 * kMillisecond);
  const int calls = traffic.calls_until_moved(0, 10'000);
  const int of_ttl = static_cast<int>(ttl_us / (100 * kMillisecond));
  EXPECT_GE(calls, of_ttl - 250) << "its latest sample was twenty seconds old";
  EXPECT_LE(calls, of_ttl + kSoonest + 5);
}

TEST(Convergence, LeastBusySharesByHowLongAnswersTake) {
  const ModelGroup group = group_of(2, {.strategy = Strategy::LeastBusy}, [](std::size_t, Deployment&) {});
  Traffic traffic(group, 10 * kMillisecond, {200 * kMillisecond, 200 * kMillisecond});
  EXPECT_NEAR(traffic.shares(2'000)[0], 0.5, 0.02);
  traffic.set_answer(0, 2 * kSecond);
  // As many under way on both: ten times as long, a tenth of the calls.
  traffic.shares(400);
  EXPECT_NEAR(traffic.shares(2'000)[0], 1.0 / 11, 0.02) << "after four hundred calls";
  traffic.set_answer(0, 200 * kMillisecond);
  traffic.shares(400);
  EXPECT_NEAR(traffic.shares(2'000)[0], 0.5, 0.02) << "and back";
}

TEST(Convergence, LeastBusyMovesEverythingAwayFromWhoHangs) {
  const ModelGroup group = group_of(2, {.strategy = Strategy::LeastBusy}, [](std::size_t, Deployment&) {});
  Traffic traffic(group, 10 * kMillisecond, {100 * kMillisecond, 100 * kMillisecond});
  traffic.shares(200);
  traffic.set_answer(0, 3'600 * kSecond);
  const int calls = traffic.calls_until_moved(1, 1'000);
  EXPECT_GE(calls, kSoonest);
  EXPECT_LE(calls, kSoonest + 20) << "no more hang there than are under way beside it";
}

TEST(Convergence, UsageFillsUpWhoHasMoreLeft) {
  for (const Strategy strategy : {Strategy::UsageBased, Strategy::UsageBasedV2}) {
    const ModelGroup group =
        group_of(2, {.strategy = strategy, .limits = true}, [](std::size_t, Deployment& d) { d.rpm = 1'000; });
    Traffic traffic(group, 10 * kMillisecond, {50 * kMillisecond, 50 * kMillisecond});
    EXPECT_NEAR(traffic.shares(400)[0], 0.5, 0.02);
    // Somebody else takes 300 calls out of a's minute: b gets what follows until they are level.
    MinuteCount& count = strategy == Strategy::UsageBased ? group.deployments[0]->health->load.answered
                                                          : group.deployments[0]->health->load.requests;
    count.add(300, traffic.now_us());
    const int calls = traffic.calls_until_moved(1, 1'000);
    EXPECT_GE(calls, kSoonest);
    EXPECT_LE(calls, kSoonest + 10);
    EXPECT_GT(traffic.shares(300 - calls - 10)[1], 0.99) << "until level";
    traffic.shares(20);
    EXPECT_NEAR(traffic.shares(200)[0], 0.5, 0.05) << "then in turn again";
  }
}

TEST(Convergence, RpmOfVersionTwoHoldsWhateverTheLoad) {
  const ModelGroup group = group_of(2, {.strategy = Strategy::UsageBasedV2, .limits = true},
                                    [](std::size_t i, Deployment& d) { d.rpm = i == 0 ? 100 : 300; });
  Traffic traffic(group, 10 * kMillisecond, {500 * kMillisecond, 500 * kMillisecond});
  int served[2] = {0, 0};
  int refused = 0;
  for (int i = 0; i < 5'999; ++i) {  // One minute.
    if (const auto member = traffic.call()) {
      ++served[*member];
    } else {
      ++refused;
    }
  }
  EXPECT_EQ(served[0], 100);
  EXPECT_EQ(served[1], 300);
  EXPECT_EQ(refused, 5'599);
  EXPECT_TRUE(traffic.call()) << "a new minute";
}

TEST(Convergence, RestMovesEverythingAtOnceWhateverTheStrategy) {
  for (const Strategy strategy : {Strategy::SimpleShuffle, Strategy::LeastBusy, Strategy::LatencyBased,
                                  Strategy::UsageBased, Strategy::UsageBasedV2, Strategy::CostBased}) {
    const ModelGroup group = group_of(2, {.strategy = strategy}, [](std::size_t, Deployment&) {});
    Traffic traffic(group, 100 * kMillisecond, {50 * kMillisecond, 50 * kMillisecond});
    traffic.shares(100);
    group.deployments[0]->health->cooling_until_us = traffic.now_us() + 5 * kSecond;
    EXPECT_GT(traffic.shares(49)[1], 0.999) << static_cast<int>(strategy);
    EXPECT_GT(traffic.shares(400)[0], 0.3) << "and some comes back: " << static_cast<int>(strategy);
  }
}

}  // namespace
}  // namespace turnpike::router::distribution_test
