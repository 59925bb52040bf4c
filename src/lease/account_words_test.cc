#include "lease/account_words.h"

#include <gtest/gtest.h>

#include <array>
#include <thread>
#include <vector>

#include "base/id.h"

namespace turnpike::lease::account_words_test {
namespace {

TEST(AccountWords, TakesFromAllOrNone) {
  AccountWords first, second;
  first.free = 100;
  second.free = 50;
  const auto both = [&](std::int64_t of_first, std::int64_t of_second) {
    return take_all(std::array<Taking, 2>{Taking{&first, of_first}, Taking{&second, of_second}});
  };
  EXPECT_EQ(both(60, 60), &second);
  EXPECT_EQ(first.free.load(), 100);
  EXPECT_EQ(first.held.load(), 0);
  EXPECT_EQ(first.taken.load(), 0);
  EXPECT_EQ(both(70, 50), nullptr);
  EXPECT_EQ(first.free.load(), 30);
  EXPECT_EQ(first.held.load(), 70);
  EXPECT_EQ(second.free.load(), 0);
  EXPECT_EQ(second.held.load(), 50);
}

TEST(AccountWords, SettlingGivesBackWhatWasNotUsedAndTellsTheKeeperWhenItMatters) {
  AccountWords account;
  account.free = 100;
  take_anyway(account, 80);
  EXPECT_FALSE(settle(account, 80, 30));
  EXPECT_EQ(account.free.load(), 70);
  EXPECT_EQ(account.settled.load(), 30);
  take_anyway(account, 70);
  EXPECT_TRUE(settle(account, 70, 90));  // Below zero.
  account.free = 10;
  account.watched = true;
  take_anyway(account, 10);
  EXPECT_TRUE(settle(account, 10, 1));
}

TEST(AccountWords, AVerdictIsForHoldsOfItsSizeAndItsTime) {
  AccountWords account;
  account.refuse(40, 1'000);
  EXPECT_TRUE(account.refuses(40, 999));
  EXPECT_FALSE(account.refuses(39, 999));
  EXPECT_FALSE(account.refuses(40, 1'000));
  account.forget_refusal();
  EXPECT_FALSE(account.refuses(40, 999));
}

TEST(AccountWords, AVerdictEndsWhenWhatWasLackingComesBack) {
  AccountWords account;
  account.free = 50;
  take_anyway(account, 25);
  take_anyway(account, 25);
  account.refuse(40, 1'000);
  settle(account, 25, 0);
  EXPECT_TRUE(account.refuses(40, 999));
  settle(account, 25, 5);
  EXPECT_FALSE(account.refuses(40, 999)) << "45 are free";
}

TEST(AccountWords, NothingIsMadeOrLostBetweenThreads) {
  constexpr std::int64_t kGranted = 1'000;
  constexpr int kThreads = 4, kCalls = 20'000;
  std::array<AccountWords, 3> accounts;
  for (AccountWords& account : accounts) account.free = kGranted;
  std::atomic<bool> below_zero{false};
  std::atomic<std::int64_t> cost{0};
  const auto call = [&](std::uint64_t seed) {
    base::Random random(seed);
    for (int i = 0; i < kCalls; ++i) {
      const std::array<AccountWords*, 2> mine = {&accounts[random.next() % 2], &accounts[2]};
      const auto hold_nano = static_cast<std::int64_t>(1 + random.next() % 400);
      const bool taken =
          take_all(std::array<Taking, 2>{Taking{mine[0], hold_nano}, Taking{mine[1], hold_nano}}) == nullptr;
      for (const AccountWords* account : mine) below_zero = below_zero || account->free.load() < 0;
      if (!taken) continue;
      const std::int64_t cost_nano = i % 1'000 == 0 ? 1 : 0;
      cost.fetch_add(cost_nano);
      for (AccountWords* account : mine) settle(*account, hold_nano, cost_nano);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(call, static_cast<std::uint64_t>(i));
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(below_zero.load());
  EXPECT_EQ(accounts[2].settled.load(), cost.load());
  for (const AccountWords& account : accounts) {
    EXPECT_EQ(account.held.load(), 0);
    EXPECT_EQ(account.free.load() + account.settled.load(), kGranted);
  }
}

}  // namespace
}  // namespace turnpike::lease::account_words_test
