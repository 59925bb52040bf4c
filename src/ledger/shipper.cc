#include "ledger/shipper.h"

#include <algorithm>
#include <cstring>
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
      joined_(!options_.join) {
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

Status Shipper::load_payloads(std::size_t rows) {
  std::unordered_map<std::uint64_t, UnshippedEntry*> wanted;
  std::uint64_t from = UINT64_MAX, to = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    UnshippedEntry& entry = *collected_[i];
    if (!entry.payload.empty() || !entry.in_journal) continue;
    wanted.emplace(entry.entry_no, &entry);
    from = std::min(from, entry.entry_no);
    to = std::max(to, entry.entry_no);
  }
  if (wanted.empty()) return {};
  const auto segments = journal::list_segments(journal_->directory().path());
  if (!segments) return base::fail(segments.error());
  std::size_t loaded = 0;
  return journal::read_entries(*segments, from, to, [&](std::uint64_t number, std::string_view payload) {
    const auto found = wanted.find(number);
    if (found != wanted.end()) {
      found->second->payload = payload;
      queued_bytes_.fetch_add(static_cast<std::int64_t>(payload.size()), std::memory_order_relaxed);
      loaded += payload.size();
      wanted.erase(found);
    }
    return !wanted.empty() && loaded < kLoadBytesMax;
  });
}

Status Shipper::ship_one_batch(std::size_t rows) {
  if (collected_.front()->payload.empty()) {
    // Far more than one batch at once: a journal is read from its beginning each time.
    constexpr std::size_t kLoadRowsMax = 20'000;
    if (const Status loaded = load_payloads(std::min(dense_prefix(), kLoadRowsMax)); !loaded) return loaded;
  }
  ShipBatch batch;
  batch.replica_no = replica_.replica_no;
  batch.epoch = replica_.epoch;
  batch.first_no = collected_.front()->entry_no;
  std::size_t bytes = 0;
  std::size_t count = 0;
  for (; count < rows && bytes < kBatchBytesMax; ++count) {
    const UnshippedEntry& entry = *collected_[count];
    if (entry.payload.empty() && count > 0) break;
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
    case ShipOutcome::Kind::Behind:
      break;
  }
  return ship_again(outcome->stored_no);
}

/// The database has lost what it once had (a fail-over, a restored backup): it is shipped again from the journal.
Status Shipper::ship_again(std::uint64_t stored_no) {
  if (journal_ == nullptr) {
    return base::fail(ErrorKind::Unavailable,
                      "the database has lost entries it once had, and there is no journal to ship them from");
  }
  const std::uint64_t first_no = collected_.front()->entry_no;
  base::log(base::LogLevel::Error,
            "ledger: the database has lost entries {} to {}; they are shipped again from the journal", stored_no + 1,
            first_no - 1);
  shipped_no_.store(stored_no, std::memory_order_release);
  for (std::uint64_t number = first_no - 1; number > stored_no; --number) {
    std::unique_ptr<UnshippedEntry> entry = pool_.take();
    entry->entry_no = number;
    entry->in_journal = true;
    entry->queued_us = base::unix_now_us();
    collected_.push_front(std::move(entry));
    counters_.unshipped.fetch_add(1, std::memory_order_relaxed);
  }
  return {};
}

void Shipper::finish_batch(std::size_t rows, const ShipOutcome& outcome) {
  for (std::size_t i = 0; i < rows; ++i) {
    std::unique_ptr<UnshippedEntry> entry = std::move(collected_.front());
    collected_.pop_front();
    shipped_no_.store(entry->entry_no, std::memory_order_release);
    queued_bytes_.fetch_sub(static_cast<std::int64_t>(entry->payload.size()), std::memory_order_relaxed);
    if (entry->segment != nullptr) journal::Journal::unpin(entry->segment);
    if (!entry->in_journal) counters_.in_memory.fetch_sub(1, std::memory_order_relaxed);
    pool_.give(std::move(entry));
  }
  counters_.unshipped.fetch_sub(rows, std::memory_order_relaxed);
  counters_.ship_batches.fetch_add(1, std::memory_order_relaxed);
  counters_.rejected_rows.fetch_add(outcome.rejected, std::memory_order_relaxed);
  for (const BudgetAlert& alert : outcome.alerts) {
    counters_.budget_alerts.fetch_add(1, std::memory_order_relaxed);
    if (options_.alert) options_.alert(alert);
  }
  if (journal_ == nullptr) return;
  journal_->note_shipped(shipped_no_.load());
  journal::RecordBatch record;
  record.begin(journal::RecordType::Shipped);
  journal::put_u64(record.payload(), shipped_no_.load());
  record.end();
  journal_->append(record, 0);
}

