#include "base/completion.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "base/task.h"

namespace turnpike::base::completion_test {
namespace {

/// Runs what was posted when the test says so.
struct ManualExecutor : Executor {
  void post(std::function<void()> work) override { queued.push_back(std::move(work)); }
  void run() {
    for (auto& work : std::exchange(queued, {})) work();
  }
  std::vector<std::function<void()>> queued;
};

Task<void> wait_then_set(const Completion& completion, bool& resumed) {
  co_await completion;
  resumed = true;
}

TEST(Completion, ResumesOnTheExecutorAndNowhereElse) {
  ManualExecutor executor;
  const Completion completion(&executor);
  bool resumed = false;
  spawn(wait_then_set(completion, resumed));
  std::thread([&] { completion.complete(); }).join();
  EXPECT_FALSE(resumed);
  executor.run();
  EXPECT_TRUE(resumed);
}

TEST(Completion, DoesNotSuspendWhenAlreadyDone) {
  ManualExecutor executor;
  const Completion completion(&executor);
  completion.complete();
  bool resumed = false;
  spawn(wait_then_set(completion, resumed));
  EXPECT_TRUE(resumed);
}

TEST(Completion, BlocksWithoutExecutor) {
  const Completion completion(nullptr);
  std::thread other([&] { completion.complete(); });
  bool resumed = false;
  spawn(wait_then_set(completion, resumed));
  EXPECT_TRUE(resumed);
  other.join();
}

TEST(Completion, LeavesADestroyedWaiterAlone) {
  ManualExecutor executor;
  const Completion completion(&executor);
  {
    const Completion::Awaiter awaiter(completion);
    EXPECT_TRUE(awaiter.await_suspend(std::noop_coroutine()));
    completion.complete();
  }
  executor.run();  // Would resume the noop coroutine at most; must find no waiter.
  EXPECT_TRUE(executor.queued.empty());
}

}  // namespace
}  // namespace turnpike::base::completion_test
