#include "pipeline/idempotency.h"

#include "pipeline/call.h"

namespace turnpike::pipeline {
namespace {

constexpr std::string_view kHeader = "idempotency-key";
constexpr std::size_t kKeyBytesMax = 255;

KeptAnswersLimits limits_of(const config::TurnpikeSettings& ours) {
  return {ours.idempotency_lifetime, static_cast<std::size_t>(ours.idempotency_entries_max),
          ours.idempotency_bytes_max};
}

/// Whose key it is: the same word of two callers is two keys.
base::Sha256 key_digest(const Call& call, std::string_view key) {
  const domain::Caller& caller = *call.caller;
  constexpr std::string_view kEnd("\0", 1);
  const std::string_view pieces[] = {
      caller.key_hash_hex, kEnd, caller.user_id, kEnd, caller.team_id, kEnd, caller.end_user, kEnd, key};
  return base::sha256(pieces);
}

base::Sha256 body_digest(const Call& call, std::string_view path_model) {
  constexpr std::string_view kEnd("\0", 1);
  const std::string_view pieces[] = {domain::operation_name(call.record.operation), kEnd, path_model, kEnd,
                                     call.exchange.request().body};
  return base::sha256(pieces);
}

}  // namespace

/// Whoever asks, until he is told or leaves; its thread's own.
struct Idempotency::Wait {
  explicit Wait(net::IoThread& thread_in) : thread(thread_in) {}
  net::IoThread& thread;
  base::Signal changed;
  bool told = false, left = false;
  KeptAnswers::Turn turn = KeptAnswers::Turn::Other;
  KeptAnswerRef answer;
};

void Idempotency::show_size() {
  counters.entries.store(answers_.entries(), std::memory_order_relaxed);
  counters.bytes.store(answers_.bytes(), std::memory_order_relaxed);
  counters.evicted.store(answers_.evicted(), std::memory_order_relaxed);
  counters.joined.store(answers_.joined(), std::memory_order_relaxed);
}

void Idempotency::post_ask(const base::Sha256& key, const base::Sha256& body, const KeptAnswersLimits& limits,
                           const std::shared_ptr<Wait>& wait) {
  // From the owner's thread to the one that asks; who has left meanwhile hands his turn on.
  auto tell = [self = shared_from_this(), key, limits, wait](KeptAnswers::Turn turn, KeptAnswerRef answer) {
    wait->thread.post([self, key, limits, wait, turn, answer = std::move(answer)] {
      if (wait->left) {
        if (turn == KeptAnswers::Turn::Yours) self->post_finish(key, nullptr, limits);
        return;
      }
      wait->told = true;
      wait->turn = turn;
      wait->answer = answer;
      wait->changed.fire();
    });
  };
  owner_.post([self = shared_from_this(), key, body, limits, tell = std::move(tell)] {
    self->answers_.ask(key, body, limits, base::monotonic_now(), tell);
    self->show_size();
  });
}

void Idempotency::post_finish(const base::Sha256& key, KeptAnswerRef answer, const KeptAnswersLimits& limits) {
  owner_.post([self = shared_from_this(), key, answer = std::move(answer), limits] {
    self->answers_.finish(key, answer, limits, base::monotonic_now());
    self->show_size();
  });
}

Task<Result<Idempotency::Found>> Idempotency::ask(Call& call, base::Sha256 key, base::Sha256 body) {
  const config::TurnpikeSettings& ours = call.settings().turnpike;
  const KeptAnswersLimits limits = pipeline::limits_of(ours);
  const auto wait = std::make_shared<Wait>(*call.worker.thread);
  post_ask(key, body, limits, wait);
  const base::Monotonic began = base::monotonic_now();
  const auto left = std::max(call.deadline - began, base::Monotonic::duration::zero());
  const auto timer =
      call.worker.thread->after(std::chrono::ceil<std::chrono::milliseconds>(left), [wait] { wait->changed.fire(); });
  call.cancel->set_action([wait] { wait->changed.fire(); });
  if (!call.cancel->requested()) co_await wait->changed;
  call.cancel->set_action({});
  wait->left = true;
  if (!wait->told) {
    if (call.cancel->requested()) co_return base::fail(call.cancelled());
    co_return base::fail(ErrorKind::Timeout,
                         "The same call (Idempotency-Key) was still under way when this one's time was over.");
  }
  switch (wait->turn) {
    case KeptAnswers::Turn::Yours:
      co_return std::make_unique<Turn>(shared_from_this(), key, limits, ours.idempotency_answer_bytes_max);
    case KeptAnswers::Turn::Kept:
      counters.replayed.fetch_add(1, std::memory_order_relaxed);
      co_return std::move(wait->answer);
    case KeptAnswers::Turn::Other:
      break;
  }
  counters.refused.fetch_add(1, std::memory_order_relaxed);
  Error error;
  error.kind = ErrorKind::Conflict;
  error.code = "idempotency_key_reused";
  error.param = kHeader;
  error.message =
      "This Idempotency-Key was used for another request; use a new key for each request, and the same "
      "key only to send the same request again.";
  co_return base::fail(std::move(error));
}

Idempotency::Turn::~Turn() {
  if (!finished_) of_->post_finish(key_, nullptr, limits_);
}

void Idempotency::Turn::keep(http::Pieces pieces) {
  for (const std::string_view piece : pieces) {
    too_long_ = too_long_ || body_.size() + piece.size() > bytes_max_;
    if (too_long_) break;
    body_ += piece;
  }
}

void Idempotency::Turn::finish(const Call& call, const Answer& answer) {
  if (too_long_) {
    of_->counters.too_long.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  finished_ = true;
  auto kept = std::make_shared<KeptAnswer>();
  kept->call_id = call.record.call_id;
  kept->model_group = call.record.model_group;
  kept->deployment_id = call.record.attempts.empty() ? "" : call.record.attempts.back().deployment_id;
  kept->content_type = answer.content_type;
  kept->provider_fields = answer.extra_fields;
  kept->body = std::move(body_);
  kept->stream = answer.stream || (call.request.stream && domain::writes_text(call.request.operation));
  of_->post_finish(key_, std::move(kept), limits_);
}

void observe(telemetry::Metrics& metrics, const Idempotency& idempotency) {
  using Kind = telemetry::Metrics::Kind;
  const auto show = [&](const char* name, const char* help, Kind kind, const std::atomic<std::uint64_t>& value) {
    metrics.observe(name, help, kind, [&value] { return static_cast<double>(value.load(std::memory_order_relaxed)); });
  };
  const IdempotencyCounters& counters = idempotency.counters;
  show("turnpike_idempotent_replays_total",
       "Calls answered by the answer of an earlier one with their Idempotency-Key.", Kind::Counter, counters.replayed);
  show("turnpike_idempotent_waits_total", "Calls that waited for the same call, which was under way.", Kind::Counter,
       counters.joined);
  show("turnpike_idempotent_conflicts_total", "Calls refused: their Idempotency-Key stood for another request.",
       Kind::Counter, counters.refused);
  show("turnpike_idempotent_too_long_total", "Answers not kept: longer than idempotency_answer_bytes_max.",
       Kind::Counter, counters.too_long);
  show("turnpike_idempotent_evicted_total", "Answers dropped before their time for want of room.", Kind::Counter,
       counters.evicted);
  show("turnpike_idempotent_answers", "Answers kept.", Kind::Gauge, counters.entries);
  show("turnpike_idempotent_bytes", "Bytes of the answers kept.", Kind::Gauge, counters.bytes);
}

namespace {

/// The answer of an earlier call, under this one's own id: an entry of its own that costs nothing.
Task<Status> replay(Call& call, const KeptAnswer& kept) {
  Result<AdmittedCall> admitted = admit_replay(call);
  if (!admitted) co_return base::fail(std::move(admitted.error()));
  call.record.model_group = kept.model_group;
  call.record.marks |= domain::kReplayed;
  call.record.http_status = 200;
  call.record.first_byte_us = base::unix_now_us();
  call.record.reply_bytes = kept.body.size();
  call.record.end_reason = "replayed";
  settle(*admitted, domain::EntryStatus::Success);
  co_await ledger::Hold::durable(*call.gateway.ledger);

  std::string fields = reply_fields(call, kept.provider_fields, true);
  if (!kept.deployment_id.empty()) http::add_field(fields, "x-litellm-model-id", kept.deployment_id);
  http::add_field(fields, "Idempotent-Replayed", "true");
  http::add_field(fields, "x-turnpike-first-call-id", kept.call_id);
  http::ReplyHead head;
  if (kept.stream) {
    head = stream_head(std::move(fields), kept.content_type);
  } else {
    if (!kept.content_type.empty()) head.content_type = kept.content_type;
    head.fields = std::move(fields);
  }
  const std::string_view pieces[] = {kept.body};
  if (Status sent = co_await call.exchange.reply(head, pieces); !sent) call.record.http_status = 499;
  co_return Status{};
}

}  // namespace

Task<Result<bool>> replay_or_begin(Call& call, std::string_view path_model) {
  const std::string_view key = call.exchange.request().find(kHeader);
  if (key.empty() || call.own != nullptr || !call.gateway.idempotency) co_return false;
  if (call.settings().turnpike.idempotency_lifetime <= std::chrono::milliseconds(0)) co_return false;
  if (key.size() > kKeyBytesMax) {
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.param = kHeader;
    error.message = "The Idempotency-Key may have at most 255 characters.";
    co_return base::fail(std::move(error));
  }
  Result<Idempotency::Found> found =
      co_await call.gateway.idempotency->ask(call, key_digest(call, key), body_digest(call, path_model));
  if (!found) co_return base::fail(std::move(found.error()));
  if (auto* turn = std::get_if<std::unique_ptr<Idempotency::Turn>>(&*found)) {
    call.idempotent = std::move(*turn);
    co_return false;
  }
  const KeptAnswerRef kept = std::get<KeptAnswerRef>(*found);
  if (Status replayed = co_await replay(call, *kept); !replayed) co_return base::fail(std::move(replayed.error()));
  co_return true;
}

}  // namespace turnpike::pipeline
