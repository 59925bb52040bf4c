#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "pipeline/gateway.h"

namespace turnpike::pipeline {

/// Looks on each I/O thread for calls that have had no answer for longer than alerting_threshold, and tells the events
/// of each once.
class HangWatch {
 public:
  /// `gateway` outlives it.
  explicit HangWatch(Gateway& gateway);
  ~HangWatch();  // Waits for its timers.
  HangWatch(const HangWatch&) = delete;
  HangWatch& operator=(const HangWatch&) = delete;

 private:
  void arm(Worker& worker);
  Gateway& gateway_;
  std::atomic<bool> stopping_{false};
  std::vector<std::unique_ptr<net::IoThread::Timer>> timers_;  // By thread, each its thread's own.
};

}  // namespace turnpike::pipeline
