#include "lease/lease_keeper.h"

#include <algorithm>
#include <utility>

namespace turnpike::lease {
namespace {

constexpr std::int64_t kRetryUs = 100 * kMillisecondUs;  // Between tries to reach the database, after the first.

}  // namespace

LeaseKeeper::Lease& LeaseKeeper::find_or_make(LeaseKey key, std::int64_t now_us, bool& is_new) {
  const auto [at, made] = leases_.try_emplace(key);
  is_new = made;
  if (!made) return at->second;
  at->second.key = key;
  at->second.words = std::make_shared<AccountWords>();
  at->second.pace_at_us = at->second.used_at_us = now_us;
  return at->second;
}

std::shared_ptr<AccountWords> LeaseKeeper::open(const LeaseAccount& account, std::int64_t now_us,
                                                std::shared_ptr<AccountWords> words) {
  bool is_new = false;
  Lease& lease = find_or_make(account.key, now_us, is_new);
  if (words && words != lease.words) {  // Nobody else has seen those.
    words->free.fetch_add(lease.words->free.load());
    words->settled.fetch_add(lease.words->settled.load());
    words->elsewhere.fetch_sub(lease.words->settled.load());
    lease.words = std::move(words);
  }
  lease.strict = account.strict;
  lease.in_tokens = account.in_tokens;
  lease.limit_nano = account.limit_nano;
  if (const Lease* const before = account.after ? find(*account.after) : nullptr; is_new && before != nullptr) {
    lease.pace = before->pace;
    lease.pace_at_us = before->pace_at_us;
    hurry(lease, now_us);
  }
  return lease.words;
}

void LeaseKeeper::retire(LeaseKey key, std::int64_t now_us) {
  Lease* const lease = find(key);
  if (lease == nullptr) return;
  lease->retired = true;
  hurry(*lease, now_us);
}

void LeaseKeeper::retire_all(std::int64_t now_us) {
  for (auto& [key, lease] : leases_) {
    if (!std::exchange(lease.retired, true)) hurry(lease, now_us);
  }
}

std::int64_t LeaseKeeper::free_nano() const {
  std::int64_t sum_nano = 0;
  for (const auto& [key, lease] : leases_) {
    if (!lease.in_tokens) sum_nano += lease.words->free.load();
  }
  return sum_nano;
}

bool LeaseKeeper::gave_all_back() const {
  const auto is_empty = [](const auto& one) { return one.second.words->free.load() <= 0; };
  return started_ && !flight_ && std::ranges::all_of(leases_, is_empty);
}

void LeaseKeeper::touched(LeaseKey key, std::int64_t now_us) {
  if (Lease* const lease = find(key)) hurry(*lease, now_us + terms_.linger_us);
}

void LeaseKeeper::look(LeaseKey key, std::int64_t now_us) {
  Lease* const lease = find(key);
  if (lease == nullptr) return;
  lease->asks = true;
  hurry(*lease, now_us);
}

std::vector<LeaseBelief> LeaseKeeper::beliefs() const {
  std::vector<LeaseBelief> all;
  for (const auto& [key, lease] : leases_)
    all.push_back({key, lease.granted_nano, lease.provisional_nano, lease.words.get()});
  return all;
}

LeaseKeeper::Lease* LeaseKeeper::find(LeaseKey key) {
  const auto found = leases_.find(key);
  return found == leases_.end() ? nullptr : &found->second;
}

void LeaseKeeper::hurry(Lease& lease, std::int64_t at_us) {
  urgent_.insert(lease.key);
  urgent_at_us_ = std::min(urgent_at_us_, at_us);
}

void LeaseKeeper::watch(Lease& lease, std::int64_t now_us) const {
  lease.words->watched.store(lease.waiting > 0 || now_us < lease.tight_until_us, std::memory_order_relaxed);
}

std::optional<LeaseOperation> LeaseKeeper::next(std::int64_t now_us) {
  if (flight_ && now_us >= flight_->sent_us + patience_us()) give_up(now_us);
  serve(now_us);
  if (flight_ || superseded_) return std::nullopt;
  if (standing_ != Standing::Sure) {
    if (now_us < retry_at_us_) return std::nullopt;
    return standing_ == Standing::Bereft ? restore(now_us) : begin(LeaseVerb::Resync, now_us);
  }
  if (!ask_due(now_us)) return std::nullopt;
  return ask(now_us);
}

/// To give up a database that is only slow makes it slower: what was sent is asked for once more.
std::int64_t LeaseKeeper::patience_us() const {
  constexpr std::int64_t kTimes = 4;
  return std::clamp(kTimes * slow_us_, terms_.answer_us, std::max(terms_.answer_us, terms_.answer_most_us));
}

/// Money that others' calls have just let go of comes with the operation after the one they have under way, and is had
/// with the one after that here: where the database is slow a refusal waits for all three.
std::int64_t LeaseKeeper::held_wait_us() const {
  constexpr std::int64_t kOperations = 3;
  return std::clamp(kOperations * slow_us_, terms_.held_wait_us, std::max(terms_.held_wait_us, terms_.wait_us / 2));
}

void LeaseKeeper::note_answer_time(std::int64_t took_us) {
  slow_us_ = std::max(took_us, slow_us_ * 7 / 8);
}

bool LeaseKeeper::ask_due(std::int64_t now_us) const {
  const std::int64_t apart_us = terms_.notices || waiting_.empty() ? terms_.heartbeat_us : terms_.poll_us;
  if (now_us >= sent_at_us_ + apart_us || now_us >= urgent_at_us_) return true;
  return std::ranges::any_of(waiting_, [&](const Waiting& waiting) { return waiting.ask_at_us <= now_us; });
}

std::int64_t LeaseKeeper::wake_at_us() const {
  if (superseded_) return INT64_MAX;
  std::int64_t at_us = INT64_MAX;
  for (const Waiting& waiting : waiting_) at_us = std::min(at_us, waiting.until_us);
  if (flight_) return std::min(at_us, flight_->sent_us + patience_us());
  if (standing_ != Standing::Sure) return std::min(at_us, retry_at_us_);
  for (const Waiting& waiting : waiting_) at_us = std::min(at_us, waiting.ask_at_us);
  const std::int64_t apart_us = terms_.notices || waiting_.empty() ? terms_.heartbeat_us : terms_.poll_us;
  return std::min({at_us, urgent_at_us_, sent_at_us_ + apart_us});
}

LeaseOperation LeaseKeeper::begin(LeaseVerb verb, std::int64_t now_us) {
  flight_ = Flight(verb, ++op_no_, now_us);
  sent_at_us_ = now_us;
  LeaseOperation operation;
  operation.verb = verb;
  operation.epoch = epoch_;
  operation.op_no = op_no_;
  operation.acked_no = acked_no_;
  return operation;
}

LeaseOperation LeaseKeeper::ask(std::int64_t now_us) {
  LeaseOperation operation = begin(LeaseVerb::Ask, now_us);
  add_groups(operation, choose_calls(now_us), now_us);
  add_others(operation, now_us);
  // The lines in the order of their keys; groups point at them.
  std::vector<std::size_t> order(operation.lines.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, {}, [&](std::size_t i) { return operation.lines[i].key; });
  std::vector<std::size_t> place(order.size());
  Flight sorted = *flight_;
  for (std::size_t i = 0; i < order.size(); ++i) {
    place[order[i]] = i;
    sorted.lines[i] = flight_->lines[order[i]];
    sorted.leases[i] = flight_->leases[order[i]];
    sorted.in_full[i] = flight_->in_full[order[i]];
    sorted.looks[i] = flight_->looks[order[i]];
  }
  for (LeaseGroup& group : sorted.groups) {
    for (LeaseNeed& need : group) need.line = place[need.line];
  }
  operation.lines = sorted.lines;
  operation.groups = sorted.groups;
  flight_ = std::move(sorted);
  return operation;
}

LeaseOperation LeaseKeeper::restore(std::int64_t now_us) {
  LeaseOperation operation = begin(LeaseVerb::Restore, now_us);
  for (auto& [key, lease] : leases_) {
    if (!lease.known) continue;
    LeaseLine line;
    line.key = key;
    line.fresh = true;
    line.granted_nano = lease.granted_nano;
    line.committed_nano = lease.granted_nano + lease.provisional_nano - lease.words->free.load();
    operation.lines.push_back(line);
  }
  return operation;
}

void LeaseKeeper::lost(std::int64_t op_no, std::int64_t now_us) {
  if (flight_ && flight_->op_no == op_no) give_up(now_us);
}

void LeaseKeeper::give_up(std::int64_t now_us) {
  given_up_ = {flight_->op_no, flight_->sent_us};
  flight_.reset();
  if (standing_ == Standing::Sure) standing_ = Standing::Unsure;
  for (Waiting& waiting : waiting_) {
    if (std::exchange(waiting.asked, false)) waiting.ask_at_us = now_us;
  }
  retry_at_us_ = ++failures_ == 1 ? now_us : now_us + kRetryUs;
}

void LeaseKeeper::answered(const LeaseAnswer& answer, std::int64_t now_us) {
  if (!flight_ || answer.op_no != flight_->op_no) {  // Of an operation that was given up.
    if (answer.op_no == given_up_.op_no) note_answer_time(now_us - given_up_.sent_us);
    return;
  }
  if (answer.result == LeaseResult::Stale) return give_up(now_us);
  const Flight flight = std::move(*flight_);
  flight_.reset();
  note_answer_time(now_us - flight.sent_us);
  failures_ = 0;
  if (answer.result == LeaseResult::Superseded) {
    superseded_ = true;
    return serve(now_us);
  }
  if (answer.result == LeaseResult::Lost) {
    standing_ = Standing::Bereft;
    acked_no_ = 0;
    for (Waiting& waiting : waiting_) waiting.asked = false;
    return;
  }
  acked_no_ = answer.op_no;
  live_replicas_ = std::max<std::int64_t>(1, answer.live_replicas);
  rank_ = answer.rank;
  if (flight.verb == LeaseVerb::Ask) {
    read_grants(flight, answer, now_us);
  } else {
    adopt(answer.own, now_us);
  }
  for (const LeaseRecall& recall : answer.recalls) {
    Lease* const lease = find(recall.key);
    if (lease == nullptr) continue;
    // If it is told again, our answer to it has not arrived.
    lease->recall_seen = std::min(lease->recall_seen, recall.recall_no - 1);
    hear_recall(*lease, recall.recall_no, recall.tight_us, now_us);
  }
  serve(now_us);
  forget_retired(now_us);
}

void LeaseKeeper::read_grants(const Flight& flight, const LeaseAnswer& answer, std::int64_t now_us) {
  for (std::size_t i = 0; i < answer.grants.size(); ++i) {
    const LeaseGrant& grant = answer.grants[i];
    Lease& lease = *flight.leases[i];
    // More than was given: a debt. Less than was known: it has been reclaimed meanwhile, and what is used is a debt.
    lease.words->free.fetch_add(grant.granted_nano - lease.granted_nano);
    lease.granted_nano = grant.granted_nano;
    if (grant.give_nano > 0) lease.granted_at_us = now_us;
    lease.known = true;
    lease.scarce = grant.short_of;
    if (flight.looks[i]) lease.asks = false;
    lease.reported_nano = flight.lines[i].committed_nano;
    lease.reported_at_us = now_us;
    lease.recall_seen = std::max(lease.recall_seen, flight.lines[i].recall_seen);
    lease.recall_no = std::max(lease.recall_no, grant.recall_no);
    lease.tight_until_us = grant.tight_us > 0 ? now_us + grant.tight_us : kNever;
    lease.words->elsewhere.store(grant.elsewhere_nano);
    lease.words->room.store(std::max<std::int64_t>(0, grant.room_nano));
    if (grant.room_nano > 0) lease.words->forget_refusal();
    if (lease.words->free.load() < 0) hurry(lease, now_us);
    watch(lease, now_us);
  }
  std::set<std::uint64_t> granted;
  std::map<std::size_t, std::uint64_t> crossing;  // By line: the last one granted there, if nothing is left then.
  for (const std::size_t group : answer.granted_groups) {
    granted.insert(flight.tickets[group]);
    for (const LeaseNeed& need : flight.groups[group]) {
      if (need.may_cross && answer.grants[need.line].room_nano < 0) crossing[need.line] = flight.tickets[group];
    }
  }
  for (Waiting& waiting : waiting_) {
    if (!std::exchange(waiting.asked, false)) continue;
    waiting.heard = true;
    waiting.ask_at_us = now_us;
    for (const auto& [line, ticket] : crossing) {
      if (ticket == waiting.call.ticket) waiting.crosses = flight.leases[line]->key;
    }
    if (granted.contains(waiting.call.ticket)) continue;
    const auto ticket = std::ranges::find(flight.tickets, waiting.call.ticket);
    judge(waiting, flight.groups[static_cast<std::size_t>(ticket - flight.tickets.begin())], flight, answer, now_us);
  }
}

/// Behind the number of this answer nothing sent earlier can still change what is granted.
void LeaseKeeper::adopt(const std::vector<OwnLease>& own, std::int64_t now_us) {
  std::map<LeaseKey, const OwnLease*> by_key;
  for (const OwnLease& one : own) {
    by_key.emplace(one.key, &one);
    if (started_) continue;
    // The words count from the beginning of the window, not of the process.
    bool is_new = false;
    Lease& lease = find_or_make(one.key, now_us, is_new);
    // What holds of the process before have freed is wanted elsewhere: it counts as idle until somebody takes from it.
    if (is_new) lease.used_at_us = now_us - terms_.idle_us;
    AccountWords& words = *lease.words;
    words.settled.fetch_add(one.used_nano);
    words.free.fetch_sub(one.used_nano);
    words.elsewhere.fetch_sub(one.used_nano);
  }
  for (auto& [key, lease] : leases_) {
    const auto found = by_key.find(key);
    const std::int64_t granted_nano = found != by_key.end() ? found->second->granted_nano : 0;
    lease.known = granted_nano > 0;  // Else it may be a row that shipping made, of an account without an escrow.
    // What was opened without the database is a debt from now on, as far as it is used.
    lease.words->free.fetch_add(granted_nano - lease.granted_nano - std::exchange(lease.provisional_nano, 0));
    lease.granted_nano = granted_nano;
    if (lease.words->free.load() < 0) hurry(lease, now_us);
  }
  for (Waiting& waiting : waiting_) waiting.ask_at_us = now_us;
  standing_ = Standing::Sure;
  started_ = true;
}

void LeaseKeeper::hear_recall(Lease& lease, std::int64_t recall_no, std::int64_t tight_us, std::int64_t now_us) {
  if (recall_no <= lease.recall_seen) return;
  lease.recall_no = std::max(lease.recall_no, recall_no);
  lease.tight_until_us = std::max(lease.tight_until_us, now_us + tight_us);
  watch(lease, now_us);
  hurry(lease, now_us);
}

void LeaseKeeper::noticed(const LeaseNotice& notice, std::int64_t now_us) {
  Lease* const lease = find(notice.key);
  if (lease == nullptr) return;
  if (notice.kind == LeaseNotice::Kind::Recalled) {
    hear_recall(*lease, notice.recall_no, terms_.tight_us, now_us);
    return;
  }
  lease->words->forget_refusal();
  ask_soon(notice.key, now_us);
}

/// Not before its last return is safe: a standby that takes over may not know of it, and only who remembers what was
/// spent can return the rest again.
void LeaseKeeper::forget_retired(std::int64_t now_us) {
  std::erase_if(leases_, [&](const auto& one) {
    const Lease& lease = one.second;
    const std::int64_t said_us = std::max(lease.reported_at_us, lease.used_at_us);
    const bool is_known = lease.known || lease.granted_nano + lease.provisional_nano == 0;
    return lease.retired && now_us - said_us >= terms_.remember_us && is_known && lease.waiting == 0 &&
           lease.words.use_count() == 1 && lease.words->free.load() == 0 && lease.words->held.load() == 0;
  });
}

}  // namespace turnpike::lease
