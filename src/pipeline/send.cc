#include <fmt/core.h>

#include "base/fault.h"
#include "base/log.h"
#include "pipeline/limits.h"
#include "pipeline/note.h"
#include "pipeline/target_limits.h"
#include "pipeline/texts.h"
#include "protocol/openai_stream.h"

namespace turnpike::pipeline {
namespace {

using domain::EntryStatus;

void note_success_facts(Call& call, const protocol::ReplyFacts& facts) {
  call.record.provider_request_id = facts.id;
  call.record.end_reason = facts.finish_reason;
  domain::Measures& measures = call.request.measures;
  if (facts.images > 0) measures.images = facts.images;
  if (facts.audio_ms > 0) {
    measures.audio_ms = facts.audio_ms;
    measures.audio_said = true;
  }
}

/// Ends the attempt's clock and adds it to the time spent waiting for providers.
void end_attempt(Call& call) {
  domain::Attempt& entry = call.record.attempts.back();
  if (entry.ended_us != 0) return;
  entry.ended_us = base::unix_now_us();
  call.record.upstream_us += entry.ended_us - entry.started_us;
}

void mark_gone(Call& call) {
  call.record.marks |= domain::kClientDisconnected;
  call.record.error = ErrorKind::CallerGone;
  call.record.error_text = "The caller closed the connection.";
  call.record.http_status = 499;
}

std::size_t total_bytes(const std::vector<std::string_view>& pieces) {
  std::size_t total = 0;
  for (const std::string_view piece : pieces) total += piece.size();
  return total;
}

/// Reads the few framing bytes that may follow [DONE], so that the connection can serve again; off the caller's path.
Task<void> drain(net::IoThread& thread, std::unique_ptr<http::Incoming> incoming,
                 std::unique_ptr<http::Cancel> cancel) {
  const auto timer = thread.after(std::chrono::seconds(1), [&cancel] { cancel->request(); });
  for (int reads = 0; reads < 8; ++reads) {
    Result<std::string_view> rest = co_await incoming->read();
    if (!rest || rest->empty()) break;
  }
}

/// Seconds as scripts of LiteLLM know them, a float's text: 1.0, 0.25.
std::string seconds_text(std::chrono::milliseconds length) {
  std::string text = fmt::format("{}", static_cast<double>(length.count()) / 1000.0);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

}  // namespace

http::ReplyHead stream_head(std::string fields, std::string_view type) {
  http::ReplyHead head;
  head.status = 200;
  head.content_type = type.empty() ? "text/event-stream; charset=utf-8" : type;
  head.fields = std::move(fields);
  head.fields += "Cache-Control: no-cache\r\nX-Accel-Buffering: no\r\n";
  return head;
}

void begin_stream(Call& call, std::string_view provider_fields, std::string_view type) {
  if (call.exchange.head_sent()) return;
  call.exchange.begin_stream(stream_head(reply_fields(call, provider_fields, false), type));
}

Task<void> send_whole(AdmittedCall& admitted, AnswerRef answer) {
  Call& call = admitted.call;
  end_attempt(call);
  answer->slot.end();
  note_success_facts(call, answer->facts);
  if (!answer->mocked) {
    co_await bill_attempt(admitted, answer->at, *answer->deployment, answer->facts.usage, answer->facts.service_tier,
                          answer->facts.text_for_count, answer->facts.text_for_count.size());
    settle_target(call, answer->limits, call.record.attempts[answer->at], true);
    note_answer(call, *answer);
  } else {
    undo_limits(answer->limits);
    call.record.attempts.back().usage = answer->facts.usage.value_or(domain::Usage{});
  }
  std::string owed;  // The caller reads the figures that are booked.
  if (answer->facts.owes_usage) {
    owed = ",\"usage\":" + protocol::usage_json(call.request.operation, call.record.attempts.back().usage) + "}";
    answer->pieces.push_back(owed);
  }
  call.record.http_status = 200;
  call.record.reply_bytes = answer->mocked ? answer->scratch.size() : total_bytes(answer->pieces);
  call.record.first_byte_us = base::unix_now_us();
  const bool gone = call.exchange.caller_gone();
  if (gone) mark_gone(call);
  settle(admitted, gone ? EntryStatus::Aborted : EntryStatus::Success);
  if (answer->mocked) answer->pieces = {answer->scratch};
  keep_pieces(call, answer->pieces);
  if (call.idempotent) call.idempotent->finish(call, *answer);  // Also when the caller has gone: he will ask again.
  co_await ledger::Hold::durable(*call.gateway.ledger);
  if (gone) co_return;
  fault::kill_at("reply.before_last_byte");

  std::string fields = reply_fields(call, answer->extra_fields, true);
  http::ReplyHead head;
  if (call.request.stream && domain::writes_text(call.request.operation)) {
    head = stream_head(std::move(fields), {});  // A mocked stream is sent whole.
  } else {
    if (!answer->content_type.empty()) head.content_type = answer->content_type;
    head.fields = std::move(fields);
  }
  const bool begun = std::exchange(call.only_comments, false);
  const Status sent =
      begun ? co_await call.exchange.finish(answer->pieces) : co_await call.exchange.reply(head, answer->pieces);
  if (!sent) {
    // The entry stands: the provider did the work and the whole answer was ready.
    call.record.http_status = 499;
  }
  keep_fields(std::move(head.fields));
  fault::kill_at("reply.after_last_byte");
}

Task<void> send_stream(AdmittedCall& admitted, AnswerRef answer) {
  Call& call = admitted.call;
  protocol::ReplyStream& stream = *answer->stream;
  call.drain.asked(call, *answer->deployment);
  note_first_content(call, *answer);
  begin_stream(call, answer->extra_fields, answer->content_type);
  call.only_comments = false;
  call.record.http_status = 200;
  call.record.first_byte_us = base::unix_now_us();
  base::Monotonic last_progress = call.started;
  std::vector<std::string_view> pieces = std::move(answer->pieces);
  Status broken;
  bool caller_gone = false;
  bool answered = false;  // ANSWER is journaled only when the end is not in the same turn.
  while (!stream.done() && !answer->upstream_ended) {
    if (!answered) {
      admitted.hold.answer(answer->number, admitted.expected.prompt_tokens, prompt_cost(admitted, *answer->deployment));
      answered = true;
      fault::kill_at("answer.first_byte");
    }
    if (!pieces.empty()) {
      call.record.reply_bytes += total_bytes(pieces);
      keep_pieces(call, pieces);
      if (!call.drain.running()) {
        const Status sent = co_await call.exchange.write(pieces);
        caller_gone = !sent && !call.drain.running();
      }
      if (caller_gone) break;
      pieces.clear();
      call.written_at = base::monotonic_now();
      fault::kill_at("stream.mid");
    }
    Result<std::string_view> bytes = co_await answer->incoming->read();
    if (!bytes && bytes.error().kind != ErrorKind::CallerGone && stream.complete()) {
      // Every choice has its finish_reason: what broke or fell silent had nothing more to say (AC-ERR-1).
      answer->upstream_ended = true;
      broken = stream.finish(pieces);
      break;
    }
    if (!bytes) {
      Error error = bytes.error().kind == ErrorKind::CallerGone ? call.cancelled() : std::move(bytes.error());
      caller_gone = error.kind == ErrorKind::CallerGone;
      if (!caller_gone) broken = base::fail(std::move(error));
      break;
    }
    if (bytes->empty()) {
      answer->upstream_ended = true;
      broken = stream.finish(pieces);
      break;
    }
    if (broken = stream.feed(*bytes, pieces); !broken) break;
    if (!follow_stream(admitted, *answer->deployment, stream, last_progress)) continue;
    if (broken = co_await check_stream_budget(admitted, *answer->deployment, stream); !broken) break;
  }

  end_attempt(call);
  call.record.provider_request_id = stream.id();
  call.record.end_reason = stream.finish_reason();
  call.record.attempts.back().billed = true;
  if (stream.sound_milliseconds() > 0) call.request.measures.audio_ms = stream.sound_milliseconds();
  answer->slot.end();
  co_await bill_attempt(admitted, answer->at, *answer->deployment, stream.usage(), stream.service_tier(),
                        stream.text_for_count(), stream.text_bytes());
  settle_target(call, answer->limits, call.record.attempts[answer->at], true);
  if (broken && !caller_gone) {
    note_answer(call, *answer);
    // The caller reads the figures that are booked.
    if (stream.owes_usage()) pieces.push_back(stream.last_events(call.record.attempts.back().usage));
    keep_pieces(call, pieces);
    if (call.idempotent) call.idempotent->finish(call, *answer);  // A drained one as well.
  }

  if (caller_gone || call.exchange.caller_gone()) {
    mark_gone(call);
    settle(admitted, EntryStatus::Aborted);
    co_return;
  }
  std::string ending;
  if (!broken) {
    provider::hide_secrets(broken.error().message, answer->deployment->target, answer->credential.get());
    const Error& error = broken.error();
    const bool cut = error.kind == ErrorKind::BudgetSpent;
    call.record.marks |= error.kind == ErrorKind::Timeout ? domain::kTimeout : domain::kTruncated;
    if (cut) call.record.marks |= domain::kBudgetCut;
    if (call.exchange.interrupted()) call.record.marks |= domain::kShutdown;
    call.record.error = error.kind;
    call.record.error_text = error.message;
    call.record.end_reason = domain::kind_name(error.kind);
    call.record.attempts.back().error = error.kind;
    call.record.attempts.back().error_text = error.message;
    if (!call.exchange.interrupted() && !cut) note_broken_stream(call, *answer, error);
    settle(admitted, EntryStatus::Failure);
    if (!answer->content_type.empty()) {
      call.exchange.cut();  // Nobody could tell an event from sound.
      co_return;
    }
    ending = protocol::broken_stream_events(error);
    pieces.push_back(ending);
  } else {
    settle(admitted, EntryStatus::Success);
  }
  call.record.reply_bytes += total_bytes(pieces);
  co_await ledger::Hold::durable(*call.gateway.ledger);
  fault::kill_at("reply.before_last_byte");
  if (Status sent = co_await call.exchange.finish(pieces); !sent) call.record.http_status = 499;
  fault::kill_at("reply.after_last_byte");
  if (broken && !answer->upstream_ended && answer->incoming && !answer->incoming->ended())
    base::spawn(drain(*call.worker.thread, std::move(answer->incoming), std::move(call.cancel)));
}

int status_for(const Call& call, const Error& error) {
  if (error.kind == ErrorKind::CallerGone) return 499;
  return call.only_comments ? 200 : protocol::status_of(error, call.snapshot->compat);
}

Task<void> send_error(Call& call, const Error& error) {
  const bool begun = call.exchange.head_sent();
  if (!begun || call.only_comments) call.record.http_status = status_for(call, error);
  if (error.kind == ErrorKind::CallerGone || (begun && !call.only_comments)) {
    call.exchange.cut();
    co_return;
  }
  if (begun) {
    const std::string ending = protocol::broken_stream_events(error);
    call.record.reply_bytes = ending.size();
    const std::string_view last[] = {ending};
    co_await call.exchange.finish(last);
    co_return;
  }
  http::ReplyHead head;
  head.status = call.record.http_status;
  head.fields = reply_fields(call, base::is_upstream(error.kind) ? std::string_view(call.refusal_fields) : "", true);
  head.fields += protocol::error_fields(error);
  if (error.kind == ErrorKind::Timeout) {
    http::add_field(head.fields, "x-litellm-timeout", seconds_text(call.limit));
  }
  const std::string body = protocol::openai_error_body(error, call.snapshot->compat);
  call.record.reply_bytes = body.size();
  const std::string_view pieces[] = {body};
  co_await call.exchange.reply(head, pieces);
}

}  // namespace turnpike::pipeline
