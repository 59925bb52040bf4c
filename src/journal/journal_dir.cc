#include "journal/journal_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/id.h"
#include "base/text.h"

namespace turnpike::journal {
namespace {

constexpr std::string_view kSuffix = ".tpj";
constexpr const char* kFinished = "/finished";
constexpr std::size_t kNumberDigits = 16;

tl::unexpected<Error> cannot(std::string_view act, const std::string& path) {
  return base::fail(ErrorKind::Unavailable, fmt::format("cannot {} {}: {}; check the directory, or start with "
                                                        "--no-journal and give up what a crash would lose",
                                                        act, path, std::generic_category().message(errno)));
}

struct Descriptor {
  explicit Descriptor(int number_in) : number(number_in) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  int number;
};

/// A file read through a mapping; an empty one is good and has no bytes.
class Mapping {
 public:
  explicit Mapping(const std::string& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_.number < 0 || ::fstat(descriptor_.number, &facts_) != 0) return;
    const auto size = static_cast<std::size_t>(facts_.st_size);
    if (size > 0) {
      void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor_.number, 0);
      if (mapped == MAP_FAILED) return;
      ::madvise(mapped, size, MADV_SEQUENTIAL);
      bytes_ = {static_cast<const char*>(mapped), size};
    }
    good_ = true;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
  }
  bool good() const { return good_; }
  std::string_view bytes() const { return bytes_; }
  std::int64_t modified_us() const { return std::int64_t{facts_.st_mtim.tv_sec} * 1'000'000; }

 private:
  Descriptor descriptor_;
  struct stat facts_{};
  std::string_view bytes_;
  bool good_ = false;
};

/// The CRC under which records of a segment with a damaged header are whole; none when none is.
std::optional<std::uint32_t> crc_of_records(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) return std::nullopt;
  for (const std::uint32_t crc : possible_crcs(bytes.substr(0, kSegmentHeaderBytes))) {
    if (scan_records(bytes, crc, [](const RecordView&) {}).records > 0) return crc;
  }
  return std::nullopt;
}

std::string hex_of(const Uuid& id) {
  return base::to_hex(id);
}

}  // namespace

JournalDirectory::JournalDirectory(JournalDirectory&& other) noexcept
    : path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      journal_id_(other.journal_id_),
      epoch_(other.epoch_) {}

JournalDirectory::~JournalDirectory() {
  if (lock_ >= 0) ::close(lock_);
}

std::string JournalDirectory::journal_id_text() const {
  return base::Id128{journal_id_}.to_string();
}

std::string JournalDirectory::segment_path(std::uint64_t number) const {
  return fmt::format("{}/{:016x}{}", path_, number, kSuffix);
}

Result<JournalDirectory> JournalDirectory::take(const std::string& path) {
  JournalDirectory directory(path);
  std::error_code problem;
  std::filesystem::create_directories(path, problem);
  if (problem) {
    errno = problem.value();
    return cannot("make", path);
  }
  ::chmod(path.c_str(), 0700);
  const std::string lock_path = path + "/lock";
  directory.lock_ = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (directory.lock_ < 0) return cannot("write", lock_path);
  if (::flock(directory.lock_, LOCK_EX | LOCK_NB) != 0) {
    char pid[32] = {};
    const ssize_t count = ::pread(directory.lock_, pid, sizeof pid - 1, 0);
    return base::fail(ErrorKind::Unavailable,
                      fmt::format("the journal {} is in use by process {}: stop it or give this one another --data_dir",
                                  path, count > 0 ? pid : "(unknown)"));
  }
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(directory.lock_, 0) != 0 || ::pwrite(directory.lock_, pid.data(), pid.size(), 0) < 0) {
    return cannot("write", lock_path);
  }
  if (const Status read = directory.read_identity(); !read) return base::fail(read.error());
  return directory;
}

