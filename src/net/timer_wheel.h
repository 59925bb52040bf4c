#pragma once

#include <array>
#include <cstdint>
#include <limits>

namespace turnpike::net {

/// Holds the timers of one thread: two levels of 256 slots and an overflow list. Arming and disarming are a few
/// pointer writes and allocate nothing, since every request arms some and nearly none ever fires.
///
/// Units:     ticks; the owner decides how long one is and says when they have passed.
/// Threading: none.
class TimerWheel {
 public:
  /// One timer, embedded in what it wakes. It must be disarmed (or fired) before it dies; `~Node` does so.
  class Node {
   public:
    using Action = void (*)(void* context);
    Node(Action action, void* context) : action_(action), context_(context) {}
    Node() : Node(nullptr, nullptr) {}  // The head of a list.
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node() { disarm(); }

    bool armed() const { return next_ != nullptr; }
    void disarm();

   private:
    friend class TimerWheel;
    void link_before(Node& other);

    Node* previous_ = nullptr;
    Node* next_ = nullptr;
    TimerWheel* wheel_ = nullptr;
    std::uint64_t due_ = 0;
    Action action_;
    void* context_;
  };

  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  TimerWheel();
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();

  /// Fires `node` once `due` has passed; a due tick that is not ahead fires at the next one. Re-arms an armed node.
  void arm(Node& node, std::uint64_t due);

  /// Moves to tick `now` and fires what is due. Actions may arm and disarm any node.
  void advance(std::uint64_t now);

  /// A tick at which `advance` has something to do, never later than the first due timer; kNever without timers.
  std::uint64_t next_tick();

  std::size_t armed() const { return armed_; }

 private:
  static constexpr std::uint64_t kSlots = 256;

  struct Level {
    std::array<Node, kSlots> slots;
    std::array<std::uint64_t, kSlots / 64> occupied{};  // May claim an empty slot, never misses a full one.
    void put(Node& node, std::uint64_t slot);
    /// How many slots after `from` the next occupied one stands (1..kSlots), or 0.
    std::uint64_t distance_to_next(std::uint64_t from);
    Level();
  };

  void place(Node& node);
  void fall(Node& slot);

  Level near_;   // The next 256 ticks, one slot each.
  Level far_;    // 256 ticks per slot.
  Node beyond_;  // Further than the far level reaches.
  std::uint64_t now_ = 0;
  std::size_t armed_ = 0;
};

}  // namespace turnpike::net
