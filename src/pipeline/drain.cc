#include "pipeline/drain.h"

#include "pipeline/call.h"

namespace turnpike::pipeline {

void Drain::asked(const Call& call, const router::Deployment& deployment) {
  const bool general = call.settings().turnpike.drain_on_disconnect;
  wanted_ = deployment.entry ? deployment.entry->drain_on_disconnect.value_or(general) : general;
}

void Drain::attempt_failed(Call& call) {
  wanted_ = false;
  if (running() && call.cancel) call.cancel->request();  // No other attempt is made for somebody who has gone.
}

void Drain::caller_went(Call& call) {
  if (!call.cancel) return;
  if (!wanted_ || running() || call.exchange.interrupted()) {
    call.cancel->request();
    return;
  }
  call.record.marks |= domain::kDrained;
  limit_ = call.worker.thread->after(call.settings().turnpike.drain_timeout, [&call] {
    if (call.cancel) call.cancel->request();
  });
}

void end_drains(Gateway& gateway) {
  for (const std::unique_ptr<Worker>& worker : gateway.workers) {
    worker->thread->post([&calls = worker->calls] {
      // A call that is cancelled may leave the list at once.
      for (bool ended = true; ended;) {
        ended = false;
        calls.each([&ended](const CallsUnderWay::Place& place) {
          const Call& call = *place.call;
          if (!call.drain.running() || !call.cancel || call.cancel->requested()) return true;
          ended = true;
          call.cancel->request();
          return false;
        });
      }
    });
  }
}

}  // namespace turnpike::pipeline
