#include "codec/anthropic_bedrock.h"

#include "base/base64.h"
#include "codec/bedrock_error.h"
#include "json/write.h"
#include "protocol/answer_error.h"

namespace turnpike::codec {

Status AnthropicBedrockEvents::take(const StreamMessage& message) {
  if (message.kind == StreamMessage::Kind::Exception) {
    return base::fail(read_bedrock_exception(message.type, message.payload, label_));
  }
  if (message.kind == StreamMessage::Kind::Error) {
    return base::fail(read_bedrock_exception(message.type, "{\"message\":" + json::quoted(message.text) + "}", label_));
  }
  if (message.type != "chunk") return {};
  json::Document document;
  std::optional<std::string> event;
  if (document.parse(message.payload)) event = base::from_base64(document.root().find("bytes").inner());
  json::Document held;
  if (!event || !held.parse(*event)) {
    return protocol::unreadable_stream(label_, "a chunk holds no event", message.payload);
  }
  // On one line, as events are framed.
  plain_ += "data: ";
  for (const char c : *event) plain_ += c == '\n' || c == '\r' ? ' ' : c;
  plain_ += "\n\n";
  return {};
}

Status AnthropicBedrockEvents::feed(std::string_view bytes, std::vector<protocol::ChatEvent>& out) {
  if (bytes.empty() || events_.ended()) return {};  // Nothing behind the end matters.
  // A frame begins with the high byte of a length below 24 MiB.
  if (form_ == Form::Unknown) form_ = bytes[0] == '{' || bytes[0] == '<' ? Form::Whole : Form::Frames;
  if (form_ == Form::Whole) return events_.feed(bytes, out);
  messages_.clear();
  plain_.clear();
  Status status = frames_.feed(bytes, messages_);
  for (const StreamMessage& message : messages_) {
    if (Status taken = take(message); !taken) {
      status = taken;
      break;
    }
  }
  // Events before the fault are good.
  if (Status read = events_.feed(plain_, out); !read) return read;
  return events_.ended() ? Status() : status;
}

}  // namespace turnpike::codec
