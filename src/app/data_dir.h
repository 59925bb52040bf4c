#pragma once

#include <string>

#include "base/result.h"

namespace turnpike::app {

/// The directory of journal and database, held by this process alone.
class DataDir {
 public:
  /// `wanted` empty: $XDG_STATE_HOME/turnpike, else $HOME/.local/state/turnpike. Made with mode 0700 and locked.
  /// Errors: Unavailable with the path, the holder's pid if another process has it, and the remedy.
  static Result<DataDir> open(const std::string& wanted);

  /// The path `open` would use.
  static Result<std::string> find(const std::string& wanted);

  DataDir(DataDir&& other) noexcept;
  DataDir& operator=(DataDir&&) = delete;
  ~DataDir();
  const std::string& path() const { return path_; }

 private:
  DataDir(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
  std::string path_;
  int lock_ = -1;
};

}  // namespace turnpike::app
