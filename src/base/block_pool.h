#pragma once

#include <cstddef>
#include <string>

namespace turnpike::base {

/// Memory of coroutine frames and the like. A call makes and ends some twenty of them, of a few sizes that come back
/// with the next call; most are too large for the small-block cache of the C library, whose long way is a tenth of a
/// call's time.
///
/// Limits:    a thread keeps at most `kBlockPoolBytesMax` for reuse; blocks above `kPooledBlockBytesMax` are not kept.
/// Threading: any; a block returns to the pool of the thread that ends it. Under AddressSanitizer nothing is kept, so
///            that a use after the end is seen.
constexpr std::size_t kBlockPoolBytesMax = 1 << 20;
constexpr std::size_t kPooledBlockBytesMax = 8192;

void* take_block(std::size_t bytes);
void give_block(void* block, std::size_t bytes) noexcept;

/// Base of objects that every call makes and drops.
struct PooledObject {
  static void* operator new(std::size_t bytes) { return take_block(bytes); }
  static void operator delete(void* object, std::size_t bytes) noexcept { give_block(object, bytes); }
};

/// The same for a vector that every call makes and drops.
template <class T>
struct PooledAllocator {
  using value_type = T;
  PooledAllocator() = default;
  template <class U>
  PooledAllocator(const PooledAllocator<U>&) {}  // NOLINT(google-explicit-constructor): allocators convert.
  static_assert(alignof(T) <= alignof(std::max_align_t));
  T* allocate(std::size_t count) { return static_cast<T*>(take_block(count * sizeof(T))); }
  void deallocate(T* items, std::size_t count) noexcept { give_block(items, count * sizeof(T)); }
  template <class U>
  bool operator==(const PooledAllocator<U>&) const {
    return true;
  }
};

/// A text of which every call makes and drops one, too long for the cache of the C library.
using PooledString = std::basic_string<char, std::char_traits<char>, PooledAllocator<char>>;

}  // namespace turnpike::base
