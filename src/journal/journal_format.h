#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace turnpike::journal {

/// The bytes of a journal: a segment header, then records at 64-byte steps. Pure; files are `journal.h`'s business.
///
/// Source: spec money, section 5. Little endian. A record's CRC-32C is seeded with the CRC of its segment's header, so
///         that bytes of a recycled file never pass for a record.
constexpr std::size_t kSegmentHeaderBytes = 128;
constexpr std::size_t kRecordHeaderBytes = 32;
constexpr std::size_t kRecordAlignment = 64;
constexpr std::size_t kRecordPayloadMax = 256 * 1024;

enum class RecordType : std::uint16_t {
  Hold = 1,
  Attempt = 2,
  Answer = 3,
  Progress = 4,
  Extend = 5,
  Entry = 6,
  Shipped = 8,
  Open = 9,
  Start = 10,
  Stop = 11,
  Moved = 12,
};

/// Of a record that stands elsewhere too, with the same sequence: written again because its first place could not be
/// synced.
constexpr std::uint16_t kWrittenAgain = 1;

using Uuid = std::array<std::uint8_t, 16>;

struct SegmentHeader {
  Uuid journal_id{};
  Uuid instance{};
  std::uint64_t number = 0;
  std::uint64_t epoch = 0;
  std::uint64_t first_sequence = 0;  // Next to be given when the segment was opened.
  std::int64_t created_ns = 0;
  std::uint32_t crc = 0;  // Set by both functions below.
};
std::string encode_header(SegmentHeader& header);
std::optional<SegmentHeader> decode_header(std::string_view bytes);
/// What the CRC of a damaged header can have been: the records behind it tell which. `header_bytes`: all 128.
std::array<std::uint32_t, 2> possible_crcs(std::string_view header_bytes);

/// One or more records built front to back, then sealed with what is only known when their place is reserved.
class RecordBatch {
 public:
  void clear();
  /// Starts a record; what is appended to `payload()` until `end` belongs to it.
  void begin(RecordType type, std::uint16_t flags = 0);
  std::string& payload() { return bytes_; }
  void end();
  /// A record built elsewhere, not sealed yet.
  void add(const RecordBatch& other);

  std::size_t count() const { return count_; }
  const std::string& bytes() const { return bytes_; }
  /// Of its first record, ended: without what fills up behind it.
  std::string_view first_payload() const {
    return std::string_view(bytes_).substr(starts_[0] + kRecordHeaderBytes, payload_bytes_[0]);
  }
  void seal(std::uint32_t segment_crc, std::uint64_t first_sequence, std::int64_t time_ns);

 private:
  static constexpr std::size_t kRecordsMax = 4;
  std::string bytes_;
  std::array<std::uint32_t, kRecordsMax> starts_{};
  std::array<std::uint32_t, kRecordsMax> payload_bytes_{};
  std::size_t count_ = 0;
};

struct RecordView {
  RecordType type{};
  std::uint16_t flags = 0;
  std::uint64_t sequence = 0;
  std::int64_t time_ns = 0;
  std::string_view payload;
};

/// Calls `found` for every whole record of a segment in file order; whatever is damaged is passed over at 64-byte
/// steps.
struct ScanResult {
  std::uint64_t records = 0;
  std::uint64_t bytes_skipped = 0;    // Not zero and not a record.
  std::size_t used_bytes = 0;         // End of the last whole record.
  bool damage_before_record = false;  // A whole record stands behind skipped bytes: more than a torn tail.
};
ScanResult scan_records(std::string_view segment, std::uint32_t segment_crc,
                        const std::function<void(const RecordView&)>& found);

/// Fixed fields in payloads. Reading past the end gives zeros and sets `broken`.
void put_u16(std::string& out, std::uint16_t value);
void put_u32(std::string& out, std::uint32_t value);
void put_u64(std::string& out, std::uint64_t value);
void put_text(std::string& out, std::string_view text);  // u16 length, then the bytes (at most 65,535).

class PayloadReader {
 public:
  explicit PayloadReader(std::string_view payload) : rest_(payload) {}
  std::uint16_t u16();
  std::uint32_t u32();
  std::uint64_t u64();
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }
  std::string_view text() { return bytes(u16()); }
  std::string_view bytes(std::size_t count);
  bool done() const { return rest_.empty() || broken_; }
  bool broken() const { return broken_; }

 private:
  std::string_view rest_;
  bool broken_ = false;
};

}  // namespace turnpike::journal
