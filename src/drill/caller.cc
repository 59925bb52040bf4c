#include "drill/caller.h"

#include <array>
#include <future>

#include "base/text.h"
#include "json/document.h"
#include "protocol/sse_decoder.h"

namespace turnpike::drill {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBodyBytesMax = 4 * 1024 * 1024;
constexpr std::chrono::seconds kFetchPatience{10};

/// The error object OpenAI's clients read: a message, and type and code that are text or null.
bool read_error(json::Value object, Seen& seen) {
  if (!object.is(json::Kind::Object)) return false;
  const std::optional<std::string> message = object.find("message").text();
  if (!message || message->empty() || !object.find("type") || !object.find("code")) return false;
  seen.error_message = *message;
  seen.error_type = object.find("type").text().value_or("");
  seen.error_code = object.find("code").text().value_or("");
  return true;
}

json::Value first_of(json::Value list) {
  for (const json::Value element : list.elements()) return element;
  return {};
}

/// The answer itself, whatever the operation calls it.
bool holds_substance(json::Value root, domain::Operation operation) {
  if (operation == domain::Operation::Embedding) {
    const json::Value vector = first_of(root.find("data")).find("embedding");
    return vector.is(json::Kind::Array) || !vector.inner().empty();
  }
  const json::Value choice = first_of(root.find("choices"));
  if (operation == domain::Operation::Completion) return !choice.find("text").inner().empty();
  return !choice.find("message").find("content").inner().empty();
}

/// True when the choice says why it ended.
bool note_finish(json::Value choice, Seen& seen) {
  const std::string_view reason = choice.find("finish_reason").inner();
  if (reason == "content_filter") seen.refused = true;
  return !reason.empty();
}

void read_whole(const Order& order, std::string_view body, Seen& seen) {
  json::Document document;
  seen.end = End::Foreign;
  if (!document.parse(body)) return;
  const json::Value root = document.root();
  if (seen.status >= 400) {
    if (read_error(root.find("error"), seen)) seen.end = End::Error;
    return;
  }
  seen.content = holds_substance(root, order.operation);
  note_finish(first_of(root.find("choices")), seen);
  if (seen.status == 200 && (seen.content || seen.refused)) seen.end = End::Answer;
}

/// What a stream has said so far.
struct StreamRead {
  bool finished = false;  // finish_reason
  bool done = false;      // [DONE]
  bool error = false;
  bool foreign = false;
};

void read_event(const Order& order, std::string_view data, StreamRead& read, Seen& seen) {
  if (data == "[DONE]") {
    read.done = true;
    return;
  }
  json::Document document;
  if (!document.parse(data)) {
    read.foreign = true;
    return;
  }
  if (const json::Value error = document.root().find("error")) {
    read.error = read_error(error, seen);
    read.foreign = read.foreign || !read.error;
    return;
  }
  const json::Value choice = first_of(document.root().find("choices"));
  const json::Value text =
      order.operation == domain::Operation::Completion ? choice.find("text") : choice.find("delta").find("content");
  if (!text.inner().empty()) seen.content = true;
  if (note_finish(choice, seen)) read.finished = true;
}

void read_stream(const Order& order, std::string_view body, bool ended, Seen& seen) {
  protocol::SseDecoder decoder;
  std::vector<protocol::SseEvent> events;
  StreamRead read;
  const Status fed = decoder.feed(body, events);
  for (const protocol::SseEvent& event : events) read_event(order, event.data, read, seen);
  events.clear();
  if (ended && decoder.finish(events)) {
    for (const protocol::SseEvent& event : events) read_event(order, event.data, read, seen);
  }
  if (!fed || read.foreign) {
    seen.end = End::Foreign;
  } else if (read.error) {
    seen.end = read.done ? End::ErrorEvent : End::Foreign;
  } else {
    seen.end = read.done && read.finished && (seen.content || seen.refused) && ended ? End::Answer : End::Cut;
  }
}

struct Received {
  int status = 0;
  std::string call_id, group, retry_after, body;
  bool ended = false;
  bool timed_out = false;
};

Task<Received> exchange(net::IoThread& thread, const Order& order, std::string_view method) {
  Received received;
  const std::unique_ptr<http::Client> client = http::Client::make(thread, {});
  http::Cancel cancel;
  http::Outgoing outgoing;
  outgoing.origin = &order.gateway;
  outgoing.method = method;
  outgoing.path = order.path;
  const std::string fields =
      "Content-Type: application/json\r\nAccept: */*\r\nAuthorization: Bearer " + order.key + "\r\n";
  outgoing.fields = fields;
  const std::array<std::string_view, 1> body = {order.body};
  if (!order.body.empty()) outgoing.body = body;
  outgoing.timeouts.total = order.patience;
  outgoing.timeouts.deadline = base::monotonic_now() + order.patience;
  Result<std::unique_ptr<http::Incoming>> incoming = co_await client->send(outgoing, cancel);
  if (!incoming) {
    received.timed_out = incoming.error().kind == ErrorKind::Timeout;
    co_return received;
  }
  received.status = (*incoming)->status();
  received.call_id = std::string((*incoming)->find("x-litellm-call-id"));
  received.group = std::string((*incoming)->find("x-litellm-model-group"));
  received.retry_after = std::string((*incoming)->find("retry-after"));
  while (received.body.size() < kBodyBytesMax) {
    const Result<std::string_view> slice = co_await (*incoming)->read();
    if (!slice) {
      received.timed_out = slice.error().kind == ErrorKind::Timeout;
      break;
    }
    received.ended = slice->empty();
    if (received.ended) break;
    received.body += *slice;
  }
  incoming->reset();
  co_return received;
}

Task<void> run_exchange(net::IoThread& thread, const Order& order, std::string_view method,
                        std::promise<Received>& done) {
  Received received = co_await exchange(thread, order, method);
  done.set_value(std::move(received));
}

Received wait_for(net::IoThread& thread, const Order& order, std::string_view method) {
  std::promise<Received> done;
  std::future<Received> received = done.get_future();
  thread.post([&] { base::spawn(run_exchange(thread, order, method, done)); });
  return received.get();
}

}  // namespace

Seen read_answer(const Order& order, int status, std::string_view body, bool ended) {
  Seen seen;
  seen.status = status;
  if (order.stream && status == 200) {
    read_stream(order, body, ended, seen);
  } else if (!ended) {
    seen.end = End::Cut;
  } else {
    read_whole(order, body, seen);
  }
  return seen;
}

Seen send_order(net::IoThread& thread, const Order& order) {
  const auto begun = std::chrono::steady_clock::now();
  const Received received = wait_for(thread, order, "POST");
  Seen seen;
  if (received.status != 0) seen = read_answer(order, received.status, received.body, received.ended);
  if (received.timed_out) seen.end = End::Silence;
  if (received.status == 0 && !received.timed_out) seen.end = End::Cut;
  seen.ms = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - begun).count();
  seen.call_id = received.call_id;
  seen.group = received.group;
  seen.retry_after = static_cast<int>(base::parse_unsigned(received.retry_after).value_or(0));
  return seen;
}

Result<std::string> fetch(net::IoThread& thread, const http::Origin& gateway, const std::string& key,
                          const std::string& path) {
  Order order;
  order.gateway = gateway;
  order.key = key;
  order.path = path;
  order.patience = kFetchPatience;
  Received received = wait_for(thread, order, "GET");
  if (received.status != 200 || !received.ended) {
    return base::fail(ErrorKind::Unavailable, path + " answered " + std::to_string(received.status));
  }
  return std::move(received.body);
}

}  // namespace turnpike::drill
