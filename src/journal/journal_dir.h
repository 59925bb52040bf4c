#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "journal/journal_format.h"

namespace turnpike::journal {

/// A segment file found on disk.
struct KeptSegment {
  std::uint64_t number = 0;
  std::string path;
  SegmentHeader header;
  std::int64_t modified_us = 0;
  bool header_damaged = false;  // Read by its records all the same; of `header` only the CRC is known then.
};

/// What lies in a journal's directory.
struct SegmentListing {
  std::vector<KeptSegment> segments;          // By number.
  std::vector<std::string> unused_files;      // Spares: nothing was ever written to them.
  std::vector<std::string> unreadable_files;  // Neither header nor records: left alone.
  std::uint64_t last_number = 0;              // Largest number that a file name carries.
};

/// A journal's directory: `lock` (held for the life of the process, with its pid), `identity` (journal id, last epoch)
/// and the segments, `<number, 16 hex digits>.tpj`.
class JournalDirectory {
 public:
  /// Makes the directory (mode 0700) when it is not there.
  /// Errors: Unavailable: another process holds it (its pid is named), or it cannot be written.
  static Result<JournalDirectory> take(const std::string& path);
  JournalDirectory(JournalDirectory&& other) noexcept;
  JournalDirectory& operator=(JournalDirectory&&) = delete;
  ~JournalDirectory();

  const std::string& path() const { return path_; }
  const Uuid& journal_id() const { return journal_id_; }
  std::string journal_id_text() const;
  std::uint64_t epoch() const { return epoch_; }
  /// Begins a new epoch, larger than `seen` and than all before, and stores it.
  Status begin_epoch(std::uint64_t seen);
  /// Nothing in it is open, unshipped or leased any more, and the file `finished` says so until the next epoch begins.
  static Status mark_finished(const std::string& path, std::string_view how);
  static bool is_finished(const std::string& path);
  std::string segment_path(std::uint64_t number) const;
  Status sync() const;  // The directory itself: names survive a power cut.

 private:
  explicit JournalDirectory(std::string path) : path_(std::move(path)) {}
  Status read_identity();
  Status write_identity() const;

  std::string path_;
  int lock_ = -1;
  Uuid journal_id_{};
  std::uint64_t epoch_ = 0;
};

Result<SegmentListing> list_journal(const std::string& path);
/// The segments alone.
Result<std::vector<KeptSegment>> list_segments(const std::string& path);

/// Reads one segment through a read-only mapping.
Result<ScanResult> scan_segment(const KeptSegment& segment, const std::function<void(const RecordView&)>& found);

}  // namespace turnpike::journal
