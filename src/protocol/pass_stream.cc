#include "protocol/pass_stream.h"

#include "json/document.h"
#include "protocol/audio_length.h"
#include "protocol/openai_error.h"
#include "protocol/operation_reply.h"

namespace turnpike::protocol {
namespace {

constexpr std::size_t kEventBytesMax = 64 << 20;  // An image stands in one event, in base64.
constexpr std::size_t kHeadKept = 4096;

bool is_last(std::string_view type) {
  return type.ends_with(".completed") || type.ends_with(".done");
}

}  // namespace

PassStream::PassStream(StreamOptions options) : options_(std::move(options)) {
  if (options_.content_type.starts_with("text/event-stream")) events_ = std::make_unique<SseDecoder>(kEventBytesMax);
}

Status PassStream::read_event(std::string_view data) {
  if (data == "[DONE]") {
    complete_ = true;
    return {};
  }
  json::Document document;
  if (!document.parse(data)) return {};
  const json::Value root = document.root();
  const std::string type = root.find("type").text().value_or("");
  if (type == "error" || holds_error(root)) return base::fail(read_error(0, data, options_.provider_label, {}));
  if (const json::Value usage = root.find("usage")) {
    ReplyFacts facts;
    read_operation_usage(options_.operation, usage, facts);
    if (facts.usage) usage_ = facts.usage;
  }
  if (is_last(type)) {
    complete_ = true;
    finish_reason_ = "stop";
  }
  return {};
}

Status PassStream::feed(std::string_view bytes, std::vector<std::string_view>& pieces) {
  if (events_ == nullptr) {
    if (head_.size() < kHeadKept) head_.append(bytes.substr(0, kHeadKept - head_.size()));
    sound_bytes_ += bytes.size();
    begun_ = true;
    pieces.push_back(bytes);
    return {};
  }
  fresh_.clear();
  if (Status fed = events_->feed(bytes, fresh_); !fed) return fed;
  for (const SseEvent& event : fresh_) {
    if (Status read = read_event(event.data); !read) return read;
  }
  begun_ = begun_ || !fresh_.empty();
  pieces.push_back(bytes);
  return {};
}

Status PassStream::finish(std::vector<std::string_view>&) {
  if (events_ != nullptr) {
    fresh_.clear();
    if (Status ended = events_->finish(fresh_); !ended) return ended;
    for (const SseEvent& event : fresh_) {
      if (Status read = read_event(event.data); !read) return read;
    }
  }
  if (events_ == nullptr && begun_) {  // Its framing says where it ends.
    complete_ = true;
    finish_reason_ = "stop";
  }
  if (complete_) return {};
  return base::fail(ErrorKind::UpstreamTruncated, "litellm.APIError: " + options_.provider_label +
                                                      "Exception - the answer ended before it was complete.");
}

std::uint64_t PassStream::sound_milliseconds() const {
  if (events_ != nullptr) return 0;
  const bool pcm = options_.content_type.starts_with("audio/pcm") || options_.content_type.starts_with("audio/L16");
  return turnpike::protocol::sound_milliseconds(head_, sound_bytes_, pcm).value_or(0);
}

}  // namespace turnpike::protocol
