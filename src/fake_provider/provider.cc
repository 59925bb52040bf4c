#include "fake_provider/provider.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/hash.h"
#include "fake_provider/route.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

constexpr std::size_t kRequestsMax = 100;
constexpr std::size_t kFailedMax = 100'000;

/// The key a caller shows, in whichever field his vendor has for it; of a signature the name of its key.
std::string_view key_of(const http::Request& request) {
  for (const std::string_view name : {"x-api-key", "api-key", "x-goog-api-key"}) {
    if (const std::string_view key = request.find(name); !key.empty()) return key;
  }
  std::string_view key = request.find("authorization");
  constexpr std::string_view kSigned = "AWS4-HMAC-SHA256 Credential=";
  if (key.starts_with(kSigned)) {
    key.remove_prefix(kSigned.size());
    return key.substr(0, key.find('/'));
  }
  for (const std::string_view scheme : {"Bearer ", "ZenApiKey "}) {
    if (key.starts_with(scheme)) return key.substr(scheme.size());
  }
  return key;
}

/// A provider key is named by a part of its hash, so that no report shows one.
std::string key_label(const http::Request& request) {
  const std::string_view key = key_of(request);
  return key.empty() ? "none" : base::sha256_hex(key).substr(0, 12);
}

/// The label that directives of a path name.
std::string_view label_of(std::string_view directives) {
  constexpr std::string_view kLabel = "label=";
  while (!directives.empty()) {
    const std::size_t end = std::min(directives.find(','), directives.size());
    if (directives.starts_with(kLabel)) return directives.substr(kLabel.size(), end - kLabel.size());
    directives.remove_prefix(std::min(end + 1, directives.size()));
  }
  return {};
}

/// The error that the script wants in place of an answer.
std::optional<VendorError> scripted_error(const Ask& ask) {
  const Script& wish = ask.script;
  if (wish.error_in_200) return std::nullopt;
  std::optional<VendorError> said;
  if (wish.fault != Fault::None) said = find_vendor_error(*ask.shape, wish.fault);
  if (said && said->status < 300) said.reset();
  if (!said && wish.status == 0) return std::nullopt;
  if (!said) said = VendorError{0, "", "", "scripted error", -1};
  if (wish.status != 0) said->status = static_cast<int>(wish.status);
  if (!wish.error_code.empty()) said->code = wish.error_code;
  if (!wish.error_message.empty()) said->message = wish.error_message;
  said->retry_after_s = wish.retry_after;
  return said;
}

VendorError wrong_key(const Shape& shape) {
  return find_vendor_error(shape, Fault::WrongKey).value_or(VendorError{401, "", "", "wrong key", -1});
}

std::chrono::milliseconds ms(std::int64_t count) {
  return std::chrono::milliseconds(count);
}

}  // namespace

/// One call being answered; makes sure that it is accounted for once, whatever way it ends.
struct Provider::Call {
  /// Lists of models are no calls: nobody bills them.
  Call(Provider& provider, http::Exchange& exchange, std::string label_in, bool accounted)
      : provider_(provider),
        exchange_(exchange),
        accounted_(accounted),
        thread(exchange.thread().index()),
        label(std::move(label_in)),
        key(key_label(exchange.request())) {
    if (accounted_) provider_.account_.began(thread, label);
    exchange_.on_gone([this] {
      end(Served::Aborted, 499);
      base::Signal& awaited = pause_ != nullptr ? *pause_ : gone;
      if (pause_ != nullptr) gone.fire();  // Nobody waits for it yet.
      awaited.fire();                      // The last: the call may end in it.
    });
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    exchange_.on_gone({});
    end(Served::Broken, status);
  }

  void end(Served how, int with_status) {
    if (ended_ || !accounted_) return;
    ended_ = true;
    EndedCall ended{how, with_status, label, key, ask.model, id, tokens, sent_tokens >= 0};
    if (how != Served::Whole) ended.tokens.completion = std::clamp<std::int64_t>(sent_tokens, 0, tokens.completion);
    ended.tokens.reasoning = std::min(ended.tokens.reasoning, ended.tokens.completion);
    provider_.account_.ended(thread, ended);
  }

