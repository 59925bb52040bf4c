#include "journal/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>

#include "base/clock.h"
#include "base/fault.h"
#include "base/id.h"
#include "base/log.h"
#include "base/thread_name.h"

namespace turnpike::journal {
namespace {

constexpr std::uint64_t kReservePerHoldBytes = 4096;
constexpr std::chrono::milliseconds kIdleLook{1000};
constexpr std::chrono::milliseconds kDiskLinger{1};
constexpr std::size_t kRetiredMin = 64;  // Newest deleted segments whose small objects are kept for late readers.
constexpr int kSyncFailuresMax = 2;      // In a row: then as if the disk were full.

std::string errno_text() {
  return std::generic_category().message(errno);
}

bool write_whole(int descriptor, std::string_view bytes, std::uint64_t at) {
  if (fault::at("journal.enospc")) {
    errno = ENOSPC;
    return false;
  }
  if (fault::at("journal.short_write")) {
    bytes = bytes.substr(0, bytes.size() / 2);
    (void)!::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(at));
    errno = ENOSPC;
    return false;
  }
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    if (written == 0) {
      errno = ENOSPC;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
    at += static_cast<std::uint64_t>(written);
  }
  return true;
}

}  // namespace

Journal::Journal(JournalOptions options, JournalDirectory directory)
    : options_(std::move(options)), directory_(std::move(directory)) {
  base::fill_random(instance_.data(), instance_.size());
}

Journal::~Journal() {
  close();
}

Result<std::unique_ptr<Journal>> Journal::open(JournalOptions options, JournalDirectory directory,
                                               std::uint64_t next_sequence, std::uint64_t next_segment,
                                               std::uint64_t next_entry, std::vector<KeptSegment> kept) {
  std::unique_ptr<Journal> journal(new Journal(std::move(options), std::move(directory)));
  journal->sequence_ = next_sequence;
  journal->entry_no_ = next_entry - 1;
  journal->hold_id_ = journal->directory_.epoch() << kHoldIdEpochShift;
  journal->next_segment_ = next_segment;
  for (const KeptSegment& old : kept) {
    auto segment = std::make_unique<Segment>();
    segment->number = old.number;
    segment->path = old.path;
    segment->closed_us = old.modified_us;
    segment->pins = 1;  // Until `release_kept`.
    journal->segments_.push_back(std::move(segment));
  }
  std::unique_ptr<Segment> first = journal->make_segment();
  if (!first || !journal->start_segment(*first)) {
    return base::fail(ErrorKind::Unavailable,
                      "cannot write the journal in " + journal->directory_.path() + ": " + errno_text() +
                          "; make room, or start with --no-journal and give up what a crash would lose");
  }
  journal->current_ = first.get();
  journal->segments_.push_back(std::move(first));
  journal->wanted_ = true;
  journal->thread_ = std::thread([raw = journal.get()] { raw->keep_house(); });
  return journal;
}

