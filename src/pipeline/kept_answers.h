#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/hash.h"

namespace turnpike::pipeline {

/// What a call was answered, for those that come again with its Idempotency-Key.
struct KeptAnswer {
  std::string call_id;  // Of the call that was made and billed,
  std::string model_group, deployment_id;
  std::string content_type;     // Empty: JSON, or server-sent events of a stream.
  std::string provider_fields;  // Header lines.
  std::string body;             // A stream's events one after the other.
  bool stream = false;

  std::size_t bytes() const { return sizeof(KeptAnswer) + provider_fields.size() + body.size(); }
};
using KeptAnswerRef = std::shared_ptr<const KeptAnswer>;

struct KeptAnswersLimits {
  std::chrono::milliseconds lifetime{3'600'000};  // From the end of the answer.
  std::size_t entries_max = 10'000;               // Answers that are kept; calls under way are not counted.
  std::size_t bytes_max = 64 << 20;               // Likewise.
};

/// What is known of the calls that carry a key of their own choice: under way, or answered. The answer that was asked
/// for least lately goes first.
///
/// Threading: none; one thread's.
class KeptAnswers {
 public:
  enum class Turn : std::uint8_t {
    Yours,  // Make the call, then `finish`.
    Kept,   // The answer is here.
    Other,  // The key stands for another request.
  };
  /// Told once, at once or when the call under way has ended.
  using Tell = std::function<void(Turn, KeptAnswerRef)>;

  /// `body`: a digest of what is asked for.
  void ask(const base::Sha256& key, const base::Sha256& body, const KeptAnswersLimits& limits, base::Monotonic now,
           Tell tell);
  /// By whoever had the turn. Null: there is no answer to keep, and who has waited longest makes the call.
  void finish(const base::Sha256& key, KeptAnswerRef answer, const KeptAnswersLimits& limits, base::Monotonic now);

  std::size_t entries() const { return by_use_.size(); }
  std::size_t bytes() const { return bytes_; }
  std::uint64_t evicted() const { return evicted_; }  // For want of room.
  std::uint64_t joined() const { return joined_; }    // Had to wait.

 private:
  struct Entry {
    base::Sha256 body;
    KeptAnswerRef answer;  // Null: under way.
    base::Monotonic ends;
    std::list<base::Sha256>::iterator use, answered;
    std::deque<Tell> waiting;
  };
  using Entries = std::map<base::Sha256, Entry>;
  void drop(Entries::iterator at);
  void drop_ended(base::Monotonic now);
  void make_room(const KeptAnswersLimits& limits);

  Entries known_;
  std::list<base::Sha256> by_use_;     // Those answered: the latest asked for last,
  std::list<base::Sha256> by_answer_;  // the latest answered last.
  std::size_t bytes_ = 0;
  std::uint64_t evicted_ = 0, joined_ = 0;
};

}  // namespace turnpike::pipeline
