#include "limit/line.h"

#include <algorithm>
#include <utility>

#include "limit/meter.h"

namespace turnpike::limit {
namespace {

Line::Ticket next_ticket() {
  static std::atomic<Line::Ticket> next{0};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

bool Line::join(Ticket ticket, std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  if (places_.size() >= kWaitersMax) return false;
  places_.emplace(ticket, std::move(wake));
  length_.store(places_.size(), std::memory_order_release);
  return true;
}

void Line::leave(Ticket ticket) {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    const auto place = places_.find(ticket);
    if (place == places_.end()) return;
    const bool was_first = place == places_.begin();
    places_.erase(place);
    length_.store(places_.size(), std::memory_order_release);
    if (was_first && !places_.empty()) wake = places_.begin()->second;
  }
  if (wake) wake();
}

bool Line::is_first(Ticket ticket) const {
  const std::lock_guard lock(mutex_);
  return places_.empty() || places_.begin()->first >= ticket;
}

Waiter::Waiter(std::function<void()> wake) : ticket_(next_ticket()), wake_(std::move(wake)) {}

Waiter::~Waiter() {
  for (const std::shared_ptr<Meter>& meter : meters_) meter->line().leave(ticket_);
}

bool Waiter::join(const std::shared_ptr<Meter>& meter) {
  if (std::ranges::find(meters_, meter) != meters_.end()) return true;
  if (!meter->line().join(ticket_, wake_)) return false;
  meters_.push_back(meter);
  return true;
}

bool Waiter::first() const {
  return std::ranges::all_of(meters_, [this](const auto& meter) { return meter->line().lets_pass(ticket_); });
}

}  // namespace turnpike::limit
