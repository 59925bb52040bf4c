// What choosing a deployment costs: `pick` with `decide`, for each strategy and for calls that stay together, in groups
// of 10, 100 and 1,000; and what it costs to see how a prompt begins, beside reading its body once. Prints nanoseconds
// per call; fails where a limit is missed. Usage: build/bench/bench_pick

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "base/id.h"
#include "protocol/prompt_prefix.h"
#include "router/router.h"
#include "router/sticky.h"

namespace {

using namespace turnpike;  // NOLINT

constexpr std::int64_t kNow = 1'800'000'000'000'000;

router::ModelGroup group_of(std::size_t count, const char* strategy) {
  config::RouterSettings settings;
  settings.routing_strategy = strategy;
  settings.enable_pre_call_checks = true;
  settings.enable_tag_filtering = true;
  router::ModelGroup group;
  group.name = "g";
  group.routing = router::routing_of(settings, group.name);
  base::Random random(count);
  for (std::size_t i = 0; i < count; ++i) {
    router::Deployment made;
    made.id = "deployment-" + std::to_string(i);
    made.weight = static_cast<double>(random.next() % 10);
    made.rpm = 1e9;
    made.tpm = 1e9;
    made.parallel_max = 1'000'000;
    made.tags = {"paid"};
    made.input_tokens_max = 128'000;
    made.token_cost_femto = static_cast<std::int64_t>(random.next() % 10) * 1'000'000'000;
    made.seed = router::seed_of(made.id);
    made.health = std::make_shared<router::Health>();
    for (int n = 0; n < 10; ++n) {
      const auto length = static_cast<std::int64_t>(random.next() % 1'000'000);
      router::note_answer(made, {.duration_us = length, .tokens = 200, .tokens_written = 100}, kNow);
    }
    group.deployments.push_back(std::make_shared<const router::Deployment>(std::move(made)));
  }
  return group;
}

/// The best of several rounds: others share the machine.
double nanoseconds(std::size_t count, const char* strategy, bool sticky) {
  const router::ModelGroup group = group_of(count, strategy);
  const std::vector<std::string> tags = {"paid"};
  const Error error = [] {
    Error made;
    made.kind = ErrorKind::UpstreamInternal;
    made.status = 500;
    return made;
  }();
  base::Random random(1);
  const int calls = static_cast<int>(200'000 / count);
  double best = 1e18;
  for (int round = 0; round < 60; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < calls; ++i) {
      const Result<router::Pick> pick =
          router::pick(group, {.now_us = kNow,
                               .random = random.next(),
                               .prompt_tokens = 1'000,
                               .tags = tags,
                               .sticky = sticky ? router::sticky_of(group.name, group.deployments[0]->id) + i : 0});
      const router::Decision decision = router::decide(
          error, {.attempts_in_group = 1, .attempts_total = 1, .other_healthy = true, .group_size = count}, {},
          random.next());
      if (!pick || decision.next != router::Next::SameGroup) std::abort();
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / calls);
  }
  return best;
}

/// How a prompt begins, found and hashed (what a call with prompt_caching adds), and the reading of its body.
struct PrefixCost {
  double prefix_ns = 1e18;
  double reading_ns = 1e18;
};
PrefixCost prefix_cost(std::size_t prompt_bytes) {
  std::string body = R"({"model":"m","messages":[{"role":"system","content":")";
  while (body.size() < prompt_bytes) body += "You answer in one sentence, and you cite the page.\\n";
  body += R"("},{"role":"user","content":"Which page?"}]})";
  body.reserve(body.size() + json::kJsonPadding);
  PrefixCost cost;
  for (int round = 0; round < 200; ++round) {
    const auto start = std::chrono::steady_clock::now();
    const Result<protocol::CallRequest> call = protocol::parse_call(domain::Operation::Chat, body, "");
    const auto read = std::chrono::steady_clock::now();
    if (!call) std::abort();
    const protocol::PromptPrefix prefix = protocol::prompt_prefix(*call);
    const std::uint32_t hash = protocol::fingerprint(prefix);
    const auto end = std::chrono::steady_clock::now();
    if (hash == 0 || prefix.size() == 0) std::abort();
    cost.reading_ns = std::min(cost.reading_ns, std::chrono::duration<double, std::nano>(read - start).count());
    cost.prefix_ns = std::min(cost.prefix_ns, std::chrono::duration<double, std::nano>(end - read).count());
  }
  return cost;
}

}  // namespace

int main() {
  struct Size {
    std::size_t count;
    double limit_ns;
  };
  constexpr std::array<Size, 3> kSizes = {{{10, 500}, {100, 5'000}, {1'000, 50'000}}};
  bool kept = true;
  for (const char* strategy : {"simple-shuffle", "least-busy", "latency-based-routing", "usage-based-routing",
                               "usage-based-routing-v2", "cost-based-routing", "sticky"}) {
    const bool sticky = std::string_view(strategy) == "sticky";
    for (const Size& size : kSizes) {
      const double took = nanoseconds(size.count, sticky ? "simple-shuffle" : strategy, sticky);
      kept = kept && took <= size.limit_ns;
      std::printf("%-24s group of %4zu: %7.0f ns (at most %.0f)\n", strategy, size.count, took, size.limit_ns);
    }
  }
  for (const std::size_t bytes : {4'096U, 60'000U, 1'000'000U}) {
    const PrefixCost cost = prefix_cost(bytes);
    kept = kept && cost.prefix_ns <= cost.reading_ns;
    std::printf("beginning of a prompt of %7zu bytes: %7.0f ns (reading the body: %.0f)\n", bytes, cost.prefix_ns,
                cost.reading_ns);
  }
  if (!kept) std::printf("A limit was missed.\n");
  return kept ? 0 : 1;
}
