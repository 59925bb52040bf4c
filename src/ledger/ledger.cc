#include "ledger/ledger.h"

#include <algorithm>
#include <set>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "journal/replay.h"
#include "ledger/ledger_impl.h"
#include "ledger/stored_calls.h"
#include "net/io_threads.h"

namespace turnpike::ledger {
namespace {

constexpr std::chrono::seconds kJournalFullRetry{5};
constexpr std::chrono::seconds kGiveBackMax{2};

std::uint64_t new_id_bits() {
  std::uint64_t bits = 0;
  base::fill_random(&bits, sizeof bits);
  return bits;
}

bool names_one(const journal::AccountPairs& accounts, const std::set<std::int64_t>& of) {
  for (std::size_t i = 0; i < accounts.count; ++i) {
    if (of.contains(accounts.values[2 * i])) return true;
  }
  return false;
}

}  // namespace

Error journal_full() {
  Error error;
  error.kind = ErrorKind::Unavailable;
  error.code = "journal_full";
  error.message = "The gateway cannot write its journal (disk full?) and admits no new calls.";
  error.retry_after = kJournalFullRetry;
  return error;
}

std::string LedgerImpl::new_instance_text() {
  return base::make_id(static_cast<std::uint64_t>(base::unix_now_us() / 1000), new_id_bits(), new_id_bits())
      .to_string();
}

std::uint64_t LedgerImpl::next_instance() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

Result<std::unique_ptr<Ledger>> Ledger::open(LedgerOptions options, db::Database& database) {
  auto ledger = std::make_unique<LedgerImpl>(std::move(options), database);
  if (const Status started = ledger->start(); !started) return base::fail(started.error());
  return ledger;
}

std::unique_ptr<Shipper> LedgerImpl::make_shipper(const ReplicaRow& replica, bool joins_later,
                                                  std::set<journal::EntryId> moved) {
  Shipper::Options ship;
  ship.interval = options_.ship_interval;
  ship.queued_bytes_max = options_.ship_queue_bytes_max;
  ship.batch_rows = std::max<std::size_t>(options_.ship_batch_rows, 1);
  ship.join = [this, id = replica.journal_id, epoch = replica.epoch] { return join(id, epoch); };
  ship.joined = [this](const ReplicaRow& joined) {
    if (leases_) leases_->start(joined.replica_no);
  };
  ship.joins_later = joins_later;
  ship.alert = options_.alert;
  ship.rejected = options_.rejected;
  ship.moved = std::move(moved);
  return std::make_unique<Shipper>(database_, std::move(ship), replica, journal_.get(), counters_);
}

/// Finds the journal's row and registers this start.
Result<ReplicaRow> LedgerImpl::join(const std::string& journal_id, std::uint64_t epoch) {
  Result<ReplicaRow> replica = find_replica(database_, journal_id, options_.host, options_.version);
  if (!replica) return replica;
  replica->epoch = epoch;
  if (Status known = register_epoch(database_, *replica, options_.host, options_.version, instance_text_); !known) {
    return base::fail(std::move(known.error()));
  }
  return replica;
}

std::unique_ptr<Leases> LedgerImpl::make_leases(std::uint64_t epoch, const std::string& journal_id) {
  Leases::Options leases;
  leases.terms = options_.lease;
  leases.epoch = static_cast<std::int64_t>(epoch);
  leases.journal_id = journal_id;
  leases.stored = [this](std::optional<std::uint64_t> stored_no) { shipper_->heard(stored_no); };
  leases.dead_after = options_.lease_dead_after;
  leases.reclaims = !options_.strict;
  leases.unshipped = [this](std::uint64_t shipped_no) { return unshipped_costs(shipped_no); };
  return std::make_unique<Leases>(database_, std::move(leases), counters_, clock_);
}

/// What calls of the processes before have cost their leases and the database does not know yet.
std::map<lease::LeaseKey, std::int64_t> LedgerImpl::unshipped_costs(std::uint64_t shipped_no) const {
  std::map<lease::LeaseKey, std::int64_t> costs;
  if (!journal_) return costs;
  const auto add = [&](std::uint64_t, std::string_view payload) {
    const std::optional<journal::EntryRow> row = journal::decode_row(payload);
    if (!row || journal::Journal::epoch_of_hold(row->numbers.hold_id) == journal_->epoch()) return true;
    for (std::size_t i = 0; i < row->accounts.count; ++i) {
      const auto* const pair = &row->accounts.values[2 * i];
      if (row->accounts.is_covered(i)) costs[{pair[0], pair[1]}] += row->booked_on(i);
    }
    return true;
  };
  const auto read = [&]() -> Status {
    const auto segments = journal::list_segments(journal_->directory().path());
    if (!segments) return base::fail(segments.error());
    const auto moved = journal::read_moved(*segments);
    if (!moved) return base::fail(moved.error());
    return journal::read_entries(*segments, shipped_no + 1, UINT64_MAX, *moved, add);
  };
  if (const Status done = read(); !done)
    base::log(base::LogLevel::Error, "leases: the journal cannot be read: {}", done.error().message);
  return costs;
}

bool LedgerImpl::joins_later(const Error& error) const {
  return options_.database_may_be_away && error.kind == ErrorKind::Unavailable && error.code != kSuperseded;
}

Status LedgerImpl::start_without_journal() {
  const std::string id = "none-" + instance_text_;
  if (options_.is_shared) leases_ = make_leases(1, id);
  const Result<ReplicaRow> replica = join(id, 1);
  if (!replica && !joins_later(replica.error())) return base::fail(replica.error());
  shipper_ = make_shipper(replica.value_or(ReplicaRow{0, 1, 0, id}), !replica);
  if (replica && leases_) leases_->start(replica->replica_no);
  shipper_->start();
  return {};
}

/// What the segments say. `away`: what they know of the database must do.
Result<journal::Replay> LedgerImpl::read_journal(ReplicaRow& replica, bool away) const {
  auto replay = journal::replay_journal(options_.journal_dir);
  if (replay && away) replica.shipped_no = replay->shipped_no;
  // The database has lost what it once had: more is needed than what was open.
  if (replay && replica.shipped_no < replay->shipped_no) replay = journal::replay_journal(options_.journal_dir, true);
  if (!replay) return replay;
  for (const auto& [from, to] : replay->gaps) {
    base::log(base::LogLevel::Error, "journal_gap: records {} to {} of {} are missing", from, to, options_.journal_dir);
  }
  for (const std::string& file : replay->damaged_files) {
    base::log(base::LogLevel::Error, "journal_gap: {} is damaged; what can be read of it is in force, the file is kept",
              file);
  }
  return replay;
}

Status LedgerImpl::open_journal(journal::JournalDirectory directory, const journal::Replay& replay,
                                const ReplicaRow& replica) {
  journal::JournalOptions journal_options;
  journal_options.directory = options_.journal_dir;
  journal_options.segment_bytes = options_.segment_bytes;
  journal_options.sync_interval = options_.sync_interval;
  journal_options.keep = options_.keep;
  journal_options.serve_when_full = options_.serve_when_full;
  journal_options.disk = options_.durability == Durability::Disk;
  journal_options.version = options_.version;
  const std::uint64_t last_entry = std::max(replay.max_entry_no, replica.shipped_no);
  auto journal = journal::Journal::open(std::move(journal_options), std::move(directory), replay.max_sequence + 1,
                                        replay.last_number + 1, last_entry + 1, replay.segments);
  if (!journal) return base::fail(journal.error());
  journal_ = std::move(*journal);
  journal_->note_shipped(replica.shipped_no);
  journal::RecordBatch start;
  start.begin(journal::RecordType::Start);
  journal::put_u64(start.payload(), replica.epoch);
  journal::put_text(start.payload(), options_.version);
  start.end();
  if (journal_->append(start, 0) != nullptr) return {};
  return base::fail(ErrorKind::Unavailable, "cannot write the journal in " + options_.journal_dir);
}

Status LedgerImpl::start() {
  if (options_.journal_off) return start_without_journal();
  auto directory = journal::JournalDirectory::take(options_.journal_dir);
  if (!directory) return base::fail(directory.error());
  const std::string journal_id = directory->journal_id_text();
  auto replica = find_replica(database_, journal_id, options_.host, options_.version);
  bool away = !replica && joins_later(replica.error());
  if (!replica && !away) return base::fail(replica.error());
  if (away) replica = ReplicaRow{0, 0, 0, journal_id};
  auto replay = read_journal(*replica, away);
  if (!replay) return base::fail(replay.error());
  for (const std::string& file : replay->unused_files) ::unlink(file.c_str());

  if (const Status begun = directory->begin_epoch(std::max(replay->last_epoch, replica->epoch)); !begun) return begun;
  replica->epoch = directory->epoch();
  if (!away) {
    const Status known = register_epoch(database_, *replica, options_.host, options_.version, instance_text_);
    away = !known && joins_later(known.error());  // It has gone since.
    if (!known && !away) return known;
  }
  // Before the first answer to what `leases_` asks: what is closed now is booked by ledger time as well.
  if (!away && options_.is_shared) {
    const Status heard = hear_clock(database_, clock_);
    if (!heard && !joins_later(heard.error())) return heard;
  }
  if (Status opened = open_journal(std::move(*directory), *replay, *replica); !opened) return opened;
  if (options_.is_shared) leases_ = make_leases(replica->epoch, journal_id);
  shipper_ = make_shipper(*replica, away, replay->moved);
  ship_earlier(*replay, std::min(replica->shipped_no, replay->shipped_no) + 1);
  if (Status closed = close_holds(*replay, *replica, away); !closed) return closed;
  if (!away) {
    const Status shipped = shipper_->ship_all_now();
    if (!shipped && !joins_later(shipped.error())) return shipped;  // Else it is tried again and again.
    if (leases_) leases_->start(replica->replica_no);
  }
  if (!replay->open_holds.empty()) {
    base::log(base::LogLevel::Warning,
              "ledger: {} calls were running when the gateway ended; they are booked as interrupted",
              replay->open_holds.size());
  }
  shipper_->start();
  return {};
}

/// Entries of the runs before that are not noted as shipped.
void LedgerImpl::ship_earlier(const journal::Replay& replay, std::uint64_t from_no) {
  const std::set<std::uint64_t> missing(replay.missing_entry_nos.begin(), replay.missing_entry_nos.end());
  const std::set<std::uint64_t> closed_at_start(replay.interrupted_nos.begin(), replay.interrupted_nos.end());
  for (std::uint64_t number = from_no; number <= replay.max_entry_no; ++number) {
    if (missing.contains(number)) continue;
    std::unique_ptr<UnshippedEntry> entry = shipper_->new_entry();
    entry->entry_no = number;
    entry->in_journal = true;
    entry->doubtful = closed_at_start.contains(number);
    entry->queued_us = base::unix_now_us();
    shipper_->push(std::move(entry));
  }
}

void LedgerImpl::close_with(const journal::EntryRow& row, bool doubtful) {
  journal::RecordBatch record;
  record.begin(journal::RecordType::Entry);
  journal::encode_row(row, record.payload());
  std::unique_ptr<UnshippedEntry> entry = shipper_->new_entry();
  entry->payload = record.bytes().substr(journal::kRecordHeaderBytes);
  record.end();
  entry->entry_no = row.numbers.entry_no;
  entry->segment = journal_->append(record, 1);
  entry->in_journal = entry->segment != nullptr;
  entry->doubtful = doubtful;
  entry->queued_us = base::unix_now_us();
  shipper_->push(std::move(entry));
  fault::kill_at("replay.mid_close");
}

/// Ends what a crash left open, and gives every number that is missing an entry. Numbers whose ENTRY never reached the
/// file go to the calls that were being settled then; but not while the database is away, which may know them as the
/// entries that a power cut took from the journal.
Status LedgerImpl::close_holds(journal::Replay& replay, const ReplicaRow& replica, bool away) {
  // Entries that the database has and the journal has not, because a power cut took them or a full disk had no room for
  // them: their calls are not open.
  const std::uint64_t journaled_no = replay.first_hole_no != 0 ? replay.first_hole_no - 1 : replay.max_entry_no;
  if (!away && replica.shipped_no > journaled_no) {
    const Status known = forget_stored(database_, replica.replica_no, journaled_no, replay.open_holds);
    if (!known) return known;
  }
  std::set<std::int64_t> strict;  // While the database is away only budget_mode is known.
  if (!away && !replay.open_holds.empty()) {
    Result<std::set<std::int64_t>> found = find_strict(database_, replay.open_holds);
    if (!found && !joins_later(found.error())) return base::fail(std::move(found.error()));
    if (found) strict = std::move(*found);
  }
  const std::set<std::uint64_t> missing(replay.missing_entry_nos.begin(), replay.missing_entry_nos.end());
  auto next_missing = missing.upper_bound(replica.shipped_no);
  const std::int64_t now_us = clock_.now_us();
  for (const journal::OpenHold& open : replay.open_holds) {
    const bool takes_missing = !away && next_missing != missing.end();
    const std::uint64_t number = takes_missing ? *next_missing++ : journal_->next_entry_no();
    std::string record_id;
    const bool is_strict = options_.strict || names_one(open.facts.accounts, strict);
    const std::int64_t ended_us = std::max(now_us, open.facts.started_us);  // This machine's clock may be behind.
    close_with(journal::closing_row(open, number, ended_us, is_strict, record_id), away);
    counters_.interrupted_at_start.fetch_add(1, std::memory_order_relaxed);
  }
  // A call that ended before it held anything, or damage.
  for (; next_missing != missing.end(); ++next_missing) close_with(journal::nobodys_row(*next_missing, now_us), false);
  return {};
}

LedgerImpl::~LedgerImpl() {
  close(std::chrono::milliseconds(0));
}

void LedgerImpl::close(std::chrono::milliseconds patience) {
  if (closed_ || !shipper_) return;
  closed_ = true;
  closing_ = true;
  const bool all_shipped = shipper_->drain(patience, last_entry_no());
  if (leases_) {
    const bool given_back = leases_->give_back(std::min<std::chrono::milliseconds>(patience, kGiveBackMax));
    leases_->stop();
    if (given_back && all_shipped) shipper_->sign_off();
  }
  shipper_->stop();
  if (!journal_) {
    if (!all_shipped)
      base::log(base::LogLevel::Error,
                "ledger: entries are lost: the database did not take them and there is no journal");
    return;
  }
  if (journal_->open_holds.load() == 0) {
    journal::RecordBatch stop;
    stop.begin(journal::RecordType::Stop);
    journal::put_u64(stop.payload(), journal_->epoch());
    stop.end();
    journal_->append(stop, 0);
  }
  journal_->close();
}

std::uint64_t LedgerImpl::next_entry_no() {
  return journal_ ? journal_->next_entry_no() : entry_no_.fetch_add(1, std::memory_order_acq_rel) + 1;
}
std::uint64_t LedgerImpl::last_entry_no() const {
  return journal_ ? journal_->last_entry_no() : entry_no_.load();
}

Task<void> LedgerImpl::shipped() {
  const base::Completion completion = shipper_->shipped(net::current_io_thread(), last_entry_no());
  co_await completion;
}

Task<void> LedgerImpl::durable() {
  if (options_.durability != Durability::Disk || !journal_ || unsafe()) co_return;
  const base::Completion completion = journal_->synced(net::current_io_thread());
  co_await completion;
}

const LedgerCounters& LedgerImpl::counters() const {
  if (journal_) {
    counters_.journal_bytes.store(journal_->bytes_written.load(std::memory_order_relaxed), std::memory_order_relaxed);
    counters_.oldest_unsynced_us.store(journal_->oldest_unsynced_us.load(), std::memory_order_relaxed);
  }
  const bool full = journal_ && options_.serve_when_full && !journal_->has_room();
  counters_.unsafe.store(full || unsafe() || counters_.in_memory.load() > 0, std::memory_order_relaxed);
  return counters_;
}

bool LedgerImpl::has_room() const {
  const bool in_memory = counters_.in_memory.load(std::memory_order_relaxed) > 0;
  if (journal_ && journal_->has_room() && !(in_memory && shipper_->overfull())) return true;
  return (!journal_ || options_.serve_when_full) && !shipper_->overfull();
}

bool LedgerImpl::unsafe() const {
  return !journal_ || (options_.serve_when_full && !journal_->has_room(0));
}

std::string LedgerImpl::readiness() const {
  if (!has_room()) {
    return journal_ ? "journal_full: there is no room in " + options_.journal_dir
                    : "journal_full: the database takes no entries and there is no journal";
  }
  if (shipper_->superseded()) return "another gateway has taken this journal over";
  return {};
}

}  // namespace turnpike::ledger
