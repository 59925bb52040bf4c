#include "base/block_pool.h"

#include <array>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TURNPIKE_BLOCKS_KEPT 0
#endif
#endif
#ifndef TURNPIKE_BLOCKS_KEPT
#define TURNPIKE_BLOCKS_KEPT 1
#endif

namespace turnpike::base {
namespace {

constexpr std::size_t kStep = 64;

std::size_t class_of(std::size_t bytes) {
  return (bytes + kStep - 1) / kStep;
}

struct Free {
  Free* next;
};

/// Trivially destructible, so that blocks may end after the thread's other objects; `Ending` empties it.
struct Pool {
  std::array<Free*, kPooledBlockBytesMax / kStep + 1> free;
  std::size_t bytes;
  bool ended;
};
constinit thread_local Pool pool{};

struct Ending {
  ~Ending() {
    pool.ended = true;
    for (Free*& list : pool.free) {
      while (list != nullptr) {
        Free* const block = list;
        list = block->next;
        ::operator delete(block);
      }
    }
  }
};

}  // namespace

void* take_block(std::size_t bytes) {
  if (!TURNPIKE_BLOCKS_KEPT || bytes > kPooledBlockBytesMax) return ::operator new(bytes);
  const std::size_t which = class_of(bytes);
  Free* const block = pool.free[which];
  if (block == nullptr) return ::operator new(which * kStep);
  pool.free[which] = block->next;
  pool.bytes -= which * kStep;
  return block;
}

void give_block(void* block, std::size_t bytes) noexcept {
  const std::size_t which = class_of(bytes);
  if (!TURNPIKE_BLOCKS_KEPT || bytes > kPooledBlockBytesMax || pool.ended ||
      pool.bytes + which * kStep > kBlockPoolBytesMax) {
    ::operator delete(block);
    return;
  }
  thread_local const Ending ending;
  pool.free[which] = ::new (block) Free{pool.free[which]};
  pool.bytes += which * kStep;
}

}  // namespace turnpike::base