  /// Ends early when the caller is gone: nobody who has hung up keeps the program from ending.
  base::Task<void> pause(std::chrono::milliseconds delay) {
    if (exchange_.caller_gone()) co_return;
    base::Signal over;
    const auto timer = exchange_.thread().after(delay, [&over] { over.fire(); });
    pause_ = &over;
    co_await over;
    pause_ = nullptr;
  }

  void count_sent(std::int64_t completion) { sent_tokens = std::max<std::int64_t>(sent_tokens, 0) + completion; }

 private:
  Provider& provider_;
  http::Exchange& exchange_;
  const bool accounted_;
  bool ended_ = false;
  base::Signal* pause_ = nullptr;

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

void Provider::heal_in_time(Ask& ask) {
  if (ask.script.fail_times < 0) return;
  const std::lock_guard lock(mutex_);
  if (failed_.size() > kFailedMax) failed_.clear();
  if (failed_[ask.content_hash]++ >= ask.script.fail_times) ask.script.heal();
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

Task<void> Provider::refuse(http::Exchange& exchange, Call& call, VendorError error) {
  const Shape& shape = *call.ask.shape;
  call.status = error.status;
  http::ReplyHead head;
  head.status = error.status;
  if (error.retry_after_s >= 0 && shape.says_retry_after_in_head()) {
    http::add_field(head.fields, "retry-after", std::to_string(error.retry_after_s));
  }
  const std::string body = shape.error(error, head.fields);
  const std::array<std::string_view, 1> pieces = {body};
  const Status sent = co_await exchange.reply(head, pieces);
  call.end(sent ? Served::Error : Served::Aborted, error.status);
}

Task<void> Provider::answer(http::Exchange& exchange, Route route, std::string_view path_directives) {
  const http::Request& request = exchange.request();
  Call call(*this, exchange, std::string(label_of(path_directives)), route.kind != AskKind::Models);
  call.ask.shape = route.shape;
  Script script = script_of(call.label);
  Status applied = apply_list(script, path_directives);
  Result<Ask> ask = parse_ask(route, request.find("content-type"), request.body, script);
  if (applied && !ask) applied = base::fail(ask.error());
  if (!applied) {
    VendorError error{400, "", "", applied.error().message, -1};
    co_await refuse(exchange, call, std::move(error));
    co_return;
  }
  call.ask = std::move(*ask);
  heal_in_time(call.ask);
  call.tokens = tokens_of(call.ask);
  // Eight numbers apart, threads do not share a cache line.
  call.id = answer_id(call.ask, ++numbers_[call.thread * 8] * 64 + call.thread);
  const Script& wish = call.ask.script;
  if (wish.record) keep_request(exchange);
  if (wish.silent) {
    co_await call.gone;
    co_return;
  }
  if (wish.latency_ms > 0) co_await call.pause(ms(wish.latency_ms));
  if (exchange.caller_gone()) co_return;
  if (wish.reset) {
    exchange.cut();
    co_return;
  }
  co_await answer_well(exchange, call);
}

Task<void> Provider::answer_well(http::Exchange& exchange, Call& call) {
  const Ask& ask = call.ask;
  std::optional<VendorError> error;
  if (!ask.script.require_key.empty() && key_of(exchange.request()) != ask.script.require_key) {
    error = wrong_key(*ask.shape);
  } else if (ask.has_stream_options && ask.script.is_odd("reject_stream_options")) {
    error = VendorError{400, "", "unknown_parameter", "Unrecognized request argument supplied: stream_options", -1};
  } else {
    error = scripted_error(ask);
  }
  if (error) {
    co_await refuse(exchange, call, std::move(*error));
  } else if (ask.stream && (ask.kind == AskKind::Chat || ask.kind == AskKind::Completion)) {
    co_await answer_stream(exchange, call);
  } else {
    co_await answer_plain(exchange, call);
  }
}

Task<void> Provider::answer_plain(http::Exchange& exchange, Call& call) {
  const Script& wish = call.ask.script;
  const std::string body = scripted_whole({call.ask, call.tokens, call.id});
  http::ReplyHead head;
  head.content_type = call.ask.shape->whole_type(call.ask.kind);
  http::add_field(head.fields, "x-request-id", call.id);
  http::add_field(head.fields, "x-ratelimit-remaining-requests", "9999");
  // All of an answer has been written, by the model, before the first byte of it leaves.
  if (!wish.error_in_200 && wish.stall_after != 0) call.sent_tokens = call.tokens.completion;
  const bool cut = wish.cut_after >= 0;
  const bool stalls = wish.stall_after >= 0;
  if (cut || stalls || wish.one_byte) {
    exchange.begin_stream(head);
    const std::size_t end = wish.stall_after == 0 ? 0 : cut || stalls ? body.size() / 2 : body.size();
    const std::size_t step = wish.one_byte ? 1 : std::max<std::size_t>(end, 1);
    if (const Status sent = co_await exchange.write({}); !sent) co_return;
    for (std::size_t at = 0; at < end; at += step) {
      const std::array<std::string_view, 1> piece = {std::string_view(body).substr(at, std::min(step, end - at))};
      if (const Status sent = co_await exchange.write(piece); !sent) co_return;
    }
    if (stalls) {
      co_await call.gone;
      co_return;
    }
    if (cut) {
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

Task<Status> Provider::write_bytes(http::Exchange& exchange, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const std::array<std::string_view, 1> piece = {bytes.substr(at, 1)};
    if (Status sent = co_await exchange.write(piece); !sent) co_return sent;
  }
  co_return Status();
}

Task<void> Provider::answer_stream(http::Exchange& exchange, Call& call) {
  const Script& wish = call.ask.script;
  std::vector<Event> events = scripted_events({call.ask, call.tokens, call.id});
  const bool stalls = wish.stall_after >= 0;
  if (stalls) events.resize(std::min(events.size(), static_cast<std::size_t>(wish.stall_after)));
  http::ReplyHead head;
  head.content_type = wish.is_odd("no_content_type") ? "text/plain" : call.ask.shape->stream_type();
  http::add_field(head.fields, "cache-control", "no-cache");
  http::add_field(head.fields, "x-request-id", call.id);
  exchange.begin_stream(head);
  if (wish.slow_first_ms > 0 || wish.stall_after == 0) {
    if (const Status sent = co_await exchange.write({}); !sent) co_return;  // The head alone.
    co_await call.pause(ms(wish.slow_first_ms));
  }
  const bool cut = wish.cut_after >= 0;
  const bool answers = !wish.error_in_200 && wish.error_after != 0;
  const std::size_t burst = wish.token_ms > 0 ? 1 : static_cast<std::size_t>(std::max<std::int64_t>(1, wish.burst));
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < events.size();) {
    if (exchange.caller_gone()) co_return;
    pieces.clear();
    std::int64_t tokens = 0;
    for (std::size_t i = 0; i < (wish.one_byte ? 1 : burst) && at < events.size(); ++i, ++at) {
      pieces.push_back(events[at].bytes);
      tokens += events[at].tokens;
    }
    if (at == events.size() && !cut && !stalls && !wish.one_byte) {
      if (answers) call.count_sent(tokens);
      break;  // The last pieces leave with the terminal chunk.
    }
    const Status sent =
        wish.one_byte ? co_await write_bytes(exchange, pieces.front()) : co_await exchange.write(pieces);
    if (!sent) co_return;
    pieces.clear();
    if (answers) call.count_sent(tokens);
    if (wish.token_ms > 0 && at < events.size()) co_await call.pause(ms(wish.token_ms));
  }
  if (stalls) {
    co_await call.gone;
    co_return;
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
  } else if (path.ends_with("/token") && request.method == http::Method::Post) {
    // Where credentials that are fetched come from (OAuth): any will do.
    body = R"({"access_token":"fake-token","expires_in":3599,"token_type":"Bearer"})";
  } else if (path == "/requests") {
    const std::lock_guard lock(mutex_);
    body = "[";
    for (const std::string& text : requests_) body += (body.size() > 1 ? "," : "") + text;
    body += ']';
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
  std::optional<Route> route = route_of(exchange.request(), path);
  if (route) {
    co_await answer(exchange, std::move(*route), directives);
  } else {
    co_await admin(exchange, path);
  }
}

}  // namespace turnpike::fake_provider
