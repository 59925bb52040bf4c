#include "base/block_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace turnpike::base::block_pool_test {
namespace {

TEST(BlockPool, BlocksOfEverySizeAreWholeAndTheirOwn) {
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t bytes : {1u, 63u, 64u, 65u, 1000u, 4096u, 4097u, 100'000u}) {
      void* const block = take_block(bytes);
      std::memset(block, static_cast<int>(blocks.size()), bytes);
      blocks.emplace_back(block, bytes);
    }
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      const auto* const bytes = static_cast<const unsigned char*>(blocks[i].first);
      EXPECT_EQ(bytes[0], i);
      EXPECT_EQ(bytes[blocks[i].second - 1], i);
    }
    for (const auto& [block, bytes] : blocks) give_block(block, bytes);
    blocks.clear();
  }
}

TEST(BlockPool, ABlockMayEndOnAnotherThread) {
  for (int round = 0; round < 100; ++round) {
    void* const block = take_block(512);
    std::thread other([block] { give_block(block, 512); });
    other.join();
  }
}

}  // namespace
}  // namespace turnpike::base::block_pool_test
