#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "pipeline/probe.h"

namespace turnpike::pipeline {

struct ProbeCounters {
  std::atomic<std::uint64_t> by_list{0}, by_call{0}, unwell{0}, skipped{0};
};

/// The probes of a process: rounds by the settings in force (background_health_checks), those an administrator asks
/// for, and what they have shown.
///
/// Limits:    the newest `kKeptMax` results, and the latest of each deployment that is configured; never more than
///            health_check_concurrency at a time of a round, one round at a time.
/// Threading: `start` and `stop` by the main thread; the rest by any I/O thread.
class Probes {
 public:
  static constexpr std::size_t kKeptMax = 1000;

  explicit Probes(Gateway& gateway);
  ~Probes();
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  /// Looks every `look` whether a round is due, on the first I/O thread.
  void start(std::chrono::milliseconds look = std::chrono::milliseconds(250));
  /// Ends what is under way and waits for it, at most `patience`. Nothing is probed afterwards.
  void stop(std::chrono::milliseconds patience = std::chrono::milliseconds(5000));

  /// Probes these now, on the current thread `thread`; in their order. Errors: RateLimited while a round that somebody
  /// has asked for is under way.
  Task<Result<std::vector<ProbeResult>>> probe_now(net::IoThread& thread,
                                                   std::vector<router::DeploymentRef> deployments,
                                                   std::string asked_by);

  std::vector<ProbeResult> history() const;  // The newest first.
  std::vector<ProbeResult> latest() const;
  /// The latest of one deployment, by id.
  std::optional<ProbeResult> latest_of(std::string_view id) const;

  const ProbeCounters& counters() const { return counters_; }
  ProbePurse& purse() { return purse_; }

 private:
  struct Round;
  class Open;
  Task<std::vector<ProbeResult>> run(Worker& worker, std::vector<router::DeploymentRef> deployments,
                                     std::string asked_by);
  Task<void> work(Round& round);
  Task<void> background();
  void look();
  void arm();
  void keep(const ProbeResult& result);
  void forget_removed(const router::RoutingTable& table);
  /// One process owns the data directory, so this one probes; with several replicas the lock is asked for here.
  static bool leads() { return true; }

  Gateway& gateway_;
  ProbePurse purse_;
  ProbeCounters counters_;
  std::atomic<bool> stopping_{false};
  std::atomic<bool> asked_{false};           // A round that somebody has asked for is under way.
  std::vector<std::vector<Round*>> rounds_;  // Under way, by thread; each its thread's own.

  // Of the first I/O thread.
  std::unique_ptr<net::IoThread::Timer> timer_;
  std::chrono::milliseconds look_{0};
  bool running_ = false;
  std::optional<base::Monotonic> began_;  // The latest round.

  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t open_ = 0;  // Rounds under way.
  std::deque<ProbeResult> kept_;
  std::unordered_map<std::string, ProbeResult> latest_;
};

/// turnpike_health_checks_total and what they cost, for Metrics::observe_text.
void append_probe_metrics(std::string& out, Probes& probes, std::int64_t now_us);

}  // namespace turnpike::pipeline