std::unique_ptr<Segment> Journal::make_segment() {
  if (fault::at("journal.no_spare")) {
    errno = ENOSPC;
    return nullptr;
  }
  auto segment = std::make_unique<Segment>();
  segment->number = next_segment_;
  segment->path = directory_.segment_path(segment->number);
  segment->size = options_.segment_bytes;
  segment->descriptor = ::open(segment->path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (segment->descriptor < 0) return nullptr;
  const int allocated = ::posix_fallocate(segment->descriptor, 0, static_cast<off_t>(segment->size));
  if (allocated != 0 || !directory_.sync()) {
    ::close(segment->descriptor);
    ::unlink(segment->path.c_str());
    errno = allocated != 0 ? allocated : errno;
    return nullptr;
  }
  ++next_segment_;
  return segment;
}

bool Journal::start_segment(Segment& segment) {
  SegmentHeader header;
  header.journal_id = directory_.journal_id();
  header.instance = instance_;
  header.number = segment.number;
  header.epoch = directory_.epoch();
  header.first_sequence = sequence_.load();
  header.created_ns = base::unix_now_us() * 1000;
  std::string bytes = encode_header(header);
  segment.crc = header.crc;

  RecordBatch open;
  open.begin(RecordType::Open);
  put_u64(open.payload(), last_entry_no() + 1);
  put_u64(open.payload(), shipped_no_.load());
  put_u64(open.payload(), std::min(first_needed_segment(), segment.number));
  open.end();
  open.seal(segment.crc, sequence_.fetch_add(1), header.created_ns);
  bytes += open.bytes();
  if (fault::at("journal.open_record")) {
    (void)write_whole(segment.descriptor, std::string_view(bytes).substr(0, kSegmentHeaderBytes + 20), 0);
    fault::die();
  }
  if (!write_whole(segment.descriptor, bytes, 0)) return false;
  segment.reserved = bytes.size();
  segment.dirty = true;
  return true;
}

std::uint64_t Journal::first_needed_segment() const {
  for (const auto& segment : segments_) {
    if (segment->pins.load(std::memory_order_acquire) > 0) return segment->number;
  }
  return UINT64_MAX;
}

bool Journal::has_room(std::int64_t more) const {
  if (sync_failures_.load(std::memory_order_relaxed) >= kSyncFailuresMax) return false;
  if (spare_ready_.load(std::memory_order_relaxed)) return true;
  const Segment& segment = *current_.load(std::memory_order_acquire);
  const auto calls = static_cast<std::uint64_t>(open_holds.load(std::memory_order_relaxed) + more);
  return !full_.load(std::memory_order_relaxed) &&
         segment.reserved.load(std::memory_order_relaxed) + calls * kReservePerHoldBytes <= segment.size;
}

Segment* Journal::append(RecordBatch& records, int keep_pins) {
  return append_numbered(records, std::nullopt, keep_pins);  // Numbered when its place is known.
}

Segment* Journal::append_numbered(RecordBatch& records, std::optional<std::uint64_t> sequence, int keep_pins) {
  const std::uint64_t size = records.bytes().size();
  for (int tries = 0; tries < 3; ++tries) {
    Segment* const segment = current_.load(std::memory_order_acquire);
    // Pinned before the reservation: whoever fails to reserve after us, rotates and looks for pins, sees this one.
    segment->pins.fetch_add(1 + keep_pins, std::memory_order_acq_rel);
    const std::uint64_t at = segment->reserved.fetch_add(size, std::memory_order_acq_rel);
    if (at + size <= segment->size) {
      // Kept when the write fails: the numbers stay dense.
      if (!sequence) sequence = sequence_.fetch_add(records.count(), std::memory_order_relaxed);
      records.seal(segment->crc, *sequence, base::unix_now_us() * 1000);
      const bool written = write_whole(segment->descriptor, records.bytes(), at);
      if (written) mark_dirty(*segment);
      unpin(segment, written ? 1 : 1 + keep_pins);
      if (written) {
        bytes_written.fetch_add(size, std::memory_order_relaxed);
        return segment;
      }
      base::log(base::LogLevel::Error, "journal: cannot write {}: {}", segment->path, errno_text());
    } else {
      unpin(segment, 1 + keep_pins);
    }
    if (!rotate(segment)) return nullptr;
  }
  return nullptr;
}

void Journal::mark_dirty(Segment& segment) {
  // Sequentially consistent with the sync thread's reset of the two: one of us sees the other.
  if (!segment.dirty.load()) segment.dirty.store(true);
  if (oldest_unsynced_us.load() != 0) return;
  std::int64_t none = 0;
  if (!oldest_unsynced_us.compare_exchange_strong(none, base::unix_now_us())) return;
  // Once per sync interval: the first record after a sync wakes the thread.
  const std::lock_guard lock(mutex_);
  wanted_ = true;
  wake_.notify_one();
}

bool Journal::rotate(Segment* full_segment) {
  const std::lock_guard lock(mutex_);
  if (current_.load(std::memory_order_acquire) != full_segment) return true;  // Somebody else did it.
  fault::kill_at("journal.rotate");
  wanted_ = true;
  wake_.notify_one();
  if (!spare_) {
    full_ = true;
    return false;
  }
  std::unique_ptr<Segment> next = std::move(spare_);
  full_segment->reserved.fetch_add(full_segment->size, std::memory_order_acq_rel);  // Nobody reserves in it any more.
  if (!start_segment(*next)) {
    base::log(base::LogLevel::Error, "journal: cannot write {}: {}", next->path, errno_text());
    full_ = true;
    spare_ready_ = false;
    ::close(next->descriptor);
    ::unlink(next->path.c_str());
    return false;
  }
  full_segment->closed_us = base::unix_now_us();
  current_.store(next.get(), std::memory_order_release);
  spare_ready_ = false;  // Not before: who asks for room in between looks at the old segment, which has none.
  segments_.push_back(std::move(next));
  return true;
}

base::Completion Journal::synced(base::Executor* executor) {
  base::Completion completion(executor);
  const std::lock_guard lock(mutex_);
  waiters_.push_back(completion);
  wanted_ = true;
  wake_.notify_one();
  return completion;
}

void Journal::release_kept() {
  const std::lock_guard lock(mutex_);
  for (const auto& segment : segments_) {
    if (segment->descriptor < 0) segment->pins = 0;
  }
}

void Journal::sync_segments(std::unique_lock<std::mutex>& lock) {
  std::vector<base::Completion> served = std::move(waiters_);
  waiters_.clear();
  std::vector<Segment*> dirty;
  oldest_unsynced_us.store(0);
  for (const auto& segment : segments_) {
    if (segment->descriptor >= 0 && segment->dirty.exchange(false)) dirty.push_back(segment.get());
  }
  lock.unlock();  // Only this thread removes segments, so the pointers stay good.
  bool all_synced = true;
  for (Segment* segment : dirty) {
    if (!sync_one(*segment)) all_synced = false;
  }
  if (all_synced) {
    sync_failures_.store(0, std::memory_order_relaxed);
    for (const base::Completion& completion : served) completion.complete();
  } else {
    const bool sick = sync_failures_.fetch_add(1, std::memory_order_relaxed) + 1 >= kSyncFailuresMax;
    if (sick && options_.serve_when_full) {
      for (const base::Completion& completion : std::exchange(served, {})) completion.complete();
    }
  }
  lock.lock();
  if (all_synced) return;
  // Their records are unsynced in another segment now: the next sync serves them, and says whether the disk is well.
  std::int64_t none = 0;
  oldest_unsynced_us.compare_exchange_strong(none, base::unix_now_us());
  waiters_.insert(waiters_.begin(), served.begin(), served.end());
  wanted_ = true;
}

bool Journal::sync_one(Segment& segment) {
  const std::uint64_t reserved = std::min(segment.reserved.load(), segment.size);
  if (!segment.sync_failed && !fault::at("journal.eio_sync") && ::fdatasync(segment.descriptor) == 0) {
    segment.synced_to = segment.reserved_at_sync;
    segment.reserved_at_sync = reserved;
    return true;
  }
  ++sync_errors;
  base::log(base::LogLevel::Error, "journal: fdatasync of {} failed: {}; its last records are written again",
            segment.path, errno_text());
  segment.sync_failed = true;
  if (current_.load() == &segment) rotate(&segment);
  if (current_.load() == &segment) {
    mark_dirty(segment);  // No other segment yet: once more later.
  } else {
    write_again(segment);
  }
  return false;
}

void Journal::write_again(Segment& segment) {
  std::string bytes(std::min(segment.reserved.load(), segment.size), '\0');
  const ssize_t count = ::pread(segment.descriptor, bytes.data(), bytes.size(), 0);
  if (count < 0) {
    base::log(base::LogLevel::Error, "journal: cannot read {} again: {}", segment.path, errno_text());
    return;
  }
  const auto whole = std::string_view(bytes).substr(0, static_cast<std::size_t>(count));
  scan_records(whole, segment.crc, [&](const RecordView& record) {
    const auto end = static_cast<std::uint64_t>(record.payload.data() + record.payload.size() - bytes.data());
    if (end <= segment.synced_to || record.type == RecordType::Open) return;
    RecordBatch again;
    again.begin(record.type, record.flags | kWrittenAgain);
    again.payload().append(record.payload);
    again.end();
    append_numbered(again, record.sequence, 0);
  });
}

void Journal::delete_old(bool room_is_short) {
  const std::int64_t keep_us = std::chrono::duration_cast<std::chrono::microseconds>(options_.keep).count();
  while (segments_.size() > 1) {
    Segment& oldest = *segments_.front();
    const bool old = base::unix_now_us() - oldest.closed_us.load() >= keep_us;
    if (oldest.pins.load(std::memory_order_acquire) > 0 || !(old || room_is_short) || oldest.dirty.load()) break;
    if (oldest.descriptor >= 0) ::close(oldest.descriptor);
    ::unlink(oldest.path.c_str());
    retired_.push_back(std::move(segments_.front()));
    segments_.pop_front();
    if (room_is_short) break;
  }
  if (retired_.size() > 2 * kRetiredMin) retired_.erase(retired_.begin(), retired_.begin() + kRetiredMin);
}

void Journal::keep_house() {
  base::name_this_thread("journal");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    wake_.wait_for(lock, kIdleLook, [this] { return stopping_ || wanted_; });
    wanted_ = false;
    if (!spare_ && !stopping_) {
      lock.unlock();
      std::unique_ptr<Segment> spare = make_segment();
      lock.lock();
      if (spare) {
        spare_ = std::move(spare);
        spare_ready_ = true;
        full_ = false;
      } else {
        base::log(base::LogLevel::Error, "journal: cannot prepare a segment in {}: {}", directory_.path(),
                  errno_text());
        delete_old(true);
      }
    }
    if (sync_failures_.load(std::memory_order_relaxed) >= kSyncFailuresMax) {
      wake_.wait_for(lock, kIdleLook, [this] { return stopping_; });  // A sick disk is not hammered.
    }
    if (oldest_unsynced_us.load() != 0 || !waiters_.empty()) {
      // What arrives during the linger shares the sync.
      const auto linger = options_.disk ? kDiskLinger : options_.sync_interval;
      wake_.wait_for(lock, linger, [this] { return stopping_; });
      sync_segments(lock);
    }
    delete_old(false);
  }
}

void Journal::close() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    stopping_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
  std::unique_lock lock(mutex_);
  for (int tries = 0; tries < kSyncFailuresMax && (tries == 0 || oldest_unsynced_us.load() != 0); ++tries) {
    sync_segments(lock);
  }
  for (const base::Completion& completion : waiters_) completion.complete();  // Nobody will do better.
  waiters_.clear();
  if (spare_) {
    ::close(spare_->descriptor);
    ::unlink(spare_->path.c_str());
    spare_.reset();
  }
  for (const auto& segment : segments_) {
    if (segment->descriptor < 0) continue;
    if (segment.get() == current_.load()) {
      const std::uint64_t used = std::min(segment->reserved.load(), segment->size);
      if (::ftruncate(segment->descriptor, static_cast<off_t>(used)) != 0)
        base::log(base::LogLevel::Warning, "journal: cannot trim {}", segment->path);
    }
    ::close(segment->descriptor);
    segment->descriptor = -1;
  }
}

}  // namespace turnpike::journal
