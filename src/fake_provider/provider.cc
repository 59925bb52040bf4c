#include "fake_provider/provider.h"

#include <fmt/core.h>

#include <array>
#include <optional>

#include "base/hash.h"
#include "fake_provider/answer.h"
#include "fake_provider/messages.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

constexpr std::size_t kRequestsMax = 100;
constexpr std::size_t kFailedMax = 100'000;

/// A provider key is named by a part of its hash, so that no report shows one.
std::string key_label(const http::Request& request) {
  std::string_view key = request.find("authorization");
  if (key.starts_with("Bearer ")) key.remove_prefix(7);
  if (key.empty()) key = request.find("x-api-key");
  if (key.empty()) return "none";
  return base::sha256_hex(key).substr(0, 12);
}

std::optional<AskKind> kind_of(std::string_view path) {
  if (path.starts_with("/v1/")) path.remove_prefix(3);
  if (path == "/chat/completions") return AskKind::Chat;
  if (path == "/completions") return AskKind::Completion;
  if (path == "/embeddings") return AskKind::Embedding;
  if (path == "/messages") return AskKind::Messages;
  return std::nullopt;
}

std::chrono::milliseconds ms(std::int64_t count) {
  return std::chrono::milliseconds(count);
}

}  // namespace

/// One call being answered; makes sure that it is accounted for once, whatever way it ends.
struct Provider::Call {
  Call(Provider& provider, http::Exchange& exchange, std::string label_in)
      : provider_(provider),
        exchange_(exchange),
        thread(exchange.thread().index()),
        label(std::move(label_in)),
        key(key_label(exchange.request())) {
    provider_.account_.began(thread, label);
    exchange_.on_gone([this] {
      end(Served::Aborted, 499);
      gone.fire();
    });
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    exchange_.on_gone({});
    end(Served::Broken, status);
  }

  void end(Served how, int with_status) {
    if (ended_) return;
    ended_ = true;
    EndedCall ended{how, with_status, label, key, ask.model, id, tokens, sent_tokens >= 0};
    if (how != Served::Whole) ended.tokens.completion = std::max<std::int64_t>(sent_tokens, 0);
    ended.tokens.reasoning = std::min(ended.tokens.reasoning, ended.tokens.completion);
    provider_.account_.ended(thread, ended);
  }

 private:
  Provider& provider_;
  http::Exchange& exchange_;
  bool ended_ = false;

 public:
  std::size_t thread;
  std::string label;
  std::string key;
  Ask ask;
  Tokens tokens;
  std::string id;
  std::int64_t sent_tokens = -1;  // Of the completion; below 0: nothing of an answer has left.
  int status = 200;
  base::Signal gone;
};

Provider::Provider(std::size_t threads, std::size_t answers_max, Script defaults)
    : account_(threads, answers_max),
      start_script_(std::move(defaults)),
      defaults_(std::make_shared<const Script>(start_script_)),
      numbers_(threads * 8) {}

void Provider::set_script(std::string_view label, Script script) {
  const std::lock_guard lock(mutex_);
  if (label.empty()) {
    defaults_ = std::make_shared<const Script>(std::move(script));
  } else {
    scripts_.insert_or_assign(std::string(label), std::move(script));
  }
}

void Provider::reset() {
  account_.reset();
  const std::lock_guard lock(mutex_);
  failed_.clear();
  requests_.clear();
}

Script Provider::script_of(std::string_view label) {
  const std::lock_guard lock(mutex_);
  const auto found = scripts_.find(label);
  return found != scripts_.end() ? found->second : *defaults_;
}

bool Provider::fails_this_time(const Ask& ask) {
  if (ask.script.status == 0) return false;
  if (ask.script.fail_times < 0) return true;
  const std::lock_guard lock(mutex_);
  if (failed_.size() > kFailedMax) failed_.clear();
  return failed_[ask.content_hash]++ < ask.script.fail_times;
}

void Provider::keep_request(const http::Exchange& exchange) {
  const http::Request& request = exchange.request();
  std::string text = R"({"method":)" + json::quoted(request.method_text) + R"(,"target":)" +
                     json::quoted(request.target) + R"(,"headers":[)";
  bool first = true;
  for (const http::Field& field : request.fields) {
    if (!first) text += ',';
    first = false;
    text += '[' + json::quoted(field.name) + ',' + json::quoted(field.value) + ']';
  }
  text += R"(],"body":)" + json::quoted(request.body) + "}";
  const std::lock_guard lock(mutex_);
  if (requests_.size() < kRequestsMax) requests_.push_back(std::move(text));
}

