#include "http/exchange_clock.h"

#include <fmt/core.h>

namespace turnpike::http {

ExchangeClock::Limit ExchangeClock::earlier(Limit limit) const {
  const Limit total{timeouts_.deadline, "timeout", timeouts_.total};
  return total.when < limit.when ? total : limit;
}

ExchangeClock::Limit ExchangeClock::connecting(base::Monotonic started) const {
  return earlier({started + timeouts_.connect, "connect_timeout", timeouts_.connect});
}

ExchangeClock::Limit ExchangeClock::first_byte() const {
  const Limit none{base::Monotonic::max(), "timeout", timeouts_.total};
  if (!timeouts_.first_byte) return earlier(none);
  return earlier({sent_ + *timeouts_.first_byte, "stream_timeout", *timeouts_.first_byte});
}

ExchangeClock::Limit ExchangeClock::between_bytes(base::Monotonic last) const {
  const Limit none{base::Monotonic::max(), "timeout", timeouts_.total};
  if (!timeouts_.idle) return earlier(none);
  return earlier({last + *timeouts_.idle, "stream_idle_timeout", *timeouts_.idle});
}

Error ExchangeClock::expired(const Limit& limit) {
  Error error;
  error.kind = ErrorKind::Timeout;
  error.message = fmt::format("litellm.Timeout: {} of {:g} s expired.", limit.name,
                              static_cast<double>(limit.length.count()) / 1000.0);
  return error;
}

Error ExchangeClock::cancelled() {
  Error error;
  error.kind = ErrorKind::CallerGone;
  error.message = "The caller closed the connection.";
  return error;
}

Status outcome_of(net::Wake wake, const ExchangeClock::Limit& limit) {
  if (wake == net::Wake::Woken) return base::fail(ExchangeClock::cancelled());
  if (wake == net::Wake::Timeout) return base::fail(ExchangeClock::expired(limit));
  return {};
}

}  // namespace turnpike::http
