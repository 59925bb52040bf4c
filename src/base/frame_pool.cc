#include "base/frame_pool.h"

#include <array>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TURNPIKE_FRAMES_KEPT 0
#endif
#endif
#ifndef TURNPIKE_FRAMES_KEPT
#define TURNPIKE_FRAMES_KEPT 1
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

/// Trivially destructible, so that frames may end after the thread's other objects; `Ending` empties it.
struct Pool {
  std::array<Free*, kPooledFrameBytesMax / kStep + 1> free;
  std::size_t bytes;
  bool ended;
};
constinit thread_local Pool pool{};

struct Ending {
  ~Ending() {
    pool.ended = true;
    for (Free*& list : pool.free) {
      while (list != nullptr) {
        Free* const frame = list;
        list = frame->next;
        ::operator delete(frame);
      }
    }
  }
};

}  // namespace

void* take_frame(std::size_t bytes) {
  if (!TURNPIKE_FRAMES_KEPT || bytes > kPooledFrameBytesMax) return ::operator new(bytes);
  const std::size_t which = class_of(bytes);
  Free* const frame = pool.free[which];
  if (frame == nullptr) return ::operator new(which * kStep);
  pool.free[which] = frame->next;
  pool.bytes -= which * kStep;
  return frame;
}

void give_frame(void* frame, std::size_t bytes) noexcept {
  const std::size_t which = class_of(bytes);
  if (!TURNPIKE_FRAMES_KEPT || bytes > kPooledFrameBytesMax || pool.ended ||
      pool.bytes + which * kStep > kFramePoolBytesMax) {
    ::operator delete(frame);
    return;
  }
  thread_local const Ending ending;
  pool.free[which] = ::new (frame) Free{pool.free[which]};
  pool.bytes += which * kStep;
}

}  // namespace turnpike::base
