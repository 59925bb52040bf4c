#pragma once

#include <string_view>

#include "http/client.h"
#include "net/socket.h"

namespace turnpike::http {

/// The limits of one attempt while it is under way: which expires first, and what it is called (AC-TIME-1).
class ExchangeClock {
 public:
  ExchangeClock(const Timeouts& timeouts, base::Monotonic sent) : timeouts_(timeouts), sent_(sent) {}

  struct Limit {
    base::Monotonic when;
    std::string_view name;
    std::chrono::milliseconds length;
  };
  /// `started`: when connecting began.
  Limit connecting(base::Monotonic started) const;
  /// Until the first byte of the answer's body; streams only, else the total.
  Limit first_byte() const;
  /// Between bytes of a stream; `last` is when the latest came.
  Limit between_bytes(base::Monotonic last) const;

  void sent(base::Monotonic when) { sent_ = when; }
  void set_deadline(base::Monotonic deadline) { timeouts_.deadline = deadline; }
  static Error expired(const Limit& limit);
  static Error cancelled();

 private:
  Limit earlier(Limit limit) const;
  Timeouts timeouts_;
  base::Monotonic sent_;
};

/// What the end of a wait means for the attempt: nothing, Timeout (counted), or CallerGone.
Status outcome_of(net::Wake wake, const ExchangeClock::Limit& limit, ClientCounters& counters);

}  // namespace turnpike::http
