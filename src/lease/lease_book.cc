#include "lease/lease_book.h"

#include <algorithm>

namespace turnpike::lease {
namespace {

constexpr std::int64_t kSilentUs = 3'000'000;
constexpr std::int64_t kTightUs = 5'000'000;
constexpr std::int64_t kWantedUs = 2'000'000;
constexpr std::int64_t kNoLimitNano = 4'611'686'018'427'387'904;

}  // namespace

struct LeaseBook::Line {
  const LeaseLine* said = nullptr;
  Escrow* escrow = nullptr;
  Lease* lease = nullptr;
  std::int64_t room_nano = 0;
  bool last_word = false;
  std::int64_t judged_nano = 0;  // Needs of the groups looked at so far, granted or not.
  std::int64_t given_nano = 0;
  bool short_of = false;
};

bool LeaseBook::is_live(const Replica& replica, std::int64_t now_us) const {
  return replica.alive_us > now_us - kSilentUs;
}

std::int64_t LeaseBook::live_replicas(std::int64_t now_us) const {
  return std::ranges::count_if(replicas, [&](const auto& one) { return is_live(one.second, now_us); });
}

bool LeaseBook::register_epoch(std::int64_t replica_no, std::int64_t epoch, std::int64_t instance) {
  Replica& replica = replicas[replica_no];
  if (replica.epoch > epoch || (replica.epoch == epoch && replica.instance != instance)) return false;
  replica.epoch = epoch;
  replica.instance = instance;
  return true;
}

LeaseAnswer LeaseBook::apply(std::int64_t replica_no, const LeaseOperation& operation, std::int64_t now_us) {
  LeaseAnswer answer;
  answer.op_no = operation.op_no;
  Replica& replica = replicas[replica_no];
  answer.result = fence({replica.epoch, replica.op_epoch, replica.op_no}, operation);
  if (answer.result != LeaseResult::Applied) return answer;

  replica.epoch = replica.op_epoch = operation.epoch;
  replica.op_no = operation.op_no;
  if (!is_live(replica, now_us)) replica.steady_since_us = now_us;
  replica.alive_us = now_us;
  answer.live_replicas = live_replicas(now_us);
  answer.rank = std::count_if(replicas.begin(), replicas.find(replica_no),
                              [&](const auto& one) { return is_live(one.second, now_us); });
  answer.shipped_no = replica.shipped_no;
  if (operation.verb == LeaseVerb::Restore) restore(replica_no, operation);
  if (operation.verb == LeaseVerb::Ask) {
    std::vector<Line> lines = read_lines(replica_no, operation, now_us);
    judge_groups(operation, lines, answer.granted_groups);
    for (const Line& line : lines) answer.grants.push_back(decide(line, answer.live_replicas, now_us));
  }
  for (const auto& [id, lease] : leases) {
    if (id.second != replica_no) continue;
    if (operation.verb != LeaseVerb::Ask) answer.own.push_back({id.first, lease.granted_nano, lease.used_nano});
    const auto found = escrows.find(id.first);
    if (found == escrows.end()) continue;
    const Escrow& escrow = found->second;
    if (lease.granted_nano > 0 && lease.recall_seen < escrow.recall_no)
      answer.recalls.push_back({id.first, escrow.recall_no, std::max<std::int64_t>(0, escrow.tight_until_us - now_us)});
  }
  return answer;
}

/// What was spent before it is outside of leases, but for what a replica opened without the database.
LeaseBook::Escrow& LeaseBook::open_escrow(LeaseKey key) {
  const auto [at, is_new] = escrows.try_emplace(key);
  Escrow& escrow = at->second;
  if (!is_new) return escrow;
  escrow.limit_nano = accounts[key.account_id].limit_nano;
  escrow.base_nano = spent_nano[key];
  for (auto lease = leases.lower_bound({key, INT64_MIN}); lease != leases.end() && lease->first.first == key; ++lease)
    escrow.base_nano -= lease->second.used_nano;
  return escrow;
}

std::vector<LeaseBook::Line> LeaseBook::read_lines(std::int64_t replica_no, const LeaseOperation& operation,
                                                   std::int64_t now_us) {
  std::vector<Line> lines;
  for (const LeaseLine& said : operation.lines) {
    Line line;
    line.said = &said;
    line.escrow = &open_escrow(said.key);
    line.lease = &leases[{said.key, replica_no}];
    const Escrow& escrow = *line.escrow;
    line.room_nano = (escrow.limit_nano ? *escrow.limit_nano - escrow.base_nano - escrow.granted_nano : kNoLimitNano) +
                     said.back_nano - said.debt_nano;
    bool others = false;
    const bool answered = others_answered(line, replica_no, now_us, others);
    line.last_word = !others || (escrow.tight_until_us > now_us && answered);
    lines.push_back(line);
  }
  return lines;
}

bool LeaseBook::others_answered(const Line& line, std::int64_t replica_no, std::int64_t now_us, bool& there_are) const {
  bool answered = true;
  const LeaseKey key = line.said->key;
  for (auto at = leases.lower_bound({key, INT64_MIN}); at != leases.end() && at->first.first == key; ++at) {
    const std::int64_t other = at->first.second;
    if (other == replica_no || at->second.granted_nano <= 0 || !is_live(replicas.at(other), now_us)) continue;
    there_are = true;
    answered = answered && at->second.recall_seen >= line.escrow->recall_no;
  }
  return answered;
}

/// Each group is judged as if all before it were granted: that can only refuse too much, and they are asked again.
void LeaseBook::judge_groups(const LeaseOperation& operation, std::vector<Line>& lines,
                             std::vector<std::size_t>& granted) const {
  for (std::size_t i = 0; i < operation.groups.size(); ++i) {
    const LeaseGroup& group = operation.groups[i];
    bool all_fit = !group.empty();
    for (const LeaseNeed& need : group) {
      Line& line = lines[need.line];
      const std::int64_t left_nano = line.room_nano - line.judged_nano;
      line.judged_nano += need.nano;
      if (left_nano >= need.nano || (need.may_cross && line.last_word && left_nano > 0)) continue;
      all_fit = false;
      line.short_of = true;
    }
    if (!all_fit) continue;
    granted.push_back(i);
    for (const LeaseNeed& need : group) lines[need.line].given_nano += need.nano;
  }
}

LeaseGrant LeaseBook::decide(const Line& line, std::int64_t live, std::int64_t now_us) {
  const LeaseLine& said = *line.said;
  Escrow& escrow = *line.escrow;
  const bool was_tight = escrow.tight_until_us > now_us;
  const bool was_wanted = escrow.wanted_until_us > now_us;
  LeaseGrant grant;
  grant.key = said.key;
  grant.give_nano = line.given_nano;
  if (said.want_nano > 0 && !was_tight && !was_wanted && !line.short_of)
    grant.give_nano +=
        std::max<std::int64_t>(0, std::min(said.want_nano, (line.room_nano - line.given_nano) / (2 * live)));
  const std::int64_t change_nano = grant.give_nano + said.debt_nano - said.back_nano;
  escrow.granted_nano += change_nano;
  line.lease->granted_nano += change_nano;
  line.lease->committed_nano = said.committed_nano;
  const bool saw_recall = said.recall_seen > line.lease->recall_seen;
  line.lease->recall_seen = std::max(line.lease->recall_seen, said.recall_seen);
  if (line.short_of) escrow.wanted_until_us = now_us + kWantedUs;
  if (line.short_of && !line.last_word && !was_tight) {
    recall(said.key, escrow, now_us);
  } else if (was_wanted && (said.back_nano > 0 || saw_recall)) {
    notices_.push_back({LeaseNotice::Kind::Returned, said.key, 0});
  }
  grant.granted_nano = line.lease->granted_nano;
  grant.room_nano = line.room_nano - grant.give_nano;
  grant.short_of = line.short_of;
  grant.last_word = line.last_word;
  grant.recall_no = escrow.recall_no;
  grant.tight_us = std::max<std::int64_t>(0, escrow.tight_until_us - now_us);
  const auto spent = spent_nano.find(said.key);
  grant.elsewhere_nano = (spent == spent_nano.end() ? 0 : spent->second) - line.lease->used_nano;
  return grant;
}

void LeaseBook::recall(LeaseKey key, Escrow& escrow, std::int64_t now_us) {
  ++escrow.recall_no;
  escrow.tight_until_us = now_us + kTightUs;
  notices_.push_back({LeaseNotice::Kind::Recalled, key, escrow.recall_no});
}

/// What the replica knows to be granted was granted: the commits that said so are lost, and it may be spent already.
void LeaseBook::restore(std::int64_t replica_no, const LeaseOperation& operation) {
  for (const LeaseLine& said : operation.lines) {
    Escrow& escrow = open_escrow(said.key);
    Lease& lease = leases[{said.key, replica_no}];
    const std::int64_t more_nano = std::max<std::int64_t>(0, said.granted_nano - lease.granted_nano);
    lease.granted_nano += more_nano;
    lease.committed_nano = said.committed_nano;
    escrow.granted_nano += more_nano;
  }
}

void LeaseBook::set_limit(std::int64_t account_id, std::optional<std::int64_t> limit_nano, std::int64_t from_window,
                          std::int64_t now_us) {
  accounts[account_id].limit_nano = limit_nano;
  notices_.push_back({LeaseNotice::Kind::Changed, {account_id, from_window}, 0});
  for (auto at = escrows.lower_bound({account_id, from_window});
       at != escrows.end() && at->first.account_id == account_id; ++at) {
    Escrow& escrow = at->second;
    const bool lowered = limit_nano && (!escrow.limit_nano || *limit_nano < *escrow.limit_nano);
    escrow.limit_nano = limit_nano;
    if (lowered) recall(at->first, escrow, now_us);
  }
}

void LeaseBook::add_base(LeaseKey key, std::int64_t more_nano, std::int64_t now_us) {
  const auto found = escrows.find(key);
  if (found == escrows.end() || more_nano == 0) return;
  found->second.base_nano += more_nano;
  notices_.push_back({LeaseNotice::Kind::Changed, key, 0});
  if (more_nano > 0) recall(key, found->second, now_us);
}

void LeaseBook::reclaim(std::int64_t by_replica, std::int64_t dead_after_us, std::int64_t now_us) {
  if (replicas[by_replica].steady_since_us > now_us - dead_after_us) return;
  for (auto& [id, lease] : leases) {
    if (replicas.at(id.second).alive_us > now_us - dead_after_us) continue;
    if (accounts[id.first.account_id].strict) continue;
    const std::int64_t unused_nano = lease.granted_nano - std::max(lease.used_nano, lease.committed_nano);
    if (unused_nano <= 0) continue;
    lease.granted_nano -= unused_nano;
    escrows.at(id.first).granted_nano -= unused_nano;
  }
}

}  // namespace turnpike::lease
