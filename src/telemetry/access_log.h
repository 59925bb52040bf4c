#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "domain/call_record.h"

namespace turnpike::telemetry {

/// One JSON line per call (AC-OBS-3) to stdout. Each I/O thread appends to its own buffer; one thread writes them out
/// every `interval` or when a buffer is half full. A reader that blocks costs lines (counted), never time.
class AccessLog {
 public:
  struct Options {
    std::size_t threads = 1;
    std::chrono::milliseconds interval{200};
    std::size_t buffer_bytes_max = 1 << 20;
    int descriptor = 1;
    bool enabled = true;
  };
  static std::unique_ptr<AccessLog> start(Options options);
  virtual ~AccessLog() = default;  // Writes what is left.
  virtual void call_ended(std::size_t thread, const domain::CallRecord& record) = 0;
  virtual std::uint64_t lines_dropped() const = 0;
};

/// The line itself, without the newline: pure, for tests.
void append_access_line(std::string& out, const domain::CallRecord& record);

}  // namespace turnpike::telemetry