Status JournalDirectory::read_identity() {
  const std::string file = path_ + "/identity";
  const Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.number < 0) {
    if (errno != ENOENT) return cannot("read", file);
    base::fill_random(journal_id_.data(), journal_id_.size());
    return write_identity();
  }
  char text[128] = {};
  if (::read(descriptor.number, text, sizeof text - 1) < 0) return cannot("read", file);
  const auto words = base::split(base::trim(text), ' ');
  const auto id = base::from_hex(words[0]);
  const auto epoch = words.size() == 2 ? base::parse_unsigned(words[1]) : std::nullopt;
  if (!id || id->size() != journal_id_.size() || !epoch) {
    return base::fail(ErrorKind::Unavailable,
                      fmt::format("{} is damaged: restore it from a backup, or move the journal directory away", file));
  }
  std::copy(id->begin(), id->end(), journal_id_.begin());
  epoch_ = *epoch;
  return {};
}

Status JournalDirectory::write_identity() const {
  const std::string file = path_ + "/identity";
  const std::string fresh = file + ".new";
  const std::string text = fmt::format("{} {}\n", hex_of(journal_id_), epoch_);
  {
    const Descriptor descriptor(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (descriptor.number < 0 ||
        ::write(descriptor.number, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::fdatasync(descriptor.number) != 0) {
      return cannot("write", fresh);
    }
  }
  if (::rename(fresh.c_str(), file.c_str()) != 0) return cannot("write", file);
  return sync();
}

Status JournalDirectory::begin_epoch(std::uint64_t seen) {
  epoch_ = std::max(epoch_, seen) + 1;
  const std::string finished = path_ + kFinished;
  if (::unlink(finished.c_str()) != 0 && errno != ENOENT) return cannot("remove", finished);
  return write_identity();
}

Status JournalDirectory::mark_finished(const std::string& path, std::string_view how) {
  const std::string file = path + kFinished;
  const Descriptor descriptor(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (descriptor.number < 0 || ::write(descriptor.number, how.data(), how.size()) != std::ssize(how) ||
      ::fdatasync(descriptor.number) != 0) {
    return cannot("write", file);
  }
  return {};
}

bool JournalDirectory::is_finished(const std::string& path) {
  return std::filesystem::exists(path + kFinished);
}

Status JournalDirectory::sync() const {
  const Descriptor descriptor(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.number < 0 || ::fsync(descriptor.number) != 0) return cannot("sync", path_);
  return {};
}

Result<SegmentListing> list_journal(const std::string& path) {
  SegmentListing listing;
  std::error_code problem;
  for (const auto& item : std::filesystem::directory_iterator(path, problem)) {
    const std::string name = item.path().filename().string();
    if (name.size() != kNumberDigits + kSuffix.size() || !name.ends_with(kSuffix)) continue;
    std::uint64_t number = 0;
    const auto [end, failed] = std::from_chars(name.data(), name.data() + kNumberDigits, number, 16);
    if (failed != std::errc() || end != name.data() + kNumberDigits) continue;
    listing.last_number = std::max(listing.last_number, number);
    const Mapping file(item.path().string());
    if (!file.good()) return cannot("read", item.path().string());
    const std::int64_t modified_us = file.modified_us();
    if (const auto header = decode_header(file.bytes())) {
      listing.segments.push_back({header->number, item.path().string(), *header, modified_us});
    } else if (file.bytes().find_first_not_of('\0') == std::string_view::npos) {
      listing.unused_files.push_back(item.path().string());
    } else if (const auto crc = crc_of_records(file.bytes())) {
      KeptSegment segment{number, item.path().string(), {}, modified_us, true};
      segment.header.number = number;
      segment.header.crc = *crc;
      listing.segments.push_back(std::move(segment));
    } else {
      listing.unreadable_files.push_back(item.path().string());
    }
  }
  if (problem) {
    errno = problem.value();
    return cannot("read", path);
  }
  std::sort(listing.segments.begin(), listing.segments.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return listing;
}

Result<std::vector<KeptSegment>> list_segments(const std::string& path) {
  auto listing = list_journal(path);
  if (!listing) return base::fail(listing.error());
  return std::move(listing->segments);
}

Result<ScanResult> scan_segment(const KeptSegment& segment, const std::function<void(const RecordView&)>& found) {
  const Mapping file(segment.path);
  if (!file.good()) return cannot("read", segment.path);
  return scan_records(file.bytes(), segment.header.crc, found);
}

}  // namespace turnpike::journal
