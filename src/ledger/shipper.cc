#include "ledger/shipper.h"

#include <algorithm>
#include <unordered_map>

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "base/thread_name.h"
#include "journal/replay.h"

namespace turnpike::ledger {
namespace {

constexpr std::size_t kBatchBytesMax = 1024 * 1024;
constexpr std::size_t kLoadBytesMax = 16 * 1024 * 1024;  // Read from the journal at once.
constexpr std::chrono::milliseconds kBackOffFirst{10};
constexpr std::chrono::milliseconds kBackOffMax{2000};

}  // namespace

Shipper::Shipper(db::Database& database, Options options, ReplicaRow replica, journal::Journal* journal,
                 LedgerCounters& counters)
    : database_(database),
      options_(std::move(options)),
      replica_(replica),
      journal_(journal),
      counters_(counters),
      joined_(!options_.joins_later),
      moved_(options_.moved) {
  shipped_no_ = replica.shipped_no;
}

Shipper::~Shipper() {
  stop();
  collect();
}

void Shipper::push(std::unique_ptr<UnshippedEntry> entry) {
  const auto bytes = static_cast<std::int64_t>(entry->payload.size());
  if (queued_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes > options_.queued_bytes_max &&
      entry->in_journal) {
    queued_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
    std::string().swap(entry->payload);  // The journal has it.
  }
  const std::uint64_t waiting = counters_.unshipped.fetch_add(1, std::memory_order_relaxed) + 1;
  const std::int64_t queued_us = entry->queued_us;
  UnshippedEntry* const raw = entry.release();
  UnshippedEntry* head = pushed_.load(std::memory_order_relaxed);
  do {
    raw->next = head;
  } while (!pushed_.compare_exchange_weak(head, raw, std::memory_order_acq_rel, std::memory_order_relaxed));
  // From here on the entry is the shipper's, and may be gone already.
  const bool first = head == nullptr;
  if (first) {
    std::int64_t none = 0;
    counters_.oldest_unshipped_us.compare_exchange_strong(none, queued_us);
  }
  if (!first && waiting % options_.batch_rows != 0) return;
  const std::lock_guard lock(mutex_);
  wanted_ = true;
  if (waiting >= options_.batch_rows) hurry_ = true;
  wake_.notify_one();
}

void Shipper::collect() {
  UnshippedEntry* list = pushed_.exchange(nullptr, std::memory_order_acq_rel);
  if (list == nullptr) return;
  const std::size_t before = collected_.size();
  for (; list != nullptr;) {
    UnshippedEntry* const next = list->next;
    collected_.emplace_back(list);
    list = next;
  }
  // The list runs from new to old; threads finish out of order, but never by much.
  std::reverse(collected_.begin() + static_cast<std::ptrdiff_t>(before), collected_.end());
  const auto by_number = [](const auto& a, const auto& b) { return a->entry_no < b->entry_no; };
  if (!std::is_sorted(collected_.begin(), collected_.end(), by_number)) {
    std::sort(collected_.begin(), collected_.end(), by_number);
  }
}

std::size_t Shipper::dense_prefix() const {
  std::size_t count = 0;
  const std::uint64_t next = shipped_no_.load() + 1;
  while (count < collected_.size() && collected_[count]->entry_no == next + count) ++count;
  return count;
}

/// Reads what was left to the journal, `bytes_max` at most.
Status Shipper::load_payloads(const std::vector<UnshippedEntry*>& entries, std::size_t bytes_max) {
  std::unordered_map<std::uint64_t, UnshippedEntry*> wanted;
  std::uint64_t from = UINT64_MAX, to = 0;
  for (UnshippedEntry* const entry : entries) {
    if (!entry->payload.empty() || !entry->in_journal) continue;
    wanted.emplace(entry->entry_no, entry);
    from = std::min(from, entry->entry_no);
    to = std::max(to, entry->entry_no);
  }
  if (wanted.empty() || journal_ == nullptr) return {};
  const auto segments = journal::list_segments(journal_->directory().path());
  if (!segments) return base::fail(segments.error());
  std::size_t loaded = 0;
  const auto take = [&](std::uint64_t number, std::string_view payload) {
    const auto found = wanted.find(number);
    if (found != wanted.end()) {
      found->second->payload = payload;
      queued_bytes_.fetch_add(static_cast<std::int64_t>(payload.size()), std::memory_order_relaxed);
      loaded += payload.size();
      wanted.erase(found);
    }
    return !wanted.empty() && loaded < bytes_max;
  };
  return journal::read_entries(*segments, from, to, moved_, take);
}

/// The payload of the first entry, and of many behind it. Those that the journal has no more are lost.
Status Shipper::load_ready(std::size_t ready) {
  // Far more than one batch at once: a journal is read from its beginning each time.
  constexpr std::size_t kLoadRowsMax = 20'000;
  std::vector<UnshippedEntry*> entries;
  for (std::size_t i = 0; i < std::min(ready, kLoadRowsMax); ++i) entries.push_back(collected_[i].get());
  if (const Status loaded = load_payloads(entries, kLoadBytesMax); !loaded) return loaded;
  std::size_t lost = 0;
  for (; lost < entries.size() && entries[lost]->payload.empty(); ++lost) entries[lost]->lost = true;
  if (lost > 0) {
    base::log(base::LogLevel::Error, "ledger: entries {} to {} are neither in the database nor in the journal",
              entries[0]->entry_no, entries[lost - 1]->entry_no);
  }
  return {};
}

Status Shipper::ship_one_batch(std::size_t rows) {
  const UnshippedEntry& first = *collected_.front();
  if (first.payload.empty() && !first.lost) {
    if (const Status loaded = load_ready(dense_prefix()); !loaded) return loaded;
  }
  ShipBatch batch;
  batch.replica = replica_;
  batch.first_no = first.entry_no;
  std::size_t bytes = 0;
  std::size_t count = 0;
  for (; count < rows && bytes < kBatchBytesMax; ++count) {
    const UnshippedEntry& entry = *collected_[count];
    if (entry.payload.empty() && !entry.lost) break;
    batch.payloads.push_back(entry.payload);
    bytes += entry.payload.size();
  }
  batch.last_no = batch.first_no + count - 1;
  const auto outcome = ship_batch(database_, batch);
  if (!outcome) return base::fail(outcome.error());
  switch (outcome->kind) {
    case ShipOutcome::Kind::Stored:
      finish_batch(count, *outcome);
      return {};
    case ShipOutcome::Kind::Superseded:
      superseded_ = true;
      return base::fail(ErrorKind::Unavailable, "another gateway has taken this journal over");
    case ShipOutcome::Kind::Forgotten:
      return join_database();
    case ShipOutcome::Kind::Behind:
      break;
  }
  return ship_again(outcome->stored_no);
}

void Shipper::release(std::unique_ptr<UnshippedEntry> entry) {
  queued_bytes_.fetch_sub(static_cast<std::int64_t>(entry->payload.size()), std::memory_order_relaxed);
  if (entry->segment != nullptr) journal::Journal::unpin(entry->segment);
  if (!entry->in_journal) counters_.in_memory.fetch_sub(1, std::memory_order_relaxed);
  counters_.unshipped.fetch_sub(1, std::memory_order_relaxed);
  pool_.give(std::move(entry));
}

void Shipper::note_shipped() {
  if (journal_ == nullptr) return;
  journal_->note_shipped(shipped_no_.load());
  journal::RecordBatch record;
  record.begin(journal::RecordType::Shipped);
  journal::put_u64(record.payload(), shipped_no_.load());
  record.end();
  journal_->append(record, 0);
}

void Shipper::finish_batch(std::size_t rows, const ShipOutcome& outcome) {
  for (std::size_t i = 0; i < rows; ++i) {
    std::unique_ptr<UnshippedEntry> entry = std::move(collected_.front());
    collected_.pop_front();
    shipped_no_.store(entry->entry_no, std::memory_order_release);
    release(std::move(entry));
  }
  counters_.ship_batches.fetch_add(1, std::memory_order_relaxed);
  if (outcome.rejected.count > 0) {
    counters_.rejected_rows.fetch_add(outcome.rejected.count, std::memory_order_relaxed);
    if (options_.rejected) options_.rejected(outcome.rejected);
  }
  for (const BudgetAlert& alert : outcome.alerts) {
    counters_.budget_alerts.fetch_add(1, std::memory_order_relaxed);
    if (options_.alert) options_.alert(alert);
  }
  note_shipped();
}

Status Shipper::ship_ready() {
  if (!joined_) {
    if (Status done = join_database(); !done) return done;
  } else if (to_look_.exchange(false)) {
    if (Status done = look(); !done) {
      to_look_ = true;
      return done;
    }
  }
  for (;;) {
    collect();
    if (const Status compared = compare(); !compared) return compared;
    queue_again();
    const std::size_t ready = dense_prefix();
    if (ready == 0) {
      if (!released_ && journal_ != nullptr) journal_->release_kept();
      released_ = true;
      return {};
    }
    if (const Status shipped = ship_one_batch(std::min(ready, options_.batch_rows)); !shipped) return shipped;
  }
}

Status Shipper::ship_all_now() {
  if (const Status shipped = ship_ready(); !shipped) return shipped;
  note_oldest();
  return {};
}

void Shipper::note_oldest() {
  // Cleared first, then looked again: an entry pushed in between sets it itself or is seen here.
  counters_.oldest_unshipped_us.store(collected_.empty() ? 0 : collected_.front()->queued_us);
  if (pushed_.load() == nullptr || !collected_.empty()) return;
  std::int64_t none = 0;
  counters_.oldest_unshipped_us.compare_exchange_strong(none, base::unix_now_us());
}

void Shipper::start() {
  thread_ = std::thread([this] {
    base::name_background_thread("shipper");
    work();
  });
}

base::Completion Shipper::shipped(base::Executor* executor, std::uint64_t up_to) {
  base::Completion completion(executor);
  if (shipped_no_.load(std::memory_order_acquire) >= up_to) {
    completion.complete();
    return completion;
  }
  const std::lock_guard lock(mutex_);
  waiters_.push_back({up_to, completion});
  wanted_ = true;
  hurry_ = true;
  wake_.notify_one();
  return completion;
}

void Shipper::heard(std::optional<std::uint64_t> stored_no) {
  // What was read before the last commit says less than is true: the shipper looks for itself.
  if ((stored_no && *stored_no >= shipped_no_.load(std::memory_order_acquire)) || to_look_.exchange(true)) return;
  const std::lock_guard lock(mutex_);
  wanted_ = hurry_ = true;
  wake_.notify_one();
}

void Shipper::wake_waiters(bool failed) {
  std::vector<Waiter> done;
  {
    const std::lock_guard lock(mutex_);
    const auto served = [&](const Waiter& waiter) { return failed || shipped_no_.load() >= waiter.up_to; };
    const auto split = std::partition(waiters_.begin(), waiters_.end(), [&](const Waiter& w) { return !served(w); });
    done.assign(std::make_move_iterator(split), std::make_move_iterator(waiters_.end()));
    waiters_.erase(split, waiters_.end());
    // An entry that has its number but is not pushed yet: look again at once.
    if (!waiters_.empty()) wanted_ = hurry_ = true;
  }
  for (const Waiter& waiter : done) waiter.completion.complete();
}

void Shipper::work() {
  base::Random random(static_cast<std::uint64_t>(base::unix_now_us()));
  std::chrono::milliseconds back_off{0};
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (back_off.count() == 0 && collected_.empty()) {
      wake_.wait(lock, [this] { return stopping_ || wanted_; });
      // What arrives in the meantime shares the transaction.
      wake_.wait_for(lock, options_.interval, [this] { return stopping_ || hurry_; });
    } else if (back_off.count() == 0) {
      wake_.wait_for(lock, std::chrono::milliseconds(1),
                     [this] { return stopping_; });  // A number is still on its way.
    } else {
      const auto jitter =
          std::chrono::milliseconds(random.next() % static_cast<std::uint64_t>(back_off.count() / 2 + 1));
      wake_.wait_for(lock, back_off / 2 + jitter, [this] { return stopping_; });
    }
    wanted_ = hurry_ = false;
    lock.unlock();
    const Status shipped = ship_ready();
    note_oldest();
    if (!shipped) {
      if (back_off.count() == 0) {
        base::log(base::LogLevel::Warning, "ledger: shipping waits: {} {}", shipped.error().message,
                  shipped.error().detail);
      }
      counters_.ship_retries.fetch_add(1, std::memory_order_relaxed);
      counters_.ship_retries_by[db::sql_class_of(shipped.error())].fetch_add(1, std::memory_order_relaxed);
      back_off = std::clamp(back_off * 2, kBackOffFirst, kBackOffMax);
    } else {
      back_off = std::chrono::milliseconds(0);
    }
    wake_waiters(!shipped);
    lock.lock();
  }
  lock.unlock();
  wake_waiters(true);
}

bool Shipper::drain(std::chrono::milliseconds patience, std::uint64_t up_to) {
  const base::Monotonic end = base::monotonic_now() + patience;
  while (shipped_no_.load(std::memory_order_acquire) < up_to) {
    if (base::monotonic_now() >= end) return false;
    {
      const std::lock_guard lock(mutex_);
      wanted_ = hurry_ = true;
      wake_.notify_one();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

void Shipper::sign_off() {
  stop();
  if (joined_) (void)retire_replica(database_, replica_);
}

void Shipper::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace turnpike::ledger
