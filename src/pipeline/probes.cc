#include "pipeline/probes.h"

#include <algorithm>
#include <functional>
#include <future>

#include "base/clock.h"
#include "base/log.h"
#include "pipeline/own_call.h"

namespace turnpike::pipeline {

/// Deployments being probed, a few at a time, on one thread.
struct Probes::Round {
  Worker& worker;
  std::vector<router::DeploymentRef> deployments;
  std::string asked_by;
  std::vector<ProbeResult> results;
  std::size_t next = 0;
  std::size_t working = 0;
  std::vector<http::Cancel*> cancels;  // Of those under way.
  bool ending = false;
  base::Signal done;

  void end() {
    ending = true;
    const std::vector<http::Cancel*> open = cancels;  // Those that end leave the list.
    for (http::Cancel* cancel : open) {
      if (std::find(cancels.begin(), cancels.end(), cancel) != cancels.end()) cancel->request();
    }
  }
};

/// A round under way: the last of it to touch the probes, which whoever stops them may destroy then.
class Probes::Open {
 public:
  explicit Open(Probes& probes) : probes_(probes) {
    const std::lock_guard lock(probes_.mutex_);
    ++probes_.open_;
  }
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  ~Open() {
    const std::lock_guard lock(probes_.mutex_);
    --probes_.open_;
    probes_.ended_.notify_all();
  }

