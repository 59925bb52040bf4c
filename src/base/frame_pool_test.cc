#include "base/frame_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

namespace turnpike::base {
namespace {

TEST(FramePool, FramesOfEverySizeAreWholeAndTheirOwn) {
  std::vector<std::pair<void*, std::size_t>> frames;
  for (int round = 0; round < 3; ++round) {
    for (std::size_t bytes : {1u, 63u, 64u, 65u, 1000u, 4096u, 4097u, 100'000u}) {
      void* const frame = take_frame(bytes);
      std::memset(frame, static_cast<int>(frames.size()), bytes);
      frames.emplace_back(frame, bytes);
    }
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const auto* const bytes = static_cast<const unsigned char*>(frames[i].first);
      EXPECT_EQ(bytes[0], i);
      EXPECT_EQ(bytes[frames[i].second - 1], i);
    }
    for (const auto& [frame, bytes] : frames) give_frame(frame, bytes);
    frames.clear();
  }
}

TEST(FramePool, AFrameMayEndOnAnotherThread) {
  for (int round = 0; round < 100; ++round) {
    void* const frame = take_frame(512);
    std::thread other([frame] { give_frame(frame, 512); });
    other.join();
  }
}

}  // namespace
}  // namespace turnpike::base
