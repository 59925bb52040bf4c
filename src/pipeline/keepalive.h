#pragma once

#include <chrono>
#include <memory>

#include "net/io_threads.h"
#include "pipeline/call.h"

namespace turnpike::pipeline {

/// Keeps the connection of a silent stream alive (AC-TIME-3): when its caller has got nothing for
/// `turnpike.stream_keepalive`, a comment goes out between two events, and another after each further such time, as
/// long as this object lives. Before the first event the head leaves with it: the status is 200 from then on and a
/// failure is told by an event (`send_error`). A comment is no content: what the call does behind it is not changed.
///
/// Threading: the call's thread.
class Keepalive {
 public:
  /// Without effect unless the setting is on and the call asks for a stream of text.
  explicit Keepalive(Call& call);
  Keepalive(const Keepalive&) = delete;
  Keepalive& operator=(const Keepalive&) = delete;

 private:
  void arm(std::chrono::milliseconds delay);
  void look();

  Call& call_;
  std::chrono::milliseconds interval_;
  std::unique_ptr<net::IoThread::Timer> timer_;
  std::unique_ptr<net::IoThread::Timer> spent_;  // Its action is running: it goes with the next.
};

}  // namespace turnpike::pipeline
