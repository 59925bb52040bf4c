#pragma once

#include <cstddef>
#include <utility>

namespace turnpike::net {

/// A 16 KB block lent by the calling thread's slab and given back on destruction, on the same thread. Connections hold
/// one only while bytes of theirs are in it: idle ones hold none.
class Block {
 public:
  static constexpr std::size_t kBytes = 16 * 1024;
  /// Readable beyond kBytes, for parsers that look ahead.
  static constexpr std::size_t kPadding = 64;

  Block() = default;
  Block(Block&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  Block& operator=(Block&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  ~Block() { release(); }

  static Block take();
  void release();
  char* data() const { return data_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  char* data_ = nullptr;
};

}  // namespace turnpike::net
