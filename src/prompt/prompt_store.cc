#include "prompt/prompt_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "json/document.h"
#include "json/scan.h"
#include "json/shorten.h"
#include "json/splice.h"
#include "protocol/joined_events.h"
#include "protocol/own_fields.h"

namespace turnpike::prompt {
namespace {

constexpr std::string_view kNothing = "{}";

/// What a request may say of the credentials it is to be made with.
bool is_secret(std::string_view name) {
  static constexpr std::string_view kNames[] = {"api_key",       "authorization", "azure_ad_token",
                                                "client_secret", "extra_headers", "headers",
                                                "password",      "token",         "vertex_credentials"};
  return std::ranges::find(kNames, name) != std::end(kNames) || name.starts_with("aws_") || name.starts_with("azure_");
}

std::string shortened(const json::Document& document, std::size_t string_bytes_max) {
  if (!document.root().is(json::Kind::Object)) return std::string(kNothing);
  std::string text = json::shorten_strings(document, string_bytes_max);
  return text.size() > CallTexts::kBytesMax ? std::string(kNothing) : text;
}

using Batch = std::vector<std::unique_ptr<CallTexts>>;

std::vector<db::Row> rows_of(const Batch& batch, std::size_t string_bytes_max) {
  std::vector<db::Row> rows;
  for (const std::unique_ptr<CallTexts>& texts : batch) {
    rows.push_back({texts->started_us / base::kDayUs, texts->record_id, shown_request(texts->request, string_bytes_max),
                    shown_response(texts->response, string_bytes_max)});
  }
  return rows;
}

Status store(db::Database& database, const std::vector<db::Row>& rows) {
  db::NewRows made;
  made.table = "entry_text";
  made.columns = {"day", "record_id", "request", "response"};
  made.keys = 2;
  made.rows = rows;
  return database.append_now([&made](db::Transaction& transaction) -> Status {
    const auto inserted = transaction.insert_new(made);
    return inserted ? Status() : base::fail(inserted.error());
  });
}

}  // namespace

void CallTexts::add_to_response(std::string_view piece) {
  too_long_ = too_long_ || response.size() + piece.size() > kBytesMax;
  if (too_long_) {
    response = {};
  } else {
    response += piece;
  }
}

std::string shown_request(std::string_view body, std::size_t string_bytes_max) {
  json::Document document;
  json::Scan members;
  if (!document.parse(body) || !json::scan(document, {}, members)) return std::string(kNothing);
  json::Splice edited(body);
  for (const json::Member& member : members.members) {
    if (is_secret(member.key) || protocol::is_own_field(member.key)) edited.remove(members, member);
  }
  const std::string open = edited.to_string();
  json::Document shown;
  return shown.parse(open) ? shortened(shown, string_bytes_max) : std::string(kNothing);
}

std::string shown_response(std::string_view body, std::size_t string_bytes_max) {
  std::string joined;
  if (!body.empty() && body.find_first_not_of(" \t\r\n") != body.find('{')) {
    joined = protocol::join_events(body);
    body = joined;
  }
  json::Document document;
  return document.parse(body) ? shortened(document, string_bytes_max) : std::string(kNothing);
}

Status forget_prompts_before(db::Database& database, std::int64_t first_kept, const std::atomic<bool>* stop) {
  constexpr std::int64_t kRowsAtOnce = 1000;
  for (;;) {
    const base::Monotonic begun = base::monotonic_now();
    std::int64_t gone = 0;
    const Status done = database.append_now([&](db::Transaction& transaction) -> Status {
      const auto deleted = transaction.run(
          "DELETE FROM entry_text WHERE (day, record_id) IN (SELECT day, record_id FROM entry_text WHERE day < $1 "
          "ORDER BY day, record_id LIMIT $2)",
          {first_kept, kRowsAtOnce});
      if (!deleted) return base::fail(deleted.error());
      gone = deleted->changed;
      return {};
    });
    const bool is_stopped = stop != nullptr && stop->load(std::memory_order_relaxed);
    if (!done || gone < kRowsAtOnce || is_stopped) return done;
    std::this_thread::sleep_for(base::monotonic_now() - begun);  // The database has other work.
  }
}

PromptStore::PromptStore(db::Database& database, Options options)
    : database_(database), options_(options), thread_([this] { work(); }) {}

PromptStore::~PromptStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void PromptStore::push(std::unique_ptr<CallTexts> texts) {
  const auto bytes = static_cast<std::int64_t>(texts->bytes());
  if (queued_bytes_.load(std::memory_order_relaxed) + bytes > options_.queued_bytes_max) {
    counters_.dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  queued_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  CallTexts* const node = texts.release();
  CallTexts* newest = pushed_.load(std::memory_order_relaxed);
  do {
    node->next = newest;
  } while (!pushed_.compare_exchange_weak(newest, node, std::memory_order_release, std::memory_order_relaxed));
  if (newest != nullptr) return;  // The thread has been woken for those before.
  const std::lock_guard lock(mutex_);
  wake_.notify_one();
}

/// Until there is something to do. False: the last of it.
bool PromptStore::sleep_until(base::Monotonic forget_at) {
  std::unique_lock lock(mutex_);
  wake_.wait_until(lock, forget_at, [this] { return stopping_ || pushed_.load() != nullptr; });
  // What comes in the meantime shares the transaction.
  wake_.wait_for(lock, options_.interval, [this] { return stopping_.load(); });
  return !stopping_;
}

void PromptStore::work() {
  constexpr std::chrono::hours kForgetEvery{1};
  base::name_background_thread("prompts");
  base::Monotonic forget_at = base::monotonic_now();
  while (sleep_until(forget_at)) {
    store_waiting();
    if (base::monotonic_now() < forget_at) continue;
    forget_at = base::monotonic_now() + kForgetEvery;
    forget_old();
  }
  store_waiting();
}

void PromptStore::store_waiting() {
  constexpr std::size_t kRowsAtOnce = 100;
  constexpr std::size_t kBytesAtOnce = 4 << 20;
  Batch waiting;
  for (CallTexts* node = pushed_.exchange(nullptr, std::memory_order_acquire); node != nullptr;) {
    CallTexts* const next = node->next;
    waiting.emplace_back(node);
    node = next;
  }
  while (!waiting.empty()) {
    Batch batch;  // The oldest stand last.
    std::size_t bytes = 0;
    while (!waiting.empty() && batch.size() < kRowsAtOnce && bytes < kBytesAtOnce) {
      bytes += waiting.back()->bytes();
      batch.push_back(std::move(waiting.back()));
      waiting.pop_back();
    }
    const Status stored = store(database_, rows_of(batch, options_.string_bytes_max));
    (stored ? counters_.stored : counters_.dropped).fetch_add(batch.size(), std::memory_order_relaxed);
    queued_bytes_.fetch_sub(static_cast<std::int64_t>(bytes), std::memory_order_relaxed);
  }
}

void PromptStore::forget_old() {
  const std::int64_t today = base::unix_now_us() / base::kDayUs;
  if (Status done = forget_prompts_before(database_, today - options_.keep_days, &stopping_); !done) {
    base::log(base::LogLevel::Warning, "ledger: old prompts stay for now: {}", done.error().message);
  }
}

void append_prompt_metrics(std::string& out, const PromptCounters& counters) {
  const auto counter = [&out](std::string_view name, std::string_view help, const std::atomic<std::uint64_t>& value) {
    fmt::format_to(std::back_inserter(out), "# HELP {0} {1}\n# TYPE {0} counter\n{0} {2}\n", name, help,
                   value.load(std::memory_order_relaxed));
  };
  counter("turnpike_prompts_stored_total", "Calls whose prompt and answer were stored.", counters.stored);
  counter("turnpike_prompts_dropped_total", "Calls whose prompt and answer were to be stored and were not.",
          counters.dropped);
}

}  // namespace turnpike::prompt
