#include "net/timer_wheel.h"

#include <algorithm>
#include <bit>

namespace turnpike::net {

void TimerWheel::Node::link_before(Node& other) {
  previous_ = other.previous_;
  next_ = &other;
  previous_->next_ = this;
  other.previous_ = this;
}

void TimerWheel::Node::disarm() {
  if (next_ == nullptr || wheel_ == nullptr) return;
  previous_->next_ = next_;
  next_->previous_ = previous_;
  previous_ = next_ = nullptr;
  --wheel_->armed_;
  wheel_ = nullptr;
}

TimerWheel::Level::Level() {
  for (Node& slot : slots) slot.previous_ = slot.next_ = &slot;
}

void TimerWheel::Level::put(Node& node, std::uint64_t slot) {
  node.link_before(slots[slot]);
  occupied[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

std::uint64_t TimerWheel::Level::distance_to_next(std::uint64_t from) {
  std::uint64_t distance = 1;
  while (distance <= kSlots) {
    const std::uint64_t slot = (from + distance) % kSlots;
    const std::uint64_t word = occupied[slot / 64] >> (slot % 64);
    if (word == 0) {
      distance += 64 - slot % 64;
      continue;
    }
    const std::uint64_t skip = static_cast<std::uint64_t>(std::countr_zero(word));
    const std::uint64_t found = slot + skip;
    distance += skip;
    if (distance > kSlots) break;
    if (slots[found].next_ != &slots[found]) return distance;
    occupied[found / 64] &= ~(std::uint64_t{1} << (found % 64));
    ++distance;
  }
  return 0;
}

TimerWheel::TimerWheel() {
  beyond_.previous_ = beyond_.next_ = &beyond_;
}

TimerWheel::~TimerWheel() {
  // Whoever still holds an armed node may outlive the wheel: leave it disarmed instead of dangling.
  const auto release = [](Node& slot) {
    while (slot.next_ != &slot) slot.next_->disarm();
    slot.previous_ = slot.next_ = nullptr;
  };
  for (Node& slot : near_.slots) release(slot);
  for (Node& slot : far_.slots) release(slot);
  release(beyond_);
}

void TimerWheel::arm(Node& node, std::uint64_t due) {
  node.disarm();
  node.due_ = std::max(due, now_ + 1);
  node.wheel_ = this;
  ++armed_;
  place(node);
}

void TimerWheel::place(Node& node) {
  const std::uint64_t ahead = node.due_ - now_;
  if (ahead < kSlots) {
    near_.put(node, node.due_ % kSlots);
  } else if (node.due_ / kSlots - now_ / kSlots < kSlots) {
    far_.put(node, node.due_ / kSlots % kSlots);
  } else {
    node.link_before(beyond_);
  }
}

void TimerWheel::fall(Node& slot) {
  Node list;
  if (slot.next_ == &slot) return;
  list.next_ = slot.next_;
  list.previous_ = slot.previous_;
  list.next_->previous_ = list.previous_->next_ = &list;
  slot.next_ = slot.previous_ = &slot;
  while (list.next_ != &list) {
    Node& node = *list.next_;
    node.previous_->next_ = node.next_;
    node.next_->previous_ = node.previous_;
    place(node);
  }
  list.next_ = list.previous_ = nullptr;
}

void TimerWheel::advance(std::uint64_t now) {
  while (now_ < now) {
    if (armed_ == 0) {
      now_ = now;
      return;
    }
    ++now_;
    if (now_ % kSlots == 0) {
      if (now_ / kSlots % kSlots == 0) fall(beyond_);
      fall(far_.slots[now_ / kSlots % kSlots]);
    }
    Node& slot = near_.slots[now_ % kSlots];
    while (slot.next_ != &slot) {
      Node& node = *slot.next_;
      node.disarm();
      node.action_(node.context_);
    }
  }
}

std::uint64_t TimerWheel::next_tick() {
  if (armed_ == 0) return kNever;
  if (const std::uint64_t ahead = near_.distance_to_next(now_)) return now_ + ahead;
  const std::uint64_t block = now_ / kSlots;
  // The overflow list falls when the far level wraps.
  const std::uint64_t wrap = (block / kSlots + 1) * kSlots;
  if (const std::uint64_t ahead = far_.distance_to_next(block % kSlots)) return std::min(block + ahead, wrap) * kSlots;
  return wrap * kSlots;
}

}  // namespace turnpike::net
