#include <algorithm>
#include <cstring>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "ledger/shipper.h"
#include "ledger/stored_calls.h"

// The journal against the database, where one of them has lost something: a power cut takes from the journal what was
// shipped, a fail-over or a restored backup takes from the database what it had confirmed. Calls are told by their
// record ids; numbers only by what the database says.

namespace turnpike::ledger {

/// Makes this journal known and learns what the database has of it.
Status Shipper::join_database() {
  Result<ReplicaRow> replica = options_.join();
  if (!replica) {
    if (replica.error().code == kSuperseded) superseded_ = true;
    return base::fail(std::move(replica.error()));
  }
  replica_ = *replica;
  collect();
  const std::uint64_t stored_no = replica_.shipped_no;
  if (stored_no < shipped_no_.load()) {
    if (Status again = ship_again(stored_no); !again) return again;
  } else {
    shipped_no_.store(stored_no, std::memory_order_release);
    while (journal_ != nullptr && journal_->last_entry_no() < stored_no) (void)journal_->next_entry_no();
    if (Status compared = compare(); !compared) return compared;
  }
  joined_ = true;
  base::log(base::LogLevel::Info, "ledger: the database is there; entries go on behind number {}", shipped_no_.load());
  if (options_.joined) options_.joined(replica_);
  return {};
}

/// What the database has now.
Status Shipper::look() {
  const Result<std::optional<ReplicaRow>> known = read_replica(database_, replica_.journal_id);
  if (!known) return base::fail(known.error());
  if (!*known) return join_database();
  const std::uint64_t stored_no = (*known)->shipped_no;
  return stored_no < shipped_no_.load() ? ship_again(stored_no) : Status();
}

/// The database has lost what it once had (a fail-over, a restored backup): it is shipped again from the journal.
Status Shipper::ship_again(std::uint64_t stored_no) {
  const std::uint64_t known_no = shipped_no_.load();
  if (stored_no >= known_no) {  // It was only the commit of this start that is lost.
    shipped_no_.store(stored_no, std::memory_order_release);
    return {};
  }
  base::log(base::LogLevel::Error,
            "ledger: the database has lost entries {} to {}; they are shipped again from the journal", stored_no + 1,
            known_no);
  counters_.unshipped.fetch_add(known_no - stored_no, std::memory_order_relaxed);
  again_to_ = std::max(again_to_, known_no);
  shipped_no_.store(stored_no, std::memory_order_release);
  queue_again();
  return {};
}

/// Queues the next of what is shipped again: not all of it at once, it may be a day's.
void Shipper::queue_again() {
  constexpr std::uint64_t kQueuedMax = 50'000;
  const std::uint64_t next_no = shipped_no_.load() + 1;
  const std::uint64_t front_no = collected_.empty() ? UINT64_MAX : collected_.front()->entry_no;
  const std::uint64_t last_no = std::min({again_to_, next_no + kQueuedMax - 1, front_no - 1});
  for (std::uint64_t number = last_no; number >= next_no; --number) {
    std::unique_ptr<UnshippedEntry> entry = pool_.take();
    entry->entry_no = number;
    entry->in_journal = journal_ != nullptr;
    entry->lost = journal_ == nullptr;
    entry->queued_us = base::unix_now_us();
    collected_.push_front(std::move(entry));
  }
}

bool Shipper::is_doubtful(const UnshippedEntry& entry) const {
  return entry.doubtful || entry.entry_no <= shipped_no_.load(std::memory_order_relaxed);
}

/// Entries whose number the database has given to another call go on under a new one; those it knows are done.
Status Shipper::compare() {
  const bool is_new_number = collected_.empty() || collected_.front()->entry_no > shipped_no_.load();
  if (compared_ && is_new_number) return {};
  std::vector<UnshippedEntry*> doubtful;
  for (const auto& entry : collected_) {
    if (is_doubtful(*entry)) doubtful.push_back(entry.get());
  }
  compared_ = doubtful.empty();
  if (compared_) return {};
  if (const Status loaded = load_payloads(doubtful, SIZE_MAX); !loaded) return loaded;
  std::vector<std::string_view> payloads;
  for (const UnshippedEntry* const entry : doubtful) payloads.emplace_back(entry->payload);
  const auto known = find_stored(database_, replica_.replica_no, payloads);
  if (!known) return base::fail(known.error());
  const std::uint64_t stored_no = shipped_no_.load();
  for (std::size_t i = 0; i < doubtful.size(); ++i) {
    if (Status settled = settle_doubt(*doubtful[i], (*known)[i], stored_no); !settled) return settled;
  }
  const std::size_t before = collected_.size();
  std::deque<std::unique_ptr<UnshippedEntry>> left;
  for (std::unique_ptr<UnshippedEntry>& entry : collected_) {
    if (entry->entry_no <= stored_no) {
      release(std::move(entry));
    } else {
      left.push_back(std::move(entry));
    }
  }
  collected_ = std::move(left);
  std::ranges::sort(collected_, {}, [](const auto& entry) { return entry->entry_no; });
  if (collected_.size() < before) note_shipped();
  compared_ = true;
  return {};
}

/// `known_no`: the number under which the database has the call; 0: it has not.
Status Shipper::settle_doubt(UnshippedEntry& entry, std::uint64_t known_no, std::uint64_t stored_no) {
  const bool is_closing = std::exchange(entry.doubtful, false);
  const auto id = journal::entry_id_of(entry.payload);
  const bool number_is_taken = entry.entry_no <= stored_no;
  if (!id || journal_ == nullptr) return {};
  if (known_no == entry.entry_no) {
    if (is_closing && number_is_taken) note_moved(*id);  // How the call really ended only the database knows.
    return {};
  }
  if (known_no != 0 || (id->hold_id == 0 && number_is_taken)) {
    if (number_is_taken) {
      note_moved(*id);
      return {};
    }
    // The call is stored; its number stays, and is nobody's.
    journal::EntryRow row = journal::nobodys_row(entry.entry_no, base::unix_now_us());
    queued_bytes_.fetch_sub(static_cast<std::int64_t>(entry.payload.size()), std::memory_order_relaxed);
    entry.payload.clear();
    journal::encode_row(row, entry.payload);
    queued_bytes_.fetch_add(static_cast<std::int64_t>(entry.payload.size()), std::memory_order_relaxed);
    write_again(entry, *id);
  } else if (number_is_taken) {
    do entry.entry_no = journal_->next_entry_no();
    while (entry.entry_no <= stored_no);
    std::memcpy(entry.payload.data(), &entry.entry_no, sizeof entry.entry_no);
    write_again(entry, *id);
  }
  return {};
}

/// The entry as it is now, in place of that one.
void Shipper::write_again(UnshippedEntry& entry, journal::EntryId moved) {
  moved_.insert(moved);
  journal::RecordBatch records;
  records.begin(journal::RecordType::Moved);
  journal::put_moved(records.payload(), moved);
  records.end();
  records.begin(journal::RecordType::Entry);
  records.payload() += entry.payload;
  records.end();
  journal::Segment* const segment = journal_->append(records, 1);
  if (entry.segment != nullptr) journal::Journal::unpin(entry.segment);
  entry.segment = segment;
  const bool in_journal = segment != nullptr;
  counters_.in_memory.fetch_add(static_cast<int>(entry.in_journal) - static_cast<int>(in_journal));
  entry.in_journal = in_journal;
}

void Shipper::note_moved(journal::EntryId moved) {
  moved_.insert(moved);
  journal::RecordBatch record;
  record.begin(journal::RecordType::Moved);
  journal::put_moved(record.payload(), moved);
  record.end();
  journal_->append(record, 0);
}

}  // namespace turnpike::ledger
