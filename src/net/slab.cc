#include "net/slab.h"

#include <memory>
#include <vector>

namespace turnpike::net {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TURNPIKE_SLAB_KEEPS 0  // Every block fresh, so that a use after the release is seen.
#endif
#endif
#ifndef TURNPIKE_SLAB_KEEPS
#define TURNPIKE_SLAB_KEEPS 128
#endif

template <std::size_t Bytes>
struct Slab {
  std::vector<char*> free;
  ~Slab() {
    for (char* block : free) delete[] block;
    alive() = false;
  }
  /// Blocks may be released by objects that die after the thread's slab.
  static bool& alive() {
    thread_local bool value = true;
    return value;
  }
  static Slab& mine() {
    thread_local Slab instance;
    return instance;
  }
};

}  // namespace

template <std::size_t Bytes>
BlockOf<Bytes> BlockOf<Bytes>::take() {
  BlockOf block;
  auto& own = Slab<Bytes>::mine();
  if (own.free.empty()) {
    block.data_ = new char[kBytes + kPadding];
  } else {
    block.data_ = own.free.back();
    own.free.pop_back();
  }
  return block;
}

template <std::size_t Bytes>
void BlockOf<Bytes>::release() {
  char* data = std::exchange(data_, nullptr);
  if (data == nullptr) return;
  if (Slab<Bytes>::alive()) {
    auto& own = Slab<Bytes>::mine();
    if (own.free.size() < TURNPIKE_SLAB_KEEPS) {
      own.free.push_back(data);
      return;
    }
  }
  delete[] data;
}

template class BlockOf<16 * 1024>;
template class BlockOf<2 * 1024>;

}  // namespace turnpike::net
