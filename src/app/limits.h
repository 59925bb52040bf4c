#pragma once

#include <memory>
#include <string>

#include "config/settings.h"
#include "limit/redis_count.h"
#include "pipeline/gateway.h"
#include "pipeline/shared_rests.h"
#include "redis/client.h"

namespace turnpike::app {

/// What the limits of all threads are counted with: meters, the Redis that replicas share if there is one, and how many
/// replicas are alive.
class Limits {
 public:
  /// Gives every worker its limiter; with Redis waits until each thread has tried to connect. Before calls are served.
  /// `redis` may be unused though the settings name one: a gateway on trial counts for itself.
  Limits(pipeline::Gateway& gateway, const config::Settings& settings, const config::RedisSettings& redis);
  ~Limits() { stop(); }
  /// After the last call has ended, before the threads do.
  void stop();

  /// One line for the operator: what limits are held to.
  std::string basis() const;
  void append_metrics(std::string& page) const;
  /// On the worker's thread.
  static void settings_changed(pipeline::Worker& worker, const config::Settings& settings);

 private:
  void watch_replicas();
  void tell_low_limits(std::uint32_t replicas);

  pipeline::Gateway& gateway_;
  bool stopped_ = false;
  const bool alone_;                 // Nobody else uses this database.
  std::uint32_t told_replicas_ = 1;  // With so many live the operator was last told which limits are too low.
  limit::Installation installation_;
  std::shared_ptr<redis::Redis> redis_;  // Null: there is none.
  std::unique_ptr<pipeline::SharedRests> rests_;
  std::unique_ptr<net::IoThread::Timer> watch_timer_;  // Of the first thread.
};

}  // namespace turnpike::app