Task<void> Provider::send_error(http::Exchange& exchange, Call& call, int status, std::string body) {
  call.status = status;
  http::ReplyHead head;
  head.status = status;
  if (call.ask.kind == AskKind::Messages) body = messages_error(status, "scripted error");
  if (call.ask.script.retry_after >= 0) {
    http::add_field(head.fields, "retry-after", std::to_string(call.ask.script.retry_after));
  }
  const std::array<std::string_view, 1> pieces = {body};
  const Status sent = co_await exchange.reply(head, pieces);
  call.end(sent ? Served::Error : Served::Aborted, status);
}

Task<void> Provider::answer(http::Exchange& exchange, AskKind kind, std::string_view path_directives) {
  Script in_path;
  static_cast<void>(apply_list(in_path, path_directives));  // What is wrong with it is said below.
  Call call(*this, exchange, in_path.label);
  Script script = script_of(in_path.label);
  std::string wrong;
  if (auto applied = apply_list(script, path_directives); !applied) wrong = applied.error().message;
  auto ask = parse_ask(kind, exchange.request().body, script);
  if (!ask) wrong = ask.error().message;
  if (!wrong.empty()) {
    std::string body = error_body(400, "", wrong);
    co_await send_error(exchange, call, 400, std::move(body));
    co_return;
  }
  call.ask = std::move(*ask);
  call.tokens = tokens_of(call.ask);
  // Eight numbers apart, threads do not share a cache line.
  call.id = answer_id(call.ask, ++numbers_[call.thread * 8] * 64 + call.thread);
  const Script& wish = call.ask.script;
  if (wish.record) keep_request(exchange);
  if (wish.silent) {
    co_await call.gone;
    co_return;
  }
  if (wish.latency_ms > 0) co_await exchange.thread().sleep(ms(wish.latency_ms));
  if (exchange.caller_gone()) co_return;
  if (wish.reset) {
    exchange.cut();
    co_return;
  }
  if (!wish.require_key.empty() && exchange.request().find("authorization") != "Bearer " + wish.require_key &&
      exchange.request().find("x-api-key") != wish.require_key) {
    std::string body = error_body(401, "invalid_api_key", "Incorrect API key provided.");
    co_await send_error(exchange, call, 401, std::move(body));
    co_return;
  }
  if (call.ask.has_stream_options && wish.is_odd("reject_stream_options")) {
    std::string body = error_body(400, "unknown_parameter", "Unrecognized request argument supplied: stream_options");
    co_await send_error(exchange, call, 400, std::move(body));
    co_return;
  }
  if (fails_this_time(call.ask)) {
    const int status = static_cast<int>(wish.status);
    std::string body =
        error_body(status, wish.error_code, wish.error_message.empty() ? "scripted error" : wish.error_message);
    co_await send_error(exchange, call, status, std::move(body));
    co_return;
  }
  if (call.ask.stream && kind != AskKind::Embedding) {
    co_await answer_stream(exchange, call);
  } else {
    co_await answer_plain(exchange, call);
  }
}

Task<void> Provider::answer_plain(http::Exchange& exchange, Call& call) {
  const Script& wish = call.ask.script;
  std::string body = wish.error_in_200 ? error_body(429, "rate_limit_exceeded", "Rate limit reached inside of a 200")
                     : call.ask.kind == AskKind::Messages ? messages_body(call.ask, call.tokens, call.id)
                                                          : plain_body(call.ask, call.tokens, call.id);
  http::ReplyHead head;
  http::add_field(head.fields, "x-request-id", call.id);
  http::add_field(head.fields, "x-ratelimit-remaining-requests", "9999");
  if (wish.cut_after >= 0 || wish.one_byte) {
    exchange.begin_stream(head);
    const std::size_t end = wish.cut_after >= 0 ? body.size() / 2 : body.size();
    const std::size_t step = wish.one_byte ? 1 : end;
    for (std::size_t at = 0; at < end; at += step) {
      const std::array<std::string_view, 1> piece = {std::string_view(body).substr(at, std::min(step, end - at))};
      if (const Status sent = co_await exchange.write(piece); !sent) co_return;
    }
    if (wish.cut_after >= 0) {
      exchange.cut();
      co_return;
    }
    const Status sent = co_await exchange.finish({});
    call.end(sent ? Served::Whole : Served::Aborted, 200);
    co_return;
  }
  const std::array<std::string_view, 1> pieces = {body};
  const Status sent = co_await exchange.reply(head, pieces);
  const Served how = wish.error_in_200 || wish.malformed_json ? Served::Broken : Served::Whole;
  call.end(sent ? how : Served::Aborted, 200);
}

