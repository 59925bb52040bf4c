#include "pipeline/call.h"

#include "base/text.h"
#include "price/operation_usage.h"

namespace turnpike::pipeline {
namespace {

constexpr std::size_t kCallIdMax = 128;
constexpr std::size_t kUserAgentMax = 200;

/// A caller's own id is echoed and searchable; it must be plain text of a sane length.
bool usable_call_id(std::string_view id) {
  if (id.empty() || id.size() > kCallIdMax) return false;
  return std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\'; });
}

}  // namespace

Call::Call(Gateway& gateway_in, http::Exchange& exchange_in, domain::Operation operation, std::string_view route)
    : gateway(gateway_in),
      worker(gateway_in.worker_of(exchange_in.thread())),
      snapshot(worker.snapshot),
      exchange(exchange_in),
      started(base::monotonic_now()),
      cancel(std::make_unique<http::Cancel>()) {
  const http::Request& http_request = exchange.request();
  base::Random& random = exchange.thread().random();
  record.started_us = base::unix_now_us();
  ledger_us = record.started_us + (gateway.ledger != nullptr ? gateway.ledger->clock_offset_us() : 0);
  record.operation = operation;
  record.route = route;
  own_id = base::make_id(static_cast<std::uint64_t>(record.started_us / 1000), random.next(), random.next());
  record.record_id = own_id.to_string();
  const std::string_view callers_id = http_request.find("x-litellm-call-id");
  record.call_id = usable_call_id(callers_id) ? std::string(callers_id) : record.record_id;
  trace = telemetry::continue_trace(http_request.find("traceparent"), random);
  record.trace_id = trace.trace_id;
  record.span_id = trace.span_id;
  record.parent_span_id = trace.parent_span_id;
  record.client_ip = http_request.peer_ip;
  record.user_agent = http_request.find("user-agent").substr(0, kUserAgentMax);
  record.request_bytes = http_request.body.size();
}

Task<bool> Call::sleep(std::chrono::milliseconds length) {
  if (cancel->requested()) co_return false;
  base::Signal over;
  const std::unique_ptr<net::IoThread::Timer> timer = worker.thread->after(length, [&over] { over.fire(); });
  cancel->set_action([&over] { over.fire(); });
  co_await over;
  cancel->set_action({});
  co_return !cancel->requested();
}

Error Call::cancelled() const {
  Error error;
  if (exchange.interrupted()) {
    error.kind = ErrorKind::Unavailable;
    error.message = "The gateway is shutting down. Please retry.";
    error.retry_after = std::chrono::seconds(1);
  } else {
    error.kind = ErrorKind::CallerGone;
    error.message = "The caller closed the connection.";
  }
  return error;
}

const price::Prices& prices_of(const router::Deployment& deployment) {
  return *static_cast<const price::Prices*>(deployment.prices.get());
}

domain::Usage expected_usage(const Call& call, std::uint64_t prompt_tokens, const price::Prices& prices, bool worst) {
  return price::expected_usage(prices, call.request.operation, call.request.measures, prompt_tokens, worst);
}

price::BillTerms bill_terms(const Call& call, const price::Prices& prices, std::string_view service_tier) {
  price::BillTerms terms;
  terms.service = price::parse_service_tier(service_tier);
  if (domain::makes_images(call.request.operation)) {
    const domain::Measures& asked = call.request.measures;
    terms.image = prices.image(asked.quality, asked.width, asked.height);
  }
  return terms;
}

}  // namespace turnpike::pipeline
