#pragma once

#include <cstddef>
#include <utility>

namespace turnpike::net {

/// A block of `Bytes` lent by the calling thread's slab and given back on destruction, on the same thread. Connections
/// hold one only while bytes of theirs are in it: idle ones hold none.
template <std::size_t Bytes>
class BlockOf {
 public:
  static constexpr std::size_t kBytes = Bytes;
  /// Readable beyond kBytes, for parsers that look ahead.
  static constexpr std::size_t kPadding = 64;

  BlockOf() = default;
  BlockOf(BlockOf&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  BlockOf& operator=(BlockOf&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~BlockOf() { release(); }

  static BlockOf take();
  void release();
  char* data() const { return data_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  char* data_ = nullptr;
};

using Block = BlockOf<16 * 1024>;      // What is received into.
using SmallBlock = BlockOf<2 * 1024>;  // What a request of usual size is kept in while it is answered.
extern template class BlockOf<16 * 1024>;
extern template class BlockOf<2 * 1024>;

}  // namespace turnpike::net
