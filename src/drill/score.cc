#include "drill/score.h"

#include <algorithm>
#include <map>
#include <set>

namespace turnpike::drill {
namespace {

/// What timers, this machine and the way back may add to a limit.
constexpr std::chrono::milliseconds kSlack{500};

/// The error is of the fault's class, and what the provider said of waiting is passed on.
bool tells_truth(const Outcome& outcome, std::string& why) {
  const Fault& fault = *outcome.scenario->fault;
  const Seen& seen = outcome.seen;
  switch (seen.end) {
    case End::Answer:
      if (seen.refused && fault.reach != Reach::Request) {
        why = "an answer that says it was filtered";
        return false;
      }
      if (fault.reach != Reach::MidStream || !outcome.by_struck) return true;
      why = "a broken stream passed for whole";
      return false;
    case End::Error:
      if (!fault.tells(seen.status)) {
        why = "the error is of another class";
        return false;
      }
      if (fault.retry_after > 0 && seen.status == 429 &&
          (seen.retry_after < 1 || seen.retry_after > fault.retry_after)) {
        why = "Retry-After is not passed on";
        return false;
      }
      return true;
    case End::ErrorEvent: {
      const auto is_status = [&](int status) { return status != 0 && seen.error_code == std::to_string(status); };
      if (seen.error_type == "upstream_stream_error" || std::ranges::any_of(fault.statuses, is_status)) return true;
      why = "the error event is of another class";
      return false;
    }
    case End::Cut:
      why = "the answer ended without a word";
      return false;
    case End::Foreign:
      why = "not in OpenAI's dialect";
      return false;
    case End::Silence:
      why = "no answer at all";
      return false;
  }
  return false;
}

/// Somebody who is well might have answered, and nobody was asked: the fault has reached the caller.
bool reaches_caller(const Outcome& outcome) {
  if (outcome.seen.end == End::Answer && !outcome.seen.refused) return false;
  switch (outcome.scenario->fault->reach) {
    case Reach::MidStream:
      return !outcome.seen.content;  // Nothing helps once a part is with the caller.
    case Reach::Request:
      return outcome.scenario->rescue;
    case Reach::NoContent:
    case Reach::StillAnswers:
      return true;
  }
  return true;
}

bool keeps_cap(const Entry& entry, const Cap& cap) {
  std::map<std::string, int> by_group;
  int most = 0;
  for (const BookedAttempt& attempt : entry.attempts) most = std::max(most, ++by_group[attempt.group]);
  return static_cast<int>(entry.attempts.size()) <= cap.total && most <= cap.per_group;
}

void note(std::string& why, const std::string& more) {
  if (!more.empty()) why += (why.empty() ? "" : "; ") + more;
}

}  // namespace

std::string compare_books(const Outcome& outcome) {
  if (!outcome.entry) return "no entry in the ledger";
  const Entry& entry = *outcome.entry;
  const bool failed = outcome.seen.end != End::Answer;
  if (entry.success == failed) return failed ? "the entry says success" : "the entry says failure";
  Money sum;
  for (const BookedAttempt& attempt : entry.attempts) sum += attempt.cost;
  if (sum != entry.spend) return "the attempts do not add up to the entry";
  for (const Account& account : outcome.accounts) {
    Money booked;
    std::uint64_t attempts = 0;
    for (const BookedAttempt& attempt : entry.attempts) {
      if (attempt.deployment_id != account.deployment_id) continue;
      booked += attempt.cost;
      ++attempts;
    }
    if (account.calls > attempts) return "the provider was asked more often than is booked";
    if (booked == account.due) continue;
    const std::string sums = " $" + booked.to_string() + ", served $" + account.due.to_string();
    if (!account.unsaid) return "booked" + sums;
    if (!entry.marked("estimated")) return "not marked as estimated:" + sums;
    if (booked.nano() * 2 < account.least.nano() || booked.nano() > account.due.nano() * 2) return "estimated" + sums;
  }
  return {};
}

Cap cap_of(const config::Settings& settings) {
  std::int64_t retries = settings.router.num_retries;
  std::set<std::int64_t> orders;
  const auto raise = [&](const config::ErrorCounts& counts) {
    for (const auto& count : {counts.bad_request, counts.authentication, counts.timeout, counts.rate_limit,
                              counts.content_policy, counts.internal}) {
      retries = std::max(retries, count.value_or(0));
    }
  };
  raise(settings.router.retry_policy);
  for (const config::GroupRetryPolicy& policy : settings.router.model_group_retry_policy) raise(policy.retries);
  for (const config::ModelEntry& entry : settings.models) {
    retries = std::max(retries, entry.num_retries.value_or(0));
    orders.insert(entry.order.value_or(0));
  }
  Cap cap;
  const auto levels = static_cast<std::int64_t>(std::max<std::size_t>(orders.size(), 1));
  cap.per_group = static_cast<int>(std::min<std::int64_t>((1 + retries) * levels, cap.total));
  return cap;
}

Verdict judge(const Outcome& outcome, const Clock& clock, const Cap& cap) {
  Verdict verdict;
  if (!outcome.trouble.empty() || !outcome.struck) {
    verdict.why = outcome.trouble.empty() ? "the fault met no call" : outcome.trouble;
    return verdict;
  }
  const auto met = [&verdict](Criterion criterion) -> bool& {
    return verdict.met[static_cast<std::size_t>(criterion)];
  };
  met(Criterion::Truthful) = tells_truth(outcome, verdict.why);
  verdict.reached = reaches_caller(outcome);
  met(Criterion::Answered) = !verdict.reached;
  if (verdict.reached) note(verdict.why, outcome.scenario->rescue ? "others well" : "no fallback");
  met(Criterion::InTime) = outcome.seen.end != End::Silence && outcome.seen.ms <= (clock.deadline + kSlack).count();
  if (!met(Criterion::InTime)) note(verdict.why, "late");
  met(Criterion::InCap) = outcome.entry && keeps_cap(*outcome.entry, cap);
  if (outcome.entry && !met(Criterion::InCap)) note(verdict.why, "too many attempts");
  const std::string books = compare_books(outcome);
  met(Criterion::Booked) = books.empty();
  note(verdict.why, books);
  return verdict;
}

Score score_of(const std::vector<Outcome>& outcomes, const std::vector<Verdict>& verdicts, bool rescued) {
  Score score;
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    const Scenario& scenario = *outcomes[i].scenario;
    if (scenario.fault == &no_fault() || (rescued && !scenario.rescue)) continue;
    for (std::size_t c = 0; c < kCriteria; ++c) score.met[c].count(verdicts[i].met[c]);
    score.passed.count(verdicts[i].passed());
  }
  return score;
}

}  // namespace turnpike::drill
