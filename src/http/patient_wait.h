#pragma once

#include "http/client.h"
#include "net/socket.h"

namespace turnpike::http {

/// Waits on a socket until it is ready, a limit has passed, or the call is cancelled (then: Woken). An awaiter and not
/// a coroutine: every receive waits, and a frame each time would be the larger part of its cost.
class PatientWait {
 public:
  PatientWait(net::Socket& socket, std::uint8_t interest, base::Monotonic until, Cancel& cancel)
      : wait_(socket.wait(interest, until)), cancel_(cancel) {}

  bool await_ready() const { return cancel_.requested() || wait_.await_ready(); }
  void await_suspend(std::coroutine_handle<> handle) {
    cancel_.set_action([socket = &wait_.socket] { socket->wake(); });
    wait_.await_suspend(handle);
  }
  net::Wake await_resume() {
    cancel_.set_action({});
    const net::Wake wake = wait_.await_resume();
    return cancel_.requested() ? net::Wake::Woken : wake;
  }

 private:
  net::Socket::Wait wait_;
  Cancel& cancel_;
};

}  // namespace turnpike::http
