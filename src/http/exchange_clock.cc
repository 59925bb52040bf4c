#include "http/exchange_clock.h"

#include <fmt/core.h>

namespace turnpike::http {
namespace {

constexpr std::string_view kConnect = "connect_timeout";
constexpr std::string_view kFirstByte = "stream_timeout";
constexpr std::string_view kIdle = "stream_idle_timeout";
constexpr std::string_view kTotal = "timeout";

}  // namespace

ExchangeClock::Limit ExchangeClock::earlier(Limit limit) const {
  const Limit total{timeouts_.deadline, kTotal, timeouts_.total};
  return total.when < limit.when ? total : limit;
}

ExchangeClock::Limit ExchangeClock::connecting(base::Monotonic started) const {
  return earlier({started + timeouts_.connect, kConnect, timeouts_.connect});
}

ExchangeClock::Limit ExchangeClock::first_byte() const {
  const Limit none{base::Monotonic::max(), kTotal, timeouts_.total};
  if (!timeouts_.first_byte) return earlier(none);
  return earlier({sent_ + *timeouts_.first_byte, kFirstByte, *timeouts_.first_byte});
}

ExchangeClock::Limit ExchangeClock::between_bytes(base::Monotonic last) const {
  const Limit none{base::Monotonic::max(), kTotal, timeouts_.total};
  if (!timeouts_.idle) return earlier(none);
  return earlier({last + *timeouts_.idle, kIdle, *timeouts_.idle});
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

Status outcome_of(net::Wake wake, const ExchangeClock::Limit& limit, ClientCounters& counters) {
  if (wake == net::Wake::Woken) return base::fail(ExchangeClock::cancelled());
  if (wake != net::Wake::Timeout) return {};
  auto& counter = limit.name == kConnect     ? counters.timeout_connect
                  : limit.name == kFirstByte ? counters.timeout_first_byte
                  : limit.name == kIdle      ? counters.timeout_idle
                                             : counters.timeout_total;
  counter.fetch_add(1, std::memory_order_relaxed);
  return base::fail(ExchangeClock::expired(limit));
}

}  // namespace turnpike::http
