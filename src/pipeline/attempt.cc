#include <algorithm>

#include "base/text.h"
#include "pipeline/attempt.h"
#include "pipeline/counting.h"
#include "pipeline/fetch_media.h"
#include "pipeline/mock.h"
#include "protocol/retry_fields.h"

namespace turnpike::pipeline {
namespace {

constexpr std::size_t kReplyBytesMax = 256 * 1024 * 1024;
constexpr std::size_t kErrorBytesMax = 1024 * 1024;
constexpr std::size_t kErrorTextMax = 500;

const codec::Codec& codec_for(const Call& call, const router::Deployment& deployment) {
  return codec::codec_of(deployment.target, call.request.operation);
}

void begin_attempt(AdmittedCall& admitted, const router::Deployment& deployment, const router::RoutePlan::Stop& stop,
                   Try& now) {
  domain::Attempt entry;
  entry.model_group = stop.group->name;
  entry.deployment_id = deployment.id;
  entry.provider = deployment.target.provider->name;
  entry.model = deployment.target.model;
  entry.api_base = deployment.target.shown_base;
  entry.started_us = base::unix_now_us();
  if (deployment.entry) admitted.call.region = deployment.entry->region_name;
  now.at = admitted.call.record.attempts.size();
  now.sent = false;
  admitted.call.record.attempts.push_back(std::move(entry));
}

/// The record's attempt, found anew after every wait: the list may have moved.
domain::Attempt& entry_of(AdmittedCall& admitted, const Try& now) {
  return admitted.call.record.attempts[now.at];
}

/// An error that holds text of the provider's.
Error without_secrets(Error error, const router::Deployment& deployment, const credential::CredentialRef& credential) {
  provider::hide_secrets(error.message, deployment.target, credential.get());
  provider::hide_secrets(error.detail, deployment.target, credential.get());
  return error;
}

/// The provider's header fields for the caller; some echo what they were asked with.
std::string shown_fields(const http::Incoming& incoming, const router::Deployment& deployment,
                         const credential::CredentialRef& credential) {
  std::string fields = provider_fields(incoming);
  provider::hide_secrets(fields, deployment.target, credential.get());
  return fields;
}

tl::unexpected<Error> failed(AdmittedCall& admitted, const Try& now, Error error) {
  const bool outrun = error.kind == ErrorKind::CallerGone && !admitted.call.cancel->requested();
  if (outrun) {
    error.message = "Another attempt answered first.";
  } else if (error.kind == ErrorKind::CallerGone) {
    error = admitted.call.cancelled();
  }
  domain::Attempt& entry = entry_of(admitted, now);
  if (!outrun) entry.error = error.kind;
  if (error.status != 0) entry.status = error.status;
  entry.error_text = error.message.substr(0, kErrorTextMax);
  entry.ended_us = base::unix_now_us();
  admitted.call.record.upstream_us += entry.ended_us - entry.started_us;
  if (entry.billed) journal_billed(admitted, now.at);
  admitted.call.drain.attempt_failed(admitted.call);
  return base::fail(std::move(error));
}

http::Timeouts timeouts_of(const Call& call, const router::Deployment& deployment, const AttemptLimits& limits) {
  const config::Settings& settings = call.settings();
  http::Timeouts timeouts;
  timeouts.connect = settings.turnpike.connect_timeout;
  timeouts.deadline = limits.deadline;
  timeouts.total = limits.total;
  if (!call.request.flows()) return timeouts;
  timeouts.idle = settings.turnpike.stream_idle_timeout;
  if (call.request.stream_timeout_seconds) {
    timeouts.first_byte = to_milliseconds(*call.request.stream_timeout_seconds);
  } else if (deployment.stream_timeout) {
    timeouts.first_byte = deployment.stream_timeout;
  } else {
    timeouts.first_byte = settings.router.stream_timeout;
  }
  return timeouts;
}

/// What the ids of answers begin with, where we make them.
std::string id_prefix(domain::Operation operation) {
  using domain::Operation;
  if (operation == Operation::Chat) return "chatcmpl-";
  return operation == Operation::Completion ? "cmpl-" : std::string(domain::operation_name(operation)) + "-";
}

protocol::StreamOptions stream_options(const Call& call, const router::Deployment& deployment) {
  protocol::StreamOptions options;
  options.operation = call.request.operation;
  options.shown_model = call.shown_model;
  options.include_usage = call.request.include_usage;
  options.choices = call.request.choices;
  options.fallback_id = id_prefix(call.request.operation) + call.record.record_id;
  options.created_s = call.record.started_us / 1'000'000;
  options.provider_label = deployment.target.provider->label;
  return options;
}

/// Reads until there is something the caller may see: until then a failure can still go elsewhere in silence.
Task<Status> read_first_content(AdmittedCall& admitted, Answer& answer, const Try& now, std::string& early) {
  std::vector<std::string_view> fresh;
  while (!answer.stream->content_seen() && !answer.stream->done()) {
    Result<std::string_view> bytes = co_await answer.incoming->read();
    if (!bytes) co_return base::fail(std::move(bytes.error()));
    fresh.clear();
    if (bytes->empty()) {
      answer.upstream_ended = true;
      if (Status ended = answer.stream->finish(fresh); !ended) co_return ended;
    } else {
      entry_of(admitted, now).billed = true;
      if (Status fed = answer.stream->feed(*bytes, fresh); !fed) co_return fed;
    }
    const bool ready = answer.upstream_ended || answer.stream->content_seen() || answer.stream->done();
    if (ready && early.empty()) {
      answer.pieces = fresh;  // The usual case: the first read brings content and nothing is copied.
      co_return Status{};
    }
    for (const std::string_view piece : fresh) early += piece;
    if (ready) break;
  }
  answer.pieces = {early};
  co_return Status{};
}

/// The answers to the requests that one call became (texts that a provider takes one by one), all in one attempt.
/// `send` of the first has succeeded. On failure the usage of those that came is in the facts.
Task<Status> read_bodies(AdmittedCall& admitted, Answer& answer, const AttemptLimits& limits, Try& now,
                         std::vector<std::string_view>& bodies);

Task<Status> read_whole(AdmittedCall& admitted, Answer& answer, const AttemptLimits& limits, Try& now) {
  std::vector<std::string_view> bodies;
  if (Status read = co_await read_bodies(admitted, answer, limits, now, bodies); !read) co_return read;
  const Call& call = admitted.call;
  const protocol::StreamOptions names = stream_options(call, *answer.deployment);
  protocol::ReplyOptions options;
  options.operation = call.request.operation;
  options.shown_model = call.shown_model;
  options.provider_label = answer.deployment->target.provider->label;
  options.fallback_id = names.fallback_id;
  options.created_s = names.created_s;
  options.content_type = answer.incoming->find("content-type");
  const codec::Codec& codec = codec_for(call, *answer.deployment);
  Result<protocol::ReplyFacts> facts =
      codec.read_replies(options, answer.request, bodies, answer.scratch, answer.pieces);
  if (!facts) {
    answer.facts.usage = codec.usage_of_part(bodies.front());
    answer.facts.text_for_count = codec.text_of_part(bodies.front());
    // An error object inside a 200 was not billed unless it says what it used.
    if (facts.error().kind != ErrorKind::UpstreamMalformed && !answer.facts.usage)
      entry_of(admitted, now).billed = false;
    co_return base::fail(std::move(facts.error()));
  }
  answer.facts = std::move(*facts);
  co_return Status{};
}

bool rejects_stream_options(const Error& error) {
  const bool refused = error.kind == ErrorKind::UpstreamBadRequest || error.kind == ErrorKind::UpstreamUnprocessable;
  return refused && error.message.find("stream_options") != std::string::npos;
}

/// The provider itself said that it does not answer, as opposed to an answer that was lost or cannot be read.
bool says_refused(const Error& error) {
  return base::is_upstream(error.kind) && error.kind != ErrorKind::UpstreamMalformed &&
         error.kind != ErrorKind::UpstreamTruncated && error.kind != ErrorKind::UpstreamConnection;
}

/// Compressed answers were not asked for and cannot be forwarded in pieces.
Status check_encoding(const http::Incoming& incoming, const router::Deployment& deployment) {
  const std::string_view encoding = incoming.find("content-encoding");
  if (encoding.empty() || base::equals_ignoring_case(encoding, "identity")) return {};
  return base::fail(ErrorKind::UpstreamMalformed,
                    "litellm.APIError: " + std::string(deployment.target.provider->label) +
                        "Exception - the answer is compressed (content-encoding: " +
                        std::string(encoding.substr(0, 32)) + ") though accept-encoding said identity");
}

}  // namespace

AttemptLimits limits_of(const Call& call, const router::Deployment& deployment, base::Monotonic share) {
  AttemptLimits limits{share, call.total, call.deadline, share};
  if (call.request.timeout_seconds) return limits;  // The caller's word comes before the deployment's.
  const base::Monotonic now = base::monotonic_now();
  const std::chrono::milliseconds own = deployment.timeout.value_or(call.settings().router.timeout);
  limits.streaming_deadline = std::min(limits.streaming_deadline, now + own);
  if (now + own < limits.deadline) {
    limits.deadline = now + own;
    limits.total = own;
  }
  return limits;
}

codec::Refusal refusal_of(const http::Incoming& incoming, std::string_view body, const router::Deployment& deployment) {
  codec::Refusal refusal;
  refusal.status = incoming.status();
  refusal.body = body;
  refusal.label = deployment.target.provider->label;
  refusal.retry_after = incoming.find("retry-after");
  refusal.error_type = incoming.find("x-amzn-errortype");
  refusal.now_s = base::unix_now_us() / 1'000'000;
  return refusal;
}

namespace {

/// Sends one request; the answer is a success.
Task<Result<std::unique_ptr<http::Incoming>>> send_request(AdmittedCall& admitted, const Answer& answer,
                                                           const codec::Encoded& request, const AttemptLimits& limits,
                                                           Try& now) {
  Call& call = admitted.call;
  const router::Deployment& deployment = *answer.deployment;
  http::Outgoing outgoing;
  outgoing.origin = request.origin ? &*request.origin : &deployment.target.base.origin;
  outgoing.method = request.method;
  outgoing.path = request.path;
  outgoing.fields = request.fields;
  outgoing.body = request.body;
  outgoing.timeouts = timeouts_of(call, deployment, limits);
  if (call.record.fallbacks == 0) {
    call.limit = std::min(outgoing.timeouts.total, outgoing.timeouts.first_byte.value_or(outgoing.timeouts.total));
  }
  now.sent = true;
  Result<std::unique_ptr<http::Incoming>> sent = co_await call.worker.client->send(outgoing, *now.cancel);
  if (!sent) co_return std::move(sent);
  std::unique_ptr<http::Incoming> incoming = std::move(*sent);
  const int status = incoming->status();
  entry_of(admitted, now).status = status;
  if (status >= 200 && status < 300) co_return incoming;

  if (call.refusal_fields.empty()) call.refusal_fields = shown_fields(*incoming, deployment, answer.credential);
  Result<std::string_view> body = co_await incoming->read_all(kErrorBytesMax);
  const std::string_view text = body ? *body : std::string_view();
  codec::Refusal refusal = refusal_of(*incoming, text, deployment);
  const std::string finer(incoming->find("retry-after-ms"));  // Of OpenAI and Azure.
  const std::string finer_wait = finer + "ms";
  if (!finer.empty()) refusal.retry_after = finer_wait;
  Error refused = codec_for(call, deployment).read_error(refusal);
  protocol::heed_retry_fields(refused, [&](std::string_view name) { return incoming->find(name); }, refusal.now_s);
  co_return base::fail(without_secrets(std::move(refused), deployment, answer.credential));
}

Task<Status> read_bodies(AdmittedCall& admitted, Answer& answer, const AttemptLimits& limits, Try& now,
                         std::vector<std::string_view>& bodies) {
  const codec::Codec& codec = codec_for(admitted.call, *answer.deployment);
  // ANSWER is journaled only when the end is not in the same turn.
  answer.incoming->on_partial([&admitted, &answer] {
    admitted.hold.answer(answer.number, admitted.expected.prompt_tokens, prompt_cost(admitted, *answer.deployment));
  });
  Result<std::string_view> body = co_await answer.incoming->read_all(kReplyBytesMax);
  if (!body) entry_of(admitted, now).billed = !answer.incoming->received().empty();
  if (body) entry_of(admitted, now).billed = !body->empty();
  for (const codec::Encoded& next : answer.request.more) {
    if (!body) break;
    bodies.push_back(*body);
    Result<std::unique_ptr<http::Incoming>> incoming = co_await send_request(admitted, answer, next, limits, now);
    if (!incoming) {
      body = base::fail(std::move(incoming.error()));
      break;
    }
    answer.more.push_back(std::move(*incoming));
    if (Status plain = check_encoding(*answer.more.back(), *answer.deployment); !plain) {
      body = base::fail(std::move(plain.error()));
      break;
    }
    body = co_await answer.more.back()->read_all(kReplyBytesMax);
  }
  if (body) {
    bodies.push_back(*body);
    co_return Status{};
  }
  for (const std::string_view part : bodies)
    answer.facts.usage = domain::sum(answer.facts.usage, codec.usage_of_part(part));
  co_return base::fail(std::move(body.error()));
}

/// The type of an answer that is neither JSON nor server-sent events; of those we say it ourselves.
std::string foreign_type(std::string_view type) {
  const bool ours = type.starts_with("application/json") || type.starts_with("text/event-stream");
  return ours ? std::string() : std::string(type);
}

/// Whether the answer is passed on as it comes: what was asked for as a stream, and sound, unless it is an error in
/// disguise.
bool flows(const Call& call, const http::Incoming& incoming) {
  if (call.request.operation != domain::Operation::Speech) return call.request.stream;
  return !incoming.find("content-type").starts_with("application/json");
}

/// A provider without a model that writes text is not asked for one.
Status check_served(const Call& call, const router::Deployment& deployment) {
  if (!domain::writes_text(call.request.operation)) return {};
  const provider::Provider& provider = *deployment.target.provider;
  const bool chat = provider.serves.find("chat") != std::string_view::npos;
  const bool completions = provider.serves.find("completions") != std::string_view::npos;
  if (chat || completions) return {};
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = "model";
  error.message = std::string(provider.label) + " serves no chat or completions here; it serves " +
                  std::string(provider.serves) + " (model " + deployment.target.model + ").";
  return base::fail(std::move(error));
}

/// The caller's header field that the dialect asks for, as a line. Items of the list that could not be words are left
/// out.
std::string forwarded_field(const Call& call, std::string_view name) {
  constexpr std::size_t kBytesMax = 1024;
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
  if (name.empty() || !domain::writes_text(call.request.operation)) return {};
  std::string items;
  for (const http::Field& field : call.exchange.request().fields) {
    if (!base::equals_ignoring_case(field.name, name)) continue;
    for (const std::string_view part : base::split(field.value, ',')) {
      const std::string_view item = base::trim(part);
      const bool plain = item.find_first_not_of(kPlain) == std::string_view::npos;
      if (item.empty() || !plain || items.size() + item.size() > kBytesMax) continue;
      items.append(items.empty() ? "" : ",").append(item);
    }
  }
  return items.empty() ? items : std::string(name) + ": " + items + "\r\n";
}

/// Nothing but the word that it was filtered has come, or the whole answer says so.
bool was_filtered(const Answer& answer) {
  constexpr std::string_view kFiltered = "content_filter";
  if (answer.stream == nullptr) return answer.facts.finish_reason == kFiltered;
  return answer.stream->finish_reason() == kFiltered && answer.stream->text_bytes() == 0;
}

/// The error a filtered answer is taken for.
Error filtered(const router::Deployment& deployment) {
  Error error;
  error.kind = ErrorKind::UpstreamContentPolicy;
  error.status = 400;
  error.code = "content_filter";
  error.message = "litellm.ContentPolicyViolationError: litellm.BadRequestError: " +
                  std::string(deployment.target.provider->label) + "Exception - the answer was filtered";
  return error;
}

/// One request to one deployment, answered or not.
Task<Result<AnswerRef>> exchange_once(AdmittedCall& admitted, const router::DeploymentRef& deployment,
                                      const router::RoutePlan::Stop& stop, const AttemptLimits& limits, Try& now) {
  Call& call = admitted.call;
  if (Status served = check_served(call, *deployment); !served)
    co_return failed(admitted, now, std::move(served.error()));
  const codec::Codec& codec = codec_for(call, *deployment);
  Result<credential::CredentialRef> credential = co_await deployment->target.credential->get(
      {*call.worker.thread, *call.worker.client, *now.cancel, limits.deadline, base::unix_now_us() / 1'000'000});
  if (!credential) co_return failed(admitted, now, std::move(credential.error()));

  const std::string traceparent =
      call.settings().litellm.forward_traceparent_to_llm_provider || !call.trace.parent_span_id.empty()
          ? call.trace.header()
          : std::string();
  codec::EncodeInput input(call.request, deployment->target, **credential, prices_of(*deployment).traits);
  input.overrides_json = stop.overrides_json;
  input.ask_usage = now.ask_usage;
  input.traceparent = traceparent;
  const std::string forwarded = forwarded_field(call, codec.caller_field());
  input.forward_fields = forwarded;
  input.now_s = base::unix_now_us() / 1'000'000;
  if (std::vector<std::string> urls = codec.urls_to_fetch(input); !urls.empty()) {
    if (Status fetched = co_await fetch_media(call, std::move(urls), limits, *now.cancel); !fetched) {
      co_return failed(admitted, now, std::move(fetched.error()));
    }
    input.fetched = &call.fetched;
    input.now_s = base::unix_now_us() / 1'000'000;
  }
  Result<codec::Encoded> encoded = codec.encode(input);
  if (!encoded) co_return failed(admitted, now, std::move(encoded.error()));

  if (!admitted.hold.attempt(static_cast<std::uint32_t>(now.at + 1), deployment->id,
                             call.snapshot->prices->version())) {
    co_return failed(admitted, now, ledger::journal_full());
  }
  auto answer = std::make_unique<Answer>();
  answer->deployment = deployment;
  answer->at = now.at;
  answer->number = static_cast<std::uint32_t>(now.at + 1);
  answer->request = std::move(*encoded);
  answer->credential = std::move(*credential);
  call.drain.asked(call, *deployment);
  Result<std::unique_ptr<http::Incoming>> incoming =
      co_await send_request(admitted, *answer, answer->request, limits, now);
  if (!incoming) {
    // AWS says 403 of a session that has ended.
    const bool refused =
        entry_of(admitted, now).status == 401 || incoming.error().kind == ErrorKind::UpstreamUnauthenticated;
    now.renewed = refused && deployment->target.credential->refused(answer->credential);
    co_return failed(admitted, now, std::move(incoming.error()));
  }
  answer->incoming = std::move(*incoming);
  answer->extra_fields = shown_fields(*answer->incoming, *deployment, answer->credential);
  Status read;
  if (Status plain = check_encoding(*answer->incoming, *deployment); !plain) {
    read = std::move(plain);
  } else if (flows(call, *answer->incoming)) {
    protocol::StreamOptions options = stream_options(call, *deployment);
    options.content_type = answer->incoming->find("content-type");
    answer->stream = codec.follow(std::move(options), answer->request);
    read = co_await read_first_content(admitted, *answer, now, answer->scratch);
    if (read) answer->incoming->set_deadline(limits.streaming_deadline);
  } else {
    read = co_await read_whole(admitted, *answer, limits, now);
  }
  if (read && limits.catch_filtered && was_filtered(*answer)) read = base::fail(filtered(*deployment));
  // What writes text is answered in OpenAI's forms, whatever frames it came in.
  if (!domain::writes_text(call.request.operation)) {
    answer->content_type = foreign_type(answer->incoming->find("content-type"));
  }
  if (!read) {
    const protocol::ReplyStream* stream = answer->stream.get();
    // What a provider refuses before it has begun an answer it does not bill, though it says so in a 200 (AC-ERR-2).
    if (stream != nullptr && says_refused(read.error()) && !stream->choice_seen() && !stream->usage())
      entry_of(admitted, now).billed = false;
    if (entry_of(admitted, now).billed && stream != nullptr) {
      co_await bill_attempt(admitted, now.at, *deployment, stream->usage(), stream->service_tier(),
                            stream->text_for_count(), stream->text_bytes());
    } else if (entry_of(admitted, now).billed) {
      std::string& text = answer->facts.text_for_count;
      if (text.empty()) text = codec.text_of_part(answer->incoming->received());
      co_await bill_attempt(admitted, now.at, *deployment, answer->facts.usage, {}, text, text.size());
    }
    co_return failed(admitted, now, without_secrets(std::move(read.error()), *deployment, answer->credential));
  }
  co_return answer;
}

/// Whether the same deployment may be asked again at once, beside the retries of the plan.
bool may_repeat(const Call& call, const Try& now) {
  return static_cast<int>(call.record.attempts.size()) < router::RetryPolicy{}.attempts_max && !now.cancel->requested();
}

}  // namespace

Task<Result<AnswerRef>> attempt(AdmittedCall& admitted, const router::Pick& pick, const router::RoutePlan::Stop& stop,
                                AttemptLimits limits, Try& now) {
  Call& call = admitted.call;
  const router::DeploymentRef deployment = pick.deployment;
  begin_attempt(admitted, *deployment, stop, now);
  if (is_mocked(call, *deployment)) {
    Result<AnswerRef> mocked = co_await mock_attempt(call, deployment, stream_options(call, *deployment), limits);
    if (!mocked) co_return failed(admitted, now, std::move(mocked.error()));
    if (*mocked != nullptr) {
      domain::Attempt& entry = entry_of(admitted, now);
      entry.status = 200;
      entry.ended_us = base::unix_now_us();
      co_return mocked;
    }
  }

  router::Health& health = *deployment->health;
  now.ask_usage = !health.refuses_stream_options.load(std::memory_order_relaxed);
  Result<AnswerRef> answer = co_await exchange_once(admitted, deployment, stop, limits, now);
  if (!answer && now.ask_usage && call.request.stream && rejects_stream_options(answer.error()) &&
      may_repeat(call, now)) {
    // AC-OAI-2: the field was ours, so the refusal is not the caller's; once without it, and remembered.
    health.refuses_stream_options.store(true, std::memory_order_relaxed);
    now.ask_usage = false;
    ++call.record.retries;
    begin_attempt(admitted, *deployment, stop, now);
    answer = co_await exchange_once(admitted, deployment, stop, limits, now);
  }
  if (!answer && now.renewed && may_repeat(call, now)) {
    // An access token was taken back before its end: once more with a fresh one.
    ++call.record.retries;
    begin_attempt(admitted, *deployment, stop, now);
    answer = co_await exchange_once(admitted, deployment, stop, limits, now);
  }
  co_return answer;
}

}  // namespace turnpike::pipeline
