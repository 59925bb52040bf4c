#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace turnpike::limit {

/// This replica's part of a limit while replicas do not count together: the limit over the live replicas, what is left
/// over to the first of them. Each admits one at least, so limits below the number of replicas are not kept exactly.
struct Share {
  std::uint32_t replicas = 1;  // Alive, this one included.
  std::uint32_t rank = 0;      // Place in the ordered list of them, from 0.

  std::int64_t of(std::int64_t limit) const {
    if (limit <= 0 || replicas <= 1) return std::max<std::int64_t>(limit, 0);
    return std::max<std::int64_t>(1, limit / replicas + (rank < limit % replicas ? 1 : 0));
  }
  bool operator==(const Share&) const = default;
};

/// How many replicas are alive, as the last heartbeat said. Threading: any.
class LiveReplicas {
 public:
  Share get() const {
    const std::uint64_t both = both_.load(std::memory_order_relaxed);
    return {static_cast<std::uint32_t>(both >> 32), static_cast<std::uint32_t>(both)};
  }
  void set(Share share) {
    both_.store(static_cast<std::uint64_t>(std::max<std::uint32_t>(share.replicas, 1)) << 32 | share.rank,
                std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> both_{1ULL << 32};
};

}  // namespace turnpike::limit
