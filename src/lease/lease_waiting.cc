#include <algorithm>
#include <utility>

#include "lease/lease_keeper.h"

namespace turnpike::lease {

void LeaseKeeper::wait(WaitingCall call, std::int64_t now_us) {
  Waiting waiting;
  waiting.since_us = waiting.ask_at_us = now_us;
  waiting.until_us = now_us + call.wait_us.value_or(terms_.wait_us);
  for (const LeaseClaim& claim : call.claims) {
    Lease* const lease = find(claim.key);
    if (lease == nullptr) continue;
    ++lease->waiting;
    watch(*lease, now_us);
    waiting.leases.push_back(lease);
    waiting.takings.push_back({lease->words.get(), claim.nano});
  }
  waiting.call = std::move(call);
  waiting_.push_back(std::move(waiting));
}

void LeaseKeeper::leave(std::uint64_t ticket) {
  const auto at = std::ranges::find_if(waiting_, [&](const Waiting& one) { return one.call.ticket == ticket; });
  if (at == waiting_.end()) return;
  for (Lease* const lease : at->leases) --lease->waiting;
  waiting_.erase(at);
}

std::vector<LeaseOutcome> LeaseKeeper::take_outcomes() {
  return std::exchange(outcomes_, {});
}

LeaseKeeper::Queue::iterator LeaseKeeper::end_wait(Queue::iterator at, LeaseOutcome::Kind kind, LeaseKey key) {
  for (Lease* const lease : at->leases) --lease->waiting;
  const bool crossed = kind == LeaseOutcome::Kind::Taken && at->crosses;
  outcomes_.push_back({at->call.ticket, kind, crossed ? *at->crosses : key, crossed});
  return waiting_.erase(at);
}

/// Gives the money that is here to the calls that wait, oldest first, and ends what has waited long enough.
void LeaseKeeper::serve(std::int64_t now_us) {
  using Kind = LeaseOutcome::Kind;
  for (auto at = waiting_.begin(); at != waiting_.end();) {
    if (superseded_) {
      at = end_wait(at, Kind::Unavailable);
      continue;
    }
    open_provisionally(*at);
    const AccountWords* const short_of = take_all(at->takings);
    if (short_of == nullptr) {
      at = end_wait(at, Kind::Taken);
      continue;
    }
    const auto is_refused = [&](const Taking& taking) {
      return taking.account->free.load() < taking.nano && taking.account->refuses(taking.nano, now_us);
    };
    const auto refused = at->asked ? at->takings.end() : std::ranges::find_if(at->takings, is_refused);
    const bool is_final = refused != at->takings.end();
    if (is_final || now_us >= at->until_us) {
      const auto lacking = is_final ? refused : std::ranges::find(at->takings, short_of, &Taking::account);
      const LeaseKey key = at->leases[static_cast<std::size_t>(lacking - at->takings.begin())]->key;
      const bool database_says_so = is_final || (at->heard && failures_ == 0);
      at = end_wait(at, database_says_so ? Kind::Refused : Kind::Unavailable, key);
      continue;
    }
    ++at;
  }
}

/// A window that begins while the database is away has no lease: a part of its budget is opened as debt.
void LeaseKeeper::open_provisionally(const Waiting& waiting) {
  constexpr std::int64_t kPart = 4;
  if (!started_ || !away()) return;
  for (Lease* const lease : waiting.leases) {
    if (lease->known || lease->strict || !waiting.call.may_cross || lease->provisional_nano > 0 ||
        lease->limit_nano <= 0)
      continue;
    lease->provisional_nano = lease->limit_nano / (kPart * live_replicas_);
    lease->words->free.fetch_add(lease->provisional_nano);
  }
}

void LeaseKeeper::ask_soon(LeaseKey key, std::int64_t now_us) {
  for (Waiting& waiting : waiting_) {
    if (std::ranges::find(waiting.call.claims, key, &LeaseClaim::key) != waiting.call.claims.end())
      waiting.ask_at_us = std::min(waiting.ask_at_us, now_us);
  }
}

/// When a call is refused for what others hold. Of that a part comes back, as holds are larger than costs: where no
/// call may cross the limit, and more than a twentieth of it is not booked yet, waiting is better than a refusal.
std::int64_t LeaseKeeper::patient_at_us(const Waiting& waiting, const Lease& lease, std::int64_t nano) const {
  constexpr std::int64_t kPart = 3, kTwentieths = 20;
  const std::int64_t unbooked_nano = lease.limit_nano - lease.words->elsewhere.load() - lease.words->settled.load();
  const bool may_come_back = nano <= unbooked_nano && unbooked_nano > lease.limit_nano / kTwentieths;
  const bool waits = may_come_back && !may_cross(waiting.call, lease);
  return waiting.since_us + std::max(held_wait_us(), waits ? terms_.wait_us / kPart : 0);
}

/// What an answer says to a call whose group was not granted: ask again, and when; or that there is no use.
void LeaseKeeper::judge(Waiting& waiting, const LeaseGroup& group, const Flight& flight, const LeaseAnswer& answer,
                        std::int64_t now_us) {
  std::int64_t ask_at_us = now_us;
  for (const LeaseNeed& need : group) {
    const LeaseGrant& grant = answer.grants[need.line];
    Lease& lease = *flight.leases[need.line];
    if (need.nano <= grant.room_nano) continue;  // It only stood behind others in the queue.
    if (!grant.last_word) {
      ask_at_us = std::max(ask_at_us, now_us + terms_.ask_again_us);
      continue;
    }
    if (!flight.in_full[need.line]) continue;  // The next operation returns what is free here and asks for all of it.
    const auto taking = std::ranges::find(waiting.takings, lease.words.get(), &Taking::account);
    const std::int64_t patient_us = patient_at_us(waiting, lease, taking->nano);
    ask_at_us = std::max(ask_at_us, patient_us);
    if (may_cross(waiting.call, lease) && grant.room_nano > 0) continue;
    if (now_us < patient_us) continue;
    const std::int64_t from_nano = may_cross(waiting.call, lease) ? 1 : taking->nano;
    lease.words->refuse(from_nano, now_us + terms_.verdict_us);
  }
  waiting.ask_at_us = ask_at_us;
}

}  // namespace turnpike::lease
