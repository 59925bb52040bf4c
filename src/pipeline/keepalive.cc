#include "pipeline/keepalive.h"

namespace turnpike::pipeline {

Keepalive::Keepalive(Call& call) : call_(call), interval_(call.settings().turnpike.stream_keepalive) {
  if (interval_.count() <= 0 || !call.request.stream || !domain::writes_text(call.request.operation)) return;
  arm(interval_);
}

void Keepalive::arm(std::chrono::milliseconds delay) {
  spent_ = std::move(timer_);
  timer_ = call_.worker.thread->after(delay, [this] { look(); });
}

void Keepalive::look() {
  constexpr std::string_view kComment = ": ping\n\n";
  const auto silent = std::chrono::duration_cast<std::chrono::milliseconds>(base::monotonic_now() - call_.written_at);
  if (silent < interval_) {
    arm(interval_ - silent);
    return;
  }
  const bool first = !call_.exchange.head_sent();
  if (first) begin_stream(call_, {}, {});
  if (call_.exchange.slip_in(kComment) && first) call_.only_comments = true;
  arm(interval_);
}

}  // namespace turnpike::pipeline
