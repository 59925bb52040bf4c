#pragma once

#include "base/clock.h"
#include "net/stream.h"

namespace turnpike::http {

/// One connection to a provider and what is needed to reuse it.
class Connection : public net::Stream {
 public:
  using Stream::Stream;

  void* home = nullptr;  // The pool's entry for its origin.
  bool reused = false;
  bool sent_whole = true;  // False when the answer began before the request had been sent: never reused.
  base::Monotonic idle_since;
};

}  // namespace turnpike::http
