#include "codec/json_events.h"

#include "base/text.h"
#include "protocol/answer_error.h"

namespace turnpike::codec {

using json::Kind;
using json::Value;
using protocol::ChatEvent;
using protocol::SseEvent;

namespace {

/// What stands behind a byte order mark and white space; nothing while a mark may still be incomplete.
std::string_view first_token(std::string_view bytes) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (bytes.size() < kByteOrderMark.size() && kByteOrderMark.starts_with(bytes)) return {};
  if (bytes.starts_with(kByteOrderMark)) bytes.remove_prefix(kByteOrderMark.size());
  return base::trim(bytes);
}

}  // namespace

std::string_view JsonEventDecoder::text(const Value& value) {
  return protocol::text_in(value, texts_).value_or(value.inner());
}

Status JsonEventDecoder::take_events(std::vector<ChatEvent>& out) {
  json::Document document;
  for (const SseEvent& event : events_) {
    const std::string_view data = base::trim(event.data);
    if (data.empty() || data.starts_with("[DONE]")) continue;
    const Status parsed = document.parse(data);
    if (!parsed || !document.root().is(Kind::Object)) {
      if (ended()) continue;  // Whoever had stopped at the end would not have seen it.
      return protocol::unreadable_stream(label_, parsed ? "an event is no JSON object" : parsed.error().message, data);
    }
    const Value root = document.root();
    if (Status taken = take(event.name, root, out); !taken) return taken;
  }
  return {};
}

Status JsonEventDecoder::take_body(std::vector<ChatEvent>& out) {
  json::Document document;
  if (!document.parse(front_)) {
    if (first_token(front_).starts_with('<')) return protocol::page_for_stream(label_, front_);
    return protocol::ended_early(label_);
  }
  const Value root = document.root();
  if (root.is(Kind::Object)) return take_whole(root, out);
  bool any = false;
  for (const Value element : root.elements()) {
    if (!element.is(Kind::Object)) return protocol::unreadable_stream(label_, "it is no event stream", front_);
    if (Status taken = take_whole(element, out); !taken) return taken;
    any = true;
  }
  if (!any) return protocol::unreadable_stream(label_, "it is no event stream", front_);
  return {};
}

Status JsonEventDecoder::feed(std::string_view bytes, std::vector<ChatEvent>& out) {
  texts_.clear();
  events_.clear();
  if (form_ == Form::Events) {
    front_.clear();
  } else {
    if (front_.size() + bytes.size() > kWholeBodyMax) {
      return protocol::unreadable_stream(label_, "it is no event stream", front_);
    }
    front_ += bytes;
    if (form_ == Form::Whole) return {};
    const std::string_view seen = first_token(front_);
    if (seen.empty()) return {};
    form_ = seen[0] == '{' || seen[0] == '[' || seen[0] == '<' ? Form::Whole : Form::Events;
    if (form_ == Form::Whole) return {};
    bytes = front_;
  }
  const Status status = sse_.feed(bytes, events_);
  // Events before the fault are good.
  if (Status taken = take_events(out); !taken) return taken;
  return ended() ? Status() : status;
}

Status JsonEventDecoder::finish(std::vector<ChatEvent>& out) {
  texts_.clear();
  events_.clear();
  if (form_ == Form::Whole) {
    if (Status taken = take_body(out); !taken) return taken;
  } else {
    const Status fed = sse_.finish(events_);
    const Status taken = fed ? take_events(out) : fed;
    // Half an event is a stream cut off, not a provider that cannot write JSON.
    if (!taken && taken.error().kind != ErrorKind::UpstreamMalformed) return taken;
  }
  if (!ended()) return protocol::ended_early(label_);
  at_close(out);
  return {};
}

}  // namespace turnpike::codec
