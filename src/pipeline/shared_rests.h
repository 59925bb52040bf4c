#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "net/io_threads.h"
#include "redis/client.h"
#include "router/router.h"

namespace turnpike::pipeline {

struct Gateway;

/// Rests of deployments, shared by replicas through Redis (AC-COOL-4): what one has put to rest, the others find within
/// half a second. A replica that finds out by a probe of its own that the provider is back ends the rest for itself.
///
/// Threading: `tell` on any I/O thread; everything else on the first.
class SharedRests {
 public:
  static constexpr std::chrono::milliseconds kLookEvery{400};

  /// Outlived by both. `replica`: no other has the same.
  SharedRests(redis::Redis& redis, Gateway& gateway, const std::string& installation, std::string replica);

  /// Begins to look; ends with `stop`.
  void start() { plan_look(); }
  void stop();
  /// This replica has put a deployment to rest.
  void tell(net::IoThread& thread, const router::Deployment& deployment, std::int64_t now_us);

 private:
  struct State;
  void plan_look();
  static Task<void> look(std::shared_ptr<State> state);

  redis::Redis& redis_;
  net::IoThread& first_;
  const std::shared_ptr<State> state_;  // Outlives this while a look is under way.
  std::unique_ptr<net::IoThread::Timer> timer_;
};

}  // namespace turnpike::pipeline