/// What this run gave numbers that the database knows already, from entries which a power cut took from the journal:
/// each gets a new number, and stands in the journal again under it.
Status Shipper::number_anew() {
  if (taken_no_ == 0) return {};
  const auto first = std::ranges::find_if(collected_, [&](const auto& entry) {
    return entry->entry_no > options_.last_no && entry->entry_no <= taken_no_;
  });
  const auto end =
      std::find_if(first, collected_.end(), [&](const auto& entry) { return entry->entry_no > taken_no_; });
  if (first == end) return {};
  if (const Status loaded = load_payloads(static_cast<std::size_t>(end - collected_.begin())); !loaded) return loaded;
  for (auto at = first; at != end; ++at) {
    UnshippedEntry& entry = **at;
    if (entry.payload.size() < sizeof entry.entry_no) {
      return base::fail(ErrorKind::Internal, "the journal has lost an entry that is to be shipped");
    }
    do entry.entry_no = journal_->next_entry_no();
    while (entry.entry_no <= taken_no_);
    std::memcpy(entry.payload.data(), &entry.entry_no, sizeof entry.entry_no);
    journal::RecordBatch record;
    record.begin(journal::RecordType::Entry);
    record.payload() += entry.payload;
    record.end();
    journal::Segment* const segment = journal_->append(record, 1);
    if (entry.segment != nullptr) journal::Journal::unpin(entry.segment);
    entry.segment = segment;
    const bool in_journal = segment != nullptr;
    counters_.in_memory.fetch_add(static_cast<int>(entry.in_journal) - static_cast<int>(in_journal));
    entry.in_journal = in_journal;
  }
  std::ranges::sort(collected_, {}, [](const auto& entry) { return entry->entry_no; });
  return {};
}

/// The database says what it has: more than the journal knew of, when the note of the last shipping was lost.
Status Shipper::join_database() {
  Result<ReplicaRow> replica = options_.join();
  if (!replica) {
    if (replica.error().code == kSuperseded) superseded_ = true;
    return base::fail(std::move(replica.error()));
  }
  replica_ = *replica;
  joined_ = true;
  collect();
  std::size_t stored = 0;
  const std::uint64_t stored_no = std::min(replica_.shipped_no, options_.last_no);
  while (stored < collected_.size() && collected_[stored]->entry_no <= stored_no) ++stored;
  if (stored > 0) finish_batch(stored, {});
  if (journal_ != nullptr && replica_.shipped_no > options_.last_no) {
    taken_no_ = replica_.shipped_no;
    shipped_no_.store(taken_no_, std::memory_order_release);
    while (journal_->last_entry_no() < taken_no_) (void)journal_->next_entry_no();
  }
  base::log(base::LogLevel::Info, "ledger: the database is there; entries go on behind number {}", shipped_no_.load());
  return {};
}

Status Shipper::ship_ready() {
  if (!joined_) {
    if (Status done = join_database(); !done) return done;
  }
  for (;;) {
    collect();
    if (const Status numbered = number_anew(); !numbered) return numbered;
    const std::size_t ready = dense_prefix();
    if (ready == 0) {
      if (options_.join && !released_ && journal_ != nullptr) journal_->release_kept();
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
        base::log(base::LogLevel::Warning, "ledger: shipping waits: {}", shipped.error().message);
      }
      counters_.ship_retries.fetch_add(1, std::memory_order_relaxed);
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
