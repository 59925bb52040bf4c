#include "ledger/journal_dir.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/id.h"
#include "base/text.h"

namespace turnpike::ledger {
namespace {

constexpr std::string_view kSuffix = ".tpj";

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
  return write_identity();
}

Status JournalDirectory::sync() const {
  const Descriptor descriptor(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.number < 0 || ::fsync(descriptor.number) != 0) return cannot("sync", path_);
  return {};
}

Result<std::vector<KeptSegment>> list_segments(const std::string& path, std::vector<std::string>* unused) {
  std::vector<KeptSegment> segments;
  std::error_code problem;
  for (const auto& item : std::filesystem::directory_iterator(path, problem)) {
    const std::string name = item.path().filename().string();
    if (name.size() != 16 + kSuffix.size() || !name.ends_with(kSuffix)) continue;
    const Descriptor descriptor(::open(item.path().c_str(), O_RDONLY | O_CLOEXEC));
    if (descriptor.number < 0) return cannot("read", item.path().string());
    char bytes[kSegmentHeaderBytes] = {};
    const ssize_t count = ::pread(descriptor.number, bytes, sizeof bytes, 0);
    const auto header = decode_header({bytes, static_cast<std::size_t>(std::max<ssize_t>(count, 0))});
    if (!header) {
      if (unused != nullptr) unused->push_back(item.path().string());
      continue;
    }
    struct stat facts{};
    ::fstat(descriptor.number, &facts);
    segments.push_back({header->number, item.path().string(), *header, std::int64_t{facts.st_mtim.tv_sec} * 1'000'000});
  }
  if (problem) {
    errno = problem.value();
    return cannot("read", path);
  }
  std::sort(segments.begin(), segments.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
  return segments;
}

Result<ScanResult> scan_segment(const KeptSegment& segment, const std::function<void(const RecordView&)>& found) {
  const Descriptor descriptor(::open(segment.path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat facts{};
  if (descriptor.number < 0 || ::fstat(descriptor.number, &facts) != 0) return cannot("read", segment.path);
  const auto size = static_cast<std::size_t>(facts.st_size);
  void* const mapped = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, descriptor.number, 0);
  if (mapped == MAP_FAILED) return cannot("read", segment.path);
  ::madvise(mapped, size, MADV_SEQUENTIAL);
  const ScanResult result = scan_records({static_cast<const char*>(mapped), size}, segment.header.crc, found);
  ::munmap(mapped, size);
  return result;
}

}  // namespace turnpike::ledger
