#include "pipeline/kept_answers.h"

namespace turnpike::pipeline {

void KeptAnswers::ask(const base::Sha256& key, const base::Sha256& body, const KeptAnswersLimits& limits,
                      base::Monotonic now, Tell tell) {
  drop_ended(now);
  make_room(limits);
  const auto [at, first] = known_.try_emplace(key);
  Entry& entry = at->second;
  if (first) {
    entry.body = body;
    tell(Turn::Yours, nullptr);
  } else if (entry.body != body) {
    tell(Turn::Other, nullptr);
  } else if (entry.answer) {
    by_use_.splice(by_use_.end(), by_use_, entry.use);
    tell(Turn::Kept, entry.answer);
  } else {
    entry.waiting.push_back(std::move(tell));
    ++joined_;
  }
}

void KeptAnswers::finish(const base::Sha256& key, KeptAnswerRef answer, const KeptAnswersLimits& limits,
                         base::Monotonic now) {
  const auto at = known_.find(key);
  if (at == known_.end() || at->second.answer) return;
  Entry& entry = at->second;
  if (!answer) {
    if (entry.waiting.empty()) {
      known_.erase(at);
      return;
    }
    const Tell next = std::move(entry.waiting.front());
    entry.waiting.pop_front();
    next(Turn::Yours, nullptr);
    return;
  }
  const std::deque<Tell> waiting = std::exchange(entry.waiting, {});
  entry.answer = answer;
  entry.ends = now + limits.lifetime;
  entry.use = by_use_.insert(by_use_.end(), key);
  entry.answered = by_answer_.insert(by_answer_.end(), key);
  bytes_ += answer->bytes();
  make_room(limits);
  for (const Tell& tell : waiting) tell(Turn::Kept, answer);
}

void KeptAnswers::drop(Entries::iterator at) {
  bytes_ -= at->second.answer->bytes();
  by_use_.erase(at->second.use);
  by_answer_.erase(at->second.answered);
  known_.erase(at);
}

void KeptAnswers::drop_ended(base::Monotonic now) {
  while (!by_answer_.empty()) {
    const auto oldest = known_.find(by_answer_.front());
    if (oldest->second.ends > now) break;
    drop(oldest);
  }
}

void KeptAnswers::make_room(const KeptAnswersLimits& limits) {
  while (!by_use_.empty() && (by_use_.size() > limits.entries_max || bytes_ > limits.bytes_max)) {
    drop(known_.find(by_use_.front()));
    ++evicted_;
  }
}

}  // namespace turnpike::pipeline
