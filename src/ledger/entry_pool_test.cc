#include "ledger/entry_pool.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace turnpike::ledger::entry_pool_test {
namespace {

TEST(EntryPool, AnEntryComesBackAsNew) {
  EntryPool pool;
  auto entry = pool.take();
  entry->entry_no = 7;
  entry->in_journal = true;
  entry->queued_us = 9;
  entry->payload.assign(1000, 'x');
  UnshippedEntry* const first = entry.get();
  pool.give(std::move(entry));
  entry = pool.take();
  EXPECT_EQ(entry.get(), first);
  EXPECT_EQ(entry->next, nullptr);
  EXPECT_EQ(entry->entry_no, 0u);
  EXPECT_EQ(entry->segment, nullptr);
  EXPECT_FALSE(entry->in_journal);
  EXPECT_EQ(entry->queued_us, 0);
  EXPECT_TRUE(entry->payload.empty());
  EXPECT_GE(entry->payload.capacity(), 1000u);
}

TEST(EntryPool, KeepsWithinItsLimits) {
  EntryPool pool;
  auto large = pool.take();
  large->payload.assign(EntryPool::kKeptBytesMax + 1, 'x');
  pool.give(std::move(large));
  EXPECT_EQ(pool.take()->payload.capacity(), std::string().capacity());
  for (std::uint32_t i = 0; i < 2 * EntryPool::kKeptMax; ++i) {
    auto entry = std::make_unique<UnshippedEntry>();
    entry->payload.assign(100, 'x');
    pool.give(std::move(entry));
  }
  std::vector<std::unique_ptr<UnshippedEntry>> taken;
  while (taken.empty() || taken.back()->payload.capacity() >= 100) taken.push_back(pool.take());
  EXPECT_EQ(taken.size(), EntryPool::kKeptMax + 1);
}

TEST(EntryPool, ThreadsTakeWhatOneGives) {
  EntryPool pool;
  std::atomic<bool> stop{false};
  std::vector<std::thread> takers;
  for (int i = 0; i < 2; ++i) {
    takers.emplace_back([&] {
      while (!stop.load()) {
        const auto entry = pool.take();
        ASSERT_EQ(entry->entry_no, 0u);
        entry->entry_no = 1;
      }
    });
  }
  for (int i = 0; i < 20'000; ++i) {
    auto entry = std::make_unique<UnshippedEntry>();
    entry->entry_no = 5;
    entry->payload.assign(64, 'x');
    pool.give(std::move(entry));
  }
  stop = true;
  for (std::thread& taker : takers) taker.join();
}

}  // namespace
}  // namespace turnpike::ledger::entry_pool_test
