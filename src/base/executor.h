#pragma once

#include <coroutine>
#include <functional>

namespace turnpike::base {

/// Somewhere to run work later: an I/O thread, the database thread. `post` may be called from any thread.
class Executor {
 public:
  virtual ~Executor() = default;
  virtual void post(std::function<void()> work) = 0;
};

}  // namespace turnpike::base
