#include <algorithm>
#include <cmath>

#include "lease/lease_keeper.h"

namespace turnpike::lease {
namespace {

constexpr std::int64_t kFirstHolds = 3;      // What a first call would like beside its own hold.
constexpr std::int64_t kSurplusTargets = 4;  // More than so many targets is too much.

/// Takes out of `free` what is above `keep_nano`.
std::int64_t pull(std::atomic<std::int64_t>& free, std::int64_t keep_nano) {
  std::int64_t seen = free.load();
  while (seen > keep_nano && !free.compare_exchange_weak(seen, keep_nano)) {
  }
  return seen > keep_nano ? seen - keep_nano : 0;
}

}  // namespace

/// The calls whose turn it is, and with them those that wait for the same accounts, so that nobody is overtaken.
std::vector<LeaseKeeper::Queue::iterator> LeaseKeeper::choose_calls(std::int64_t now_us) {
  std::set<const Lease*> contested;
  for (const Waiting& waiting : waiting_) {
    if (waiting.ask_at_us <= now_us) contested.insert(waiting.leases.begin(), waiting.leases.end());
  }
  std::vector<Queue::iterator> chosen;
  for (auto at = waiting_.begin(); at != waiting_.end() && chosen.size() < terms_.groups_max; ++at) {
    const auto is_contested = [&](const Lease* lease) { return contested.contains(lease); };
    if (std::ranges::any_of(at->leases, is_contested)) chosen.push_back(at);
  }
  return chosen;
}

void LeaseKeeper::add_groups(LeaseOperation& operation, const std::vector<Queue::iterator>& chosen,
                             std::int64_t now_us) {
  struct Named {
    Lease* lease;
    bool in_full;
    std::int64_t first_hold_nano;
    std::int64_t left_nano = 0;
    std::optional<std::size_t> line;
  };
  std::map<LeaseKey, Named> named;
  for (const Queue::iterator& call : chosen) {
    for (std::size_t i = 0; i < call->leases.size(); ++i) {
      Lease* const lease = call->leases[i];
      const bool in_full = lease->scarce || now_us < lease->tight_until_us;
      named.try_emplace(lease->key, Named{lease, in_full, call->takings[i].nano, 0, std::nullopt});
    }
  }
  // Lines first, in the order of keys: what goes back cannot be promised to a call any more.
  for (auto& [key, one] : named) {
    const LeaseLine line = line_of(*one.lease, one.in_full, one.first_hold_nano, now_us);
    one.line = add_line(operation, *one.lease, line);
    flight_->in_full.back() = one.in_full;
    one.left_nano = std::max<std::int64_t>(0, one.lease->words->free.load());
  }
  for (const Queue::iterator& call : chosen) {
    LeaseGroup group;
    for (std::size_t i = 0; i < call->leases.size(); ++i) {
      Lease* const lease = call->leases[i];
      Named& one = named.at(lease->key);
      const std::int64_t here_nano = std::min(one.left_nano, call->takings[i].nano);
      one.left_nano -= here_nano;
      const std::int64_t need_nano = call->takings[i].nano - here_nano;
      const bool patient = now_us >= call->since_us + held_wait_us();
      if (need_nano > 0) group.push_back({*one.line, need_nano, may_cross(call->call, *lease) && patient});
    }
    call->asked = true;
    operation.groups.push_back(group);
    flight_->groups.push_back(std::move(group));
    flight_->tickets.push_back(call->call.ticket);
  }
}

/// What is urgent, and with a sweep now and then whatever else has something to say.
void LeaseKeeper::add_others(LeaseOperation& operation, std::int64_t now_us) {
  const std::set<const Lease*> said(flight_->leases.begin(), flight_->leases.end());
  const auto add = [&](Lease& lease) {
    if (said.contains(&lease)) return;
    const LeaseLine line = line_of(lease, false, 0, now_us);
    if (has_something_to_say(lease, line, now_us)) add_line(operation, lease, line);
  };
  const auto is_full = [&] { return operation.lines.size() >= terms_.lines_max; };
  std::set<LeaseKey> looked_at;
  while (!urgent_.empty() && !is_full()) {
    const LeaseKey key = *urgent_.begin();
    urgent_.erase(urgent_.begin());
    looked_at.insert(key);
    if (Lease* const lease = find(key)) add(*lease);
  }
  urgent_at_us_ = urgent_.empty() ? INT64_MAX : now_us;
  if (now_us - swept_at_us_ < terms_.ask_again_us) return;
  swept_at_us_ = now_us;
  auto at = leases_.lower_bound(sweep_from_);
  for (std::size_t left = leases_.size(); left > 0 && !is_full(); --left) {
    if (at == leases_.end()) at = leases_.begin();
    if (!looked_at.contains(at->first)) add(at->second);
    ++at;
  }
  sweep_from_ = at == leases_.end() ? LeaseKey{} : at->first;
}

std::size_t LeaseKeeper::add_line(LeaseOperation& operation, Lease& lease, const LeaseLine& line) {
  operation.lines.push_back(line);
  flight_->lines.push_back(line);
  flight_->leases.push_back(&lease);
  flight_->in_full.push_back(false);
  flight_->looks.push_back(lease.asks);
  return operation.lines.size() - 1;
}

bool LeaseKeeper::has_something_to_say(const Lease& lease, const LeaseLine& line, std::int64_t now_us) const {
  const bool report = line.committed_nano != lease.reported_nano && now_us - lease.reported_at_us >= terms_.report_us;
  return line.back_nano > 0 || line.debt_nano > 0 || line.want_nano > 0 || lease.recall_seen < lease.recall_no ||
         ((report || lease.asks) && lease.known);
}

LeaseLine LeaseKeeper::line_of(Lease& lease, bool in_full, std::int64_t first_hold_nano, std::int64_t now_us) {
  measure_pace(lease, now_us);
  LeaseLine line;
  line.key = lease.key;
  line.fresh = !lease.known;
  line.back_nano = pull(lease.words->free, free_to_keep(lease, in_full, now_us));
  lease.granted_nano -= line.back_nano;
  const std::int64_t free_nano = lease.words->free.load();
  line.debt_nano = std::max<std::int64_t>(0, -free_nano);
  line.committed_nano = lease.granted_nano + lease.provisional_nano - free_nano;
  line.recall_seen = lease.recall_no;
  line.granted_nano = lease.granted_nano;
  if (lease.retired || now_us < lease.tight_until_us) return line;
  const std::int64_t target = target_nano(lease);
  if (free_nano < target / 2) line.want_nano = target - std::max<std::int64_t>(0, free_nano);
  if (lease.granted_at_us == kNever) line.want_nano = std::max(line.want_nano, kFirstHolds * first_hold_nano);
  return line;
}

std::int64_t LeaseKeeper::free_to_keep(const Lease& lease, bool in_full, std::int64_t now_us) const {
  if (in_full || lease.retired || lease.recall_seen < lease.recall_no || now_us < lease.tight_until_us) return 0;
  // Two accounts of a call that is granted one of them at a time would else be granted and returned in turn for ever.
  if (lease.waiting > 0 || now_us - lease.granted_at_us < terms_.idle_us) return INT64_MAX;
  if (now_us - lease.used_at_us >= terms_.idle_us) return 0;
  const std::int64_t target = target_nano(lease);
  return lease.words->free.load() > kSurplusTargets * target ? target : INT64_MAX;
}

std::int64_t LeaseKeeper::target_nano(const Lease& lease) const {
  return static_cast<std::int64_t>(lease.pace * static_cast<double>(terms_.lease_us) / 1e6);
}

void LeaseKeeper::measure_pace(Lease& lease, std::int64_t now_us) const {
  const std::int64_t taken_nano = lease.words->taken.load(std::memory_order_relaxed);
  const double constant_us = static_cast<double>(terms_.pace_us);
  lease.pace *= std::exp(static_cast<double>(lease.pace_at_us - now_us) / constant_us);
  lease.pace_at_us = now_us;
  const std::int64_t more_nano = taken_nano - lease.taken_seen_nano;
  if (more_nano <= 0) return;
  lease.pace += static_cast<double>(more_nano) * 1e6 / constant_us;
  lease.taken_seen_nano = taken_nano;
  lease.used_at_us = now_us;
}

}  // namespace turnpike::lease
