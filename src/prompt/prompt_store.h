#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "base/result.h"
#include "db/database.h"

namespace turnpike::prompt {

/// What a call asked for and what it was answered.
struct CallTexts {
  /// Of either; longer ones are left out whole.
  static constexpr std::size_t kBytesMax = 1 << 20;

  CallTexts* next = nullptr;
  std::string record_id;
  std::int64_t started_us = 0;
  std::string request;   // As the caller sent it; empty: too long.
  std::string response;  // JSON, or the events of a stream; empty: there was none, or it was too long.

  void set_request(std::string_view body) { request = body.size() <= kBytesMax ? body : std::string_view(); }
  void add_to_response(std::string_view piece);
  std::size_t bytes() const { return sizeof(CallTexts) + request.capacity() + response.capacity(); }

 private:
  bool too_long_ = false;
};

struct PromptCounters {
  std::atomic<std::uint64_t> stored{0};
  std::atomic<std::uint64_t> dropped{0};  // For want of room, of time before an end, or of a database.
};

/// Keeps prompts and answers beside the entries of the ledger (spec money 6, `entry_text`), for as long as they may be
/// kept. Entries never wait for them, and they do not pass through the journal: what cannot be stored is dropped.
///
/// Threading: `push` from any thread, without lock but to wake the thread of its own that writes and forgets: once per
///            `interval`. Where nothing is pushed that thread wakes once an hour, to forget.
/// Limits:    `queued_bytes_max` wait in memory; more is dropped. Strings longer than `string_bytes_max` are cut, texts
///            that are longer than `CallTexts::kBytesMax` then are left out.
class PromptStore {
 public:
  struct Options {
    std::size_t string_bytes_max = 2048;
    std::int64_t queued_bytes_max = 64 << 20;
    std::chrono::milliseconds interval{200};
    std::int64_t keep_days = 30;
  };
  PromptStore(db::Database& database, Options options);
  /// Stores what waits, once.
  ~PromptStore();

  void push(std::unique_ptr<CallTexts> texts);
  const PromptCounters& counters() const { return counters_; }

 private:
  void work();
  void store_waiting();
  void forget_old();
  bool sleep_until(base::Monotonic forget_at);

  db::Database& database_;
  const Options options_;
  PromptCounters counters_;
  std::atomic<CallTexts*> pushed_{nullptr};  // Newest first.
  std::atomic<std::int64_t> queued_bytes_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

/// A caller's request as it may be shown: without fields that carry secrets or speak to the gateway alone, long strings
/// cut. "{}" when it is no JSON object.
std::string shown_request(std::string_view body, std::size_t string_bytes_max);
/// An answer as it may be shown: events joined into one, long strings cut. "{}" when it is no JSON object.
std::string shown_response(std::string_view body, std::size_t string_bytes_max);

/// Takes away the texts of days before `first_kept` (unix day, UTC), some at a time; ends early when `stop` is set.
/// Errors: those of the database.
Status forget_prompts_before(db::Database& database, std::int64_t first_kept, const std::atomic<bool>* stop = nullptr);

/// Their series on the page of metrics, in Prometheus' text format.
void append_prompt_metrics(std::string& out, const PromptCounters& counters);

}  // namespace turnpike::prompt
