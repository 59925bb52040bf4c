#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "base/result.h"
#include "base/task.h"
#include "http/message.h"
#include "net/io_threads.h"
#include "pipeline/kept_answers.h"
#include "telemetry/metrics.h"

namespace turnpike::pipeline {

struct Call;
struct Answer;

struct IdempotencyCounters {
  std::atomic<std::uint64_t> replayed{0};  // Calls answered by an earlier one's answer,
  std::atomic<std::uint64_t> joined{0};    // Calls that had to wait for the same one.
  std::atomic<std::uint64_t> refused{0};   // The key stood for another request.
  std::atomic<std::uint64_t> too_long{0};  // Answers not kept for their length.
  std::atomic<std::uint64_t> evicted{0}, entries{0}, bytes{0};
};

/// Calls with an Idempotency-Key: the same key, caller and request get one answer, which is billed once. One thread
/// owns what is known of them; the others send it messages, so that nobody locks and calls without the header cost
/// nothing.
///
/// Threading: any I/O thread.
class Idempotency : public std::enable_shared_from_this<Idempotency> {
 public:
  explicit Idempotency(net::IoThread& owner) : owner_(owner) {}

  /// The right to make the call, and its answer as far as it has been given out. Without `finish` the right goes to
  /// whoever waits.
  class Turn {
   public:
    Turn(std::shared_ptr<Idempotency> of, const base::Sha256& key, KeptAnswersLimits limits, std::size_t bytes_max)
        : of_(std::move(of)), key_(key), limits_(limits), bytes_max_(bytes_max) {}
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn();
    void keep(http::Pieces pieces);
    /// The answer is whole: what `keep` was given.
    void finish(const Call& call, const Answer& answer);

   private:
    const std::shared_ptr<Idempotency> of_;
    const base::Sha256 key_;
    const KeptAnswersLimits limits_;
    const std::size_t bytes_max_;
    std::string body_;
    bool too_long_ = false;
    bool finished_ = false;
  };
  using Found = std::variant<std::unique_ptr<Turn>, KeptAnswerRef>;

  /// Waits while the same call is under way, but no longer than this one may last.
  /// Errors: Conflict (the key stands for another request), Timeout, CallerGone.
  Task<Result<Found>> ask(Call& call, base::Sha256 key, base::Sha256 body);

  IdempotencyCounters counters;

 private:
  struct Wait;
  void post_ask(const base::Sha256& key, const base::Sha256& body, const KeptAnswersLimits& limits,
                const std::shared_ptr<Wait>& wait);
  void post_finish(const base::Sha256& key, KeptAnswerRef answer, const KeptAnswersLimits& limits);
  void show_size();

  net::IoThread& owner_;
  KeptAnswers answers_;  // The owner's.
};

/// Its series on the page of metrics.
void observe(telemetry::Metrics& metrics, const Idempotency& idempotency);

/// For a call that carries the header: its answer is given once more, or what it will be answered is kept. True: it has
/// been answered. Errors: as `Idempotency::ask`; InvalidRequest (the header's value), those of an admission.
Task<Result<bool>> replay_or_begin(Call& call, std::string_view path_model);

}  // namespace turnpike::pipeline