Task<void> Provider::answer_stream(http::Exchange& exchange, Call& call) {
  const Script& wish = call.ask.script;
  const std::vector<std::string> events = call.ask.kind == AskKind::Messages
                                              ? messages_events(call.ask, call.tokens, call.id)
                                              : stream_events(call.ask, call.tokens, call.id);
  http::ReplyHead head;
  head.content_type = wish.is_odd("no_content_type") ? "text/plain" : "text/event-stream";
  http::add_field(head.fields, "cache-control", "no-cache");
  http::add_field(head.fields, "x-request-id", call.id);
  exchange.begin_stream(head);
  if (wish.slow_first_ms > 0) {
    const std::array<std::string_view, 1> comment = {": soon\n\n"};  // Takes the head along.
    if (const Status sent = co_await exchange.write(comment); !sent) co_return;
    co_await exchange.thread().sleep(ms(wish.slow_first_ms));
  }
  const bool cut = wish.cut_after >= 0;
  const std::size_t burst = wish.token_ms > 0 ? 1 : static_cast<std::size_t>(std::max<std::int64_t>(1, wish.burst));
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < events.size();) {
    if (exchange.caller_gone()) co_return;
    if (wish.one_byte) {
      for (std::size_t byte = 0; byte < events[at].size(); ++byte) {
        const std::array<std::string_view, 1> piece = {std::string_view(events[at]).substr(byte, 1)};
        if (const Status sent = co_await exchange.write(piece); !sent) co_return;
      }
      ++at;
    } else {
      pieces.clear();
      for (std::size_t i = 0; i < burst && at < events.size(); ++i) pieces.push_back(events[at++]);
      if (at == events.size() && !cut) break;  // The last pieces leave with the terminal chunk.
      if (const Status sent = co_await exchange.write(pieces); !sent) co_return;
    }
    if (wish.token_ms > 0 && at < events.size()) co_await exchange.thread().sleep(ms(wish.token_ms));
  }
  if (cut) {
    exchange.cut();
    co_return;
  }
  const Status sent = co_await exchange.finish(pieces);
  const bool broken = wish.end_after >= 0 || wish.error_after >= 0 || wish.error_in_200 || wish.malformed_sse;
  call.end(!sent ? Served::Aborted : broken ? Served::Broken : Served::Whole, 200);
}

Task<void> Provider::admin(http::Exchange& exchange, std::string_view path) {
  const http::Request& request = exchange.request();
  http::ReplyHead head;
  std::string body = R"({"status":"ok"})";
  if (path == "/account") {
    body = account().to_json();
  } else if (path == "/account/reset" && request.method == http::Method::Post) {
    reset();
  } else if (path == "/script" && request.method == http::Method::Post) {
    auto script = std::make_shared<Script>(start_script_);
    if (auto applied = apply_object(*script, request.body); !applied) {
      head.status = 400;
      body = error_body(400, "", applied.error().message);
    } else {
      const std::lock_guard lock(mutex_);
      defaults_ = std::move(script);
    }
  } else if (path == "/requests") {
    const std::lock_guard lock(mutex_);
    body = "[";
    for (const std::string& text : requests_) body += (body.size() > 1 ? "," : "") + text;
    body += ']';
  } else if (path == "/v1/models" || path == "/models") {
    body = models_body();
  } else if (path != "/" && path != "/health") {
    head.status = 404;
    body = error_body(404, "", fmt::format("Invalid URL ({} {})", request.method_text, path));
  }
  const std::array<std::string_view, 1> pieces = {body};
  if (const Status sent = co_await exchange.reply(head, pieces); !sent) co_return;
}

Task<void> Provider::handle(http::Exchange& exchange) {
  std::string_view path = exchange.request().path;
  std::string_view directives;
  constexpr std::string_view kFake = "/fake/";
  if (path.starts_with(kFake)) {
    path.remove_prefix(kFake.size());
    const std::size_t slash = std::min(path.find('/'), path.size());
    directives = path.substr(0, slash);
    path.remove_prefix(slash);
  }
  const std::optional<AskKind> kind = kind_of(path);
  if (kind && exchange.request().method == http::Method::Post) {
    co_await answer(exchange, *kind, directives);
  } else {
    co_await admin(exchange, path);
  }
}

}  // namespace turnpike::fake_provider
