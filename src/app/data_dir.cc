#include "app/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

namespace turnpike::app {

Result<std::string> DataDir::find(const std::string& wanted) {
  if (!wanted.empty()) return wanted;
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state != '\0') {
    return std::string(state) + "/turnpike";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
    return std::string(home) + "/.local/state/turnpike";
  }
  return base::fail(ErrorKind::Unavailable,
                    "No place for the journal and the database: name one with --data_dir or TURNPIKE_DATA_DIR.");
}

Result<DataDir> DataDir::open(const std::string& wanted) {
  Result<std::string> found = find(wanted);
  if (!found) return base::fail(std::move(found.error()));
  std::string path = std::move(*found);
  std::error_code error;
  const bool existed = std::filesystem::exists(path, error);
  std::filesystem::create_directories(path, error);
  if (error) {
    return base::fail(ErrorKind::Unavailable, "The data directory " + path + " cannot be made (" + error.message() +
                                                  "). Name a writable one with --data_dir or TURNPIKE_DATA_DIR.");
  }
  if (!existed) std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  const std::string lock_path = path + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    return base::fail(ErrorKind::Unavailable, "The data directory " + path + " is not writable (" +
                                                  std::strerror(errno) +
                                                  "). Make it writable for this user or name another with --data_dir.");
  }
  if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
    std::string holder;
    std::getline(std::ifstream(lock_path), holder);
    ::close(lock);
    return base::fail(ErrorKind::Unavailable, "The data directory " + path + " is in use by another turnpike (pid " +
                                                  (holder.empty() ? "unknown" : holder) +
                                                  "). Stop that process, or give this one its own with --data_dir.");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(lock, 0) != 0 || ::pwrite(lock, pid.data(), pid.size(), 0) < 0) {
    ::close(lock);
    return base::fail(ErrorKind::Unavailable,
                      "The data directory " + path + " cannot be written (" + std::strerror(errno) + ").");
  }
  return DataDir(std::move(path), lock);
}

DataDir::DataDir(DataDir&& other) noexcept : path_(std::move(other.path_)), lock_(std::exchange(other.lock_, -1)) {}

DataDir::~DataDir() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace turnpike::app
