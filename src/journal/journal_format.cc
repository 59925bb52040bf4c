#include "journal/journal_format.h"

#include <bit>
#include <cstring>

#include "base/hash.h"

namespace turnpike::journal {
namespace {

static_assert(std::endian::native == std::endian::little, "the journal's integers are written as they lie in memory");

constexpr std::string_view kSegmentMagic = "TPJ1";
constexpr std::string_view kRecordMagic = "TPR1";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHeaderCrcAt = kSegmentHeaderBytes - 4;

// Inside a record's header.
constexpr std::size_t kCrcAt = 4;
constexpr std::size_t kChecksummedFrom = 8;
constexpr std::size_t kLengthAt = 8;
constexpr std::size_t kTypeAt = 12;
constexpr std::size_t kFlagsAt = 14;
constexpr std::size_t kSequenceAt = 16;
constexpr std::size_t kTimeAt = 24;

template <class T>
void put(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

template <class T>
void put_at(std::string& out, std::size_t at, T value) {
  std::memcpy(out.data() + at, &value, sizeof value);
}

template <class T>
T get_at(std::string_view bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

constexpr std::size_t aligned(std::size_t bytes) {
  return (bytes + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

std::string_view as_bytes(const Uuid& id) {
  return {reinterpret_cast<const char*>(id.data()), id.size()};
}

}  // namespace

void put_u16(std::string& out, std::uint16_t value) {
  put(out, value);
}
void put_u32(std::string& out, std::uint32_t value) {
  put(out, value);
}
void put_u64(std::string& out, std::uint64_t value) {
  put(out, value);
}

void put_text(std::string& out, std::string_view text) {
  text = text.substr(0, UINT16_MAX);
  put(out, static_cast<std::uint16_t>(text.size()));
  out.append(text);
}

std::string_view PayloadReader::bytes(std::size_t count) {
  if (count > rest_.size()) {
    broken_ = true;
    rest_ = {};
    return {};
  }
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}
std::uint16_t PayloadReader::u16() {
  const std::string_view taken = bytes(2);
  return taken.empty() ? std::uint16_t{0} : get_at<std::uint16_t>(taken, 0);
}
std::uint32_t PayloadReader::u32() {
  const std::string_view taken = bytes(4);
  return taken.empty() ? 0 : get_at<std::uint32_t>(taken, 0);
}
std::uint64_t PayloadReader::u64() {
  const std::string_view taken = bytes(8);
  return taken.empty() ? 0 : get_at<std::uint64_t>(taken, 0);
}

std::string encode_header(SegmentHeader& header) {
  std::string out(kSegmentMagic);
  put(out, kVersion);
  put(out, static_cast<std::uint16_t>(kSegmentHeaderBytes));
  out.append(as_bytes(header.journal_id));
  put(out, header.number);
  put(out, header.epoch);
  put(out, header.first_sequence);
  put(out, header.created_ns);
  out.append(as_bytes(header.instance));
  out.resize(kHeaderCrcAt, '\0');
  header.crc = base::crc32c(0, out);
  put(out, header.crc);
  return out;
}

std::optional<SegmentHeader> decode_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes || bytes.substr(0, 4) != kSegmentMagic) return std::nullopt;
  SegmentHeader header;
  header.crc = base::crc32c(0, bytes.substr(0, kHeaderCrcAt));
  if (get_at<std::uint32_t>(bytes, kHeaderCrcAt) != header.crc) return std::nullopt;
  if (get_at<std::uint16_t>(bytes, 4) != kVersion) return std::nullopt;
  std::memcpy(header.journal_id.data(), bytes.data() + 8, 16);
  header.number = get_at<std::uint64_t>(bytes, 24);
  header.epoch = get_at<std::uint64_t>(bytes, 32);
  header.first_sequence = get_at<std::uint64_t>(bytes, 40);
  header.created_ns = get_at<std::int64_t>(bytes, 48);
  std::memcpy(header.instance.data(), bytes.data() + 56, 16);
  return header;
}

std::array<std::uint32_t, 2> possible_crcs(std::string_view header_bytes) {
  return {base::crc32c(0, header_bytes.substr(0, kHeaderCrcAt)), get_at<std::uint32_t>(header_bytes, kHeaderCrcAt)};
}

void RecordBatch::clear() {
  bytes_.clear();
  count_ = 0;
}

void RecordBatch::begin(RecordType type, std::uint16_t flags) {
  constexpr std::size_t kUsualBytes = 512;
  if (bytes_.capacity() < kUsualBytes) bytes_.reserve(kUsualBytes);
  starts_.at(count_) = static_cast<std::uint32_t>(bytes_.size());
  bytes_.append(kRecordMagic);
  put(bytes_, std::uint32_t{0});
  put(bytes_, std::uint32_t{0});
  put(bytes_, static_cast<std::uint16_t>(type));
  put(bytes_, flags);
  put(bytes_, std::uint64_t{0});
  put(bytes_, std::int64_t{0});
}

void RecordBatch::end() {
  const std::size_t start = starts_[count_];
  payload_bytes_[count_] = static_cast<std::uint32_t>(bytes_.size() - start - kRecordHeaderBytes);
  put_at(bytes_, start + kLengthAt, payload_bytes_[count_]);
  bytes_.resize(aligned(bytes_.size()), '\0');
  ++count_;
}

void RecordBatch::add(const RecordBatch& other) {
  for (std::size_t i = 0; i < other.count_; ++i) {
    starts_.at(count_) = static_cast<std::uint32_t>(bytes_.size()) + other.starts_[i];
    payload_bytes_[count_] = other.payload_bytes_[i];
    ++count_;
  }
  bytes_.append(other.bytes_);
}

void RecordBatch::seal(std::uint32_t segment_crc, std::uint64_t first_sequence, std::int64_t time_ns) {
  for (std::size_t i = 0; i < count_; ++i) {
    const std::size_t start = starts_[i];
    put_at(bytes_, start + kSequenceAt, first_sequence + i);
    put_at(bytes_, start + kTimeAt, time_ns);
    const std::string_view checked(bytes_.data() + start + kChecksummedFrom,
                                   kRecordHeaderBytes - kChecksummedFrom + payload_bytes_[i]);
    put_at(bytes_, start + kCrcAt, base::crc32c(segment_crc, checked));
  }
}

ScanResult scan_records(std::string_view segment, std::uint32_t segment_crc,
                        const std::function<void(const RecordView&)>& found) {
  ScanResult result;
  result.used_bytes = kSegmentHeaderBytes;
  static constexpr char kZeros[kRecordAlignment] = {};
  std::size_t at = kSegmentHeaderBytes;
  while (at + kRecordHeaderBytes <= segment.size()) {
    const std::string_view rest = segment.substr(at);
    const std::uint32_t length = get_at<std::uint32_t>(rest, kLengthAt);
    const bool plausible =
        rest.substr(0, 4) == kRecordMagic && length <= kRecordPayloadMax && kRecordHeaderBytes + length <= rest.size();
    if (plausible &&
        base::crc32c(segment_crc, rest.substr(kChecksummedFrom, kRecordHeaderBytes - kChecksummedFrom + length)) ==
            get_at<std::uint32_t>(rest, kCrcAt)) {
      RecordView record;
      record.type = static_cast<RecordType>(get_at<std::uint16_t>(rest, kTypeAt));
      record.flags = get_at<std::uint16_t>(rest, kFlagsAt);
      record.sequence = get_at<std::uint64_t>(rest, kSequenceAt);
      record.time_ns = get_at<std::int64_t>(rest, kTimeAt);
      record.payload = rest.substr(kRecordHeaderBytes, length);
      if (result.bytes_skipped > 0) result.damage_before_record = true;
      found(record);
      ++result.records;
      at += aligned(kRecordHeaderBytes + length);
      result.used_bytes = at;
      continue;
    }
    const std::size_t step = std::min(kRecordAlignment, rest.size());
    if (rest.substr(0, step) != std::string_view(kZeros, step)) result.bytes_skipped += step;
    at += step;
  }
  return result;
}

}  // namespace turnpike::journal