 private:
  Probes& probes_;
};

Probes::Probes(Gateway& gateway) : gateway_(gateway), rounds_(gateway.workers.size()) {}
Probes::~Probes() {
  stop();
}

void Probes::start(std::chrono::milliseconds look) {
  look_ = look;
  net::IoThread& first = *gateway_.workers.front()->thread;
  first.post([this] { arm(); });
}

void Probes::arm() {
  if (!stopping_.load()) timer_ = gateway_.workers.front()->thread->after(look_, [this] { this->look(); });
}

void Probes::look() {
  const Worker& worker = *gateway_.workers.front();
  const config::GeneralSettings& settings = worker.snapshot->settings->general;
  const base::Monotonic now = base::monotonic_now();
  const bool due = !began_ || now - *began_ >= settings.health_check_interval;
  if (settings.background_health_checks && due && !running_ && leads() && !gateway_.draining.load()) {
    began_ = now;
    running_ = true;
    base::spawn(background());
  }
  arm();
}

Task<void> Probes::background() {
  const Open open(*this);
  Worker& worker = *gateway_.workers.front();
  std::vector<router::DeploymentRef> deployments;
  for (const router::ModelGroupRef& group : worker.snapshot->routing->groups()) {
    for (const router::DeploymentRef& deployment : group->deployments) {
      if (!deployment->entry || !deployment->entry->disable_background_health_check) deployments.push_back(deployment);
    }
  }
  forget_removed(*worker.snapshot->routing);
  const std::vector<ProbeResult> results = co_await run(worker, std::move(deployments), "background");
  running_ = false;
}

Task<std::vector<ProbeResult>> Probes::run(Worker& worker, std::vector<router::DeploymentRef> deployments,
                                           std::string asked_by) {
  Round round{worker, std::move(deployments), std::move(asked_by), {}, 0, 0, {}, false, {}};
  round.results.resize(round.deployments.size());
  std::vector<Round*>& open = rounds_[worker.index];
  open.push_back(&round);
  if (stopping_.load()) round.ending = true;
  const auto most = static_cast<std::size_t>(worker.snapshot->settings->general.health_check_concurrency);
  round.working = std::min(most, round.deployments.size());
  for (std::size_t workers = round.working; workers > 0; --workers) base::spawn(work(round));
  if (!round.deployments.empty()) co_await round.done;
  std::erase(open, &round);
  co_return std::move(round.results);
}

Task<void> Probes::work(Round& round) {
  while (round.next < round.deployments.size()) {
    const std::size_t at = round.next++;
    ProbeResult& result = round.results[at];
    if (round.ending) {
      result.deployment = round.deployments[at];
      result.error = "the gateway is ending";
      continue;
    }
    http::Cancel cancel;
    round.cancels.push_back(&cancel);
    try {
      result = co_await probe(gateway_, round.worker, round.deployments[at], cancel, purse_);
    } catch (const std::exception& bug) {
      base::log(base::LogLevel::Error, "probe of deployment {}: {}", round.deployments[at]->id, bug.what());
      result.deployment = round.deployments[at];
      result.error = "internal error; the gateway's log says more";
    }
    std::erase(round.cancels, &cancel);
    result.asked_by = round.asked_by;
    keep(result);
  }
  if (--round.working == 0) round.done.fire();  // The round may be gone afterwards.
}

Task<Result<std::vector<ProbeResult>>> Probes::probe_now(net::IoThread& thread,
                                                         std::vector<router::DeploymentRef> deployments,
                                                         std::string asked_by) {
  if (asked_.exchange(true)) {
    Error error;
    error.kind = ErrorKind::RateLimited;
    error.message = "Deployments are being probed already; ask again when that is done.";
    error.retry_after = std::chrono::seconds(1);
    co_return base::fail(std::move(error));
  }
  const Open open(*this);
  std::vector<ProbeResult> results =
      co_await run(gateway_.worker_of(thread), std::move(deployments), std::move(asked_by));
  asked_.store(false);
  co_return results;
}

void Probes::stop(std::chrono::milliseconds patience) {
  if (stopping_.exchange(true)) return;
  // Each is waited for: whoever stops the probes may destroy them next.
  const auto run_on = [](Worker& worker, const std::function<void()>& work) {
    std::promise<void> done;
    worker.thread->post([&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  };
  run_on(*gateway_.workers.front(), [&] { timer_.reset(); });
  for (const std::unique_ptr<Worker>& worker : gateway_.workers) {
    run_on(*worker, [this, index = worker->index] {
      const std::vector<Round*> open = rounds_[index];
      for (Round* round : open) {
        if (std::find(rounds_[index].begin(), rounds_[index].end(), round) != rounds_[index].end()) round->end();
      }
    });
  }
  end_own_calls(gateway_);
  std::unique_lock lock(mutex_);
  ended_.wait_for(lock, patience, [&] { return open_ == 0; });
}

void Probes::keep(const ProbeResult& result) {
  if (result.way == ProbeResult::Way::List) counters_.by_list.fetch_add(1, std::memory_order_relaxed);
  if (result.way == ProbeResult::Way::Call) counters_.by_call.fetch_add(1, std::memory_order_relaxed);
  if (result.state == ProbeResult::State::Unwell) counters_.unwell.fetch_add(1, std::memory_order_relaxed);
  if (result.state == ProbeResult::State::Skipped) counters_.skipped.fetch_add(1, std::memory_order_relaxed);
  const std::lock_guard lock(mutex_);
  latest_[result.deployment->id] = result;
  kept_.push_front(result);
  if (kept_.size() > kKeptMax) kept_.pop_back();
}

void Probes::forget_removed(const router::RoutingTable& table) {
  std::vector<std::string> ids;
  for (const router::ModelGroupRef& group : table.groups()) {
    for (const router::DeploymentRef& deployment : group->deployments) ids.push_back(deployment->id);
  }
  std::sort(ids.begin(), ids.end());
  const std::lock_guard lock(mutex_);
  std::erase_if(latest_, [&](const auto& entry) { return !std::binary_search(ids.begin(), ids.end(), entry.first); });
}

std::vector<ProbeResult> Probes::history() const {
  const std::lock_guard lock(mutex_);
  return {kept_.begin(), kept_.end()};
}

std::vector<ProbeResult> Probes::latest() const {
  const std::lock_guard lock(mutex_);
  std::vector<ProbeResult> results;
  for (const auto& [id, result] : latest_) results.push_back(result);
  return results;
}

std::optional<ProbeResult> Probes::latest_of(std::string_view id) const {
  const std::lock_guard lock(mutex_);
  const auto found = latest_.find(std::string(id));
  if (found == latest_.end()) return std::nullopt;
  return found->second;
}

void append_probe_metrics(std::string& out, Probes& probes, std::int64_t now_us) {
  const auto head = [&](std::string_view name, std::string_view help, std::string_view type) {
    out.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ").append(name).append(" ");
    out.append(type).append("\n");
  };
  const auto line = [&](std::string_view series, std::uint64_t count) {
    out.append(series).append(" ").append(std::to_string(count)).append(".0\n");
  };
  const ProbeCounters& counters = probes.counters();
  head("turnpike_health_checks_total", "Probes of deployments, by the way the provider was asked.", "counter");
  line("turnpike_health_checks_total{way=\"model_list\"}", counters.by_list.load());
  line("turnpike_health_checks_total{way=\"call\"}", counters.by_call.load());
  head("turnpike_health_checks_unhealthy_total", "Probes that failed.", "counter");
  line("turnpike_health_checks_unhealthy_total", counters.unwell.load());
  head("turnpike_health_checks_skipped_total", "Probes that were not made.", "counter");
  line("turnpike_health_checks_skipped_total", counters.skipped.load());
  head("turnpike_health_checks_over_budget_total", "Probes that health_check_budget_per_day did not allow.", "counter");
  line("turnpike_health_checks_over_budget_total", probes.purse().refused());
  head("turnpike_health_checks_spend", "Dollars that the probes of this day (UTC) have cost.", "gauge");
  out.append("turnpike_health_checks_spend ").append(probes.purse().spent(now_us).to_string()).append("\n");
}

}  // namespace turnpike::pipeline
