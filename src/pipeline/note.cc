#include "pipeline/note.h"

#include <algorithm>

#include "pipeline/own_call.h"
#include "pipeline/shared_rests.h"
#include "pipeline/sightings.h"

namespace turnpike::pipeline {
namespace {

std::size_t window_of(const Call& call) {
  return static_cast<std::size_t>(call.settings().router.max_latency_list_size);
}

std::int64_t ttl_of(const Call& call) {
  return std::chrono::microseconds(call.settings().router.latency_ttl).count();
}

double seconds_of(std::int64_t us) {
  return static_cast<double>(std::max<std::int64_t>(us, 0)) / 1e6;
}

}  // namespace

void note_outcome(const Call& call, const router::Pick& pick, const router::ModelGroup& group, const Error* error) {
  const router::Deployment& deployment = *pick.deployment;
  if (call.own != nullptr && call.own->probe) {
    router::note_unasked(deployment, pick.probe);
    return;
  }
  const std::int64_t now_us = base::unix_now_us();
  if (error == nullptr) {
    router::note_success(deployment, now_us, pick.probe);
    tell_answered(call.worker, call.gateway, deployment);
    return;
  }
  const bool rests =
      router::note_failure(deployment, *error, group.deployments.size(),
                           router::cooldown_policy(call.settings().router, deployment), now_us, pick.probe);
  if (rests && call.gateway.rests != nullptr) call.gateway.rests->tell(*call.worker.thread, deployment, now_us);
  tell_failed(call.worker, call.gateway, deployment, *error, rests);
  if (rests) tell_if_all_rest(call.worker, call.gateway, group);
}

void note_broken_stream(const Call& call, const Answer& answer, const Error& error) {
  const router::Deployment& deployment = *answer.deployment;
  const bool rests =
      router::note_broken(deployment, error, answer.group_size,
                          router::cooldown_policy(call.settings().router, deployment), base::unix_now_us());
  if (rests && call.gateway.rests != nullptr)
    call.gateway.rests->tell(*call.worker.thread, deployment, base::unix_now_us());
  tell_failed(call.worker, call.gateway, deployment, error, rests);
}

void note_outrun(const Call& call, const router::ModelGroup& group, const domain::Attempt& entry) {
  if (!group.hedge.state || entry.error) return;
  // The group's quantile would fall to that of its quick answers if the slow ones were left out.
  const double waited = seconds_of(entry.ended_us - entry.started_us);
  (call.request.flows() ? group.hedge.state->first_content : group.hedge.state->whole).add(waited);
}

void note_first_content(const Call& call, const Answer& answer) {
  if (answer.mocked) return;
  const std::int64_t now_us = base::unix_now_us();
  const std::int64_t after_us = now_us - call.record.attempts[answer.at].started_us;
  router::note_first_content(*answer.deployment, after_us, window_of(call), ttl_of(call), now_us);
  if (call.hedge) call.hedge->first_content.add(seconds_of(after_us));
}

void note_answer(const Call& call, const Answer& answer) {
  if (answer.mocked) return;
  const domain::Attempt& entry = call.record.attempts[answer.at];
  router::AnswerFigures figures;
  figures.duration_us = std::max<std::int64_t>(entry.ended_us - entry.started_us, 0);
  figures.tokens_written = entry.usage.completion_tokens();
  figures.tokens = entry.usage.prompt_tokens() + figures.tokens_written;
  figures.window = window_of(call);
  figures.ttl_us = ttl_of(call);
  router::note_answer(*answer.deployment, figures, base::unix_now_us());
  tell_took(call.worker, call.gateway, *answer.deployment, figures.duration_us);
  if (call.hedge && !answer.stream) call.hedge->whole.add(seconds_of(figures.duration_us));
}

}  // namespace turnpike::pipeline
