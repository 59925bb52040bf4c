#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace turnpike::limit {

class Meter;

/// The calls that wait for room of one limit, in the order in which they began to wait for any: so whoever has waited
/// longest is first in every line he stands in, and no two wait for each other.
///
/// Limits:    `kWaitersMax` calls of this process.
/// Threading: any. Behind a lock, which only calls take that wait or find others waiting.
class Line {
 public:
  static constexpr std::size_t kWaitersMax = 1000;
  using Ticket = std::uint64_t;
  static constexpr Ticket kNone = std::numeric_limits<Ticket>::max();  // Of a call that does not wait.

  /// False when the line is full.
  bool join(Ticket ticket, std::function<void()> wake);
  /// Wakes whoever is first then.
  void leave(Ticket ticket);
  /// Whether nobody stands in it who came before.
  bool lets_pass(Ticket ticket) const { return length_.load(std::memory_order_acquire) == 0 || is_first(ticket); }

 private:
  bool is_first(Ticket ticket) const;

  std::atomic<std::size_t> length_{0};
  mutable std::mutex mutex_;  // Guards the one below.
  std::map<Ticket, std::function<void()>> places_;
};

/// A call's places in lines, given up when this ends. Lives on the call's thread.
class Waiter {
 public:
  /// `wake` may be called from any thread, also when this has ended: then it may be the call's turn.
  explicit Waiter(std::function<void()> wake);
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  ~Waiter();

  Line::Ticket ticket() const { return ticket_; }
  /// Stands in the meter's line from now on; false when that is full.
  bool join(const std::shared_ptr<Meter>& meter);
  /// Nobody who came before stands in any of its lines.
  bool first() const;

 private:
  const Line::Ticket ticket_;
  const std::function<void()> wake_;
  std::vector<std::shared_ptr<Meter>> meters_;
};

}  // namespace turnpike::limit
