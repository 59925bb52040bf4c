#include "codec/bedrock_events.h"

#include <algorithm>

#include "base/utf8.h"
#include "codec/bedrock_error.h"
#include "codec/bedrock_reply.h"
#include "codec/tell_reply.h"
#include "json/write.h"
#include "protocol/answer_error.h"

namespace turnpike::codec {

using json::Kind;
using json::Value;
using protocol::ChatEvent;

namespace {

constexpr std::size_t kBodyBytesMax = 24 << 20;
constexpr std::size_t kOpenBlocksMax = 1024;

}  // namespace

std::string_view BedrockEvents::text(const Value& value) {
  return protocol::text_in(value, texts_).value_or("");
}

ChatEvent& BedrockEvents::add(std::vector<ChatEvent>& out, ChatEvent::Kind kind, std::uint32_t block) {
  ChatEvent& event = out.emplace_back();
  event.kind = kind;
  event.block = block;
  return event;
}

void BedrockEvents::add_native(std::vector<ChatEvent>& out, std::string_view name, const Value& value) {
  if (!value || value.is(Kind::Null)) return;
  ChatEvent& event = add(out, ChatEvent::Kind::Native, 0);
  event.name = name;
  event.json = texts_.keep(json::compact(value.raw()));
}

BedrockEvents::OpenBlock& BedrockEvents::block_of(const Value& root) {
  const auto index = static_cast<std::uint32_t>(root.find("contentBlockIndex").whole().value_or(0));
  // The last is the one that is spoken of, nearly always.
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    if (block->index == index) return *block;
  }
  OpenBlock block;
  block.index = index;
  block.start = characters_;
  blocks_.push_back(std::move(block));
  return blocks_.back();
}

void BedrockEvents::stop_block(const Value& root) {
  const auto index = root.find("contentBlockIndex").whole().value_or(0);
  std::erase_if(blocks_, [&](const OpenBlock& block) { return block.index == index; });
}

void BedrockEvents::start_block(const Value& root, std::vector<ChatEvent>& out) {
  OpenBlock& block = block_of(root);
  const Value start = root.find("start");
  block.unseen = start.find("toolResult") || start.find("toolUse").find("type").inner() == "server_tool_use";
  if (const Value image = start.find("image")) block.mime = "image/" + image.find("format").text().value_or("png");
  const Value call = start.find("toolUse");
  if (!call || block.unseen) return;
  block.tool = tools_++;
  ChatEvent& event = add(out, ChatEvent::Kind::ToolStart, block.index);
  event.tool = *block.tool;
  event.id = text(call.find("toolUseId"));
  event.name = text(call.find("name"));
}

void BedrockEvents::take_thought(const Value& thought, std::uint32_t block, std::vector<ChatEvent>& out) {
  if (const Value said = thought.find("text")) add(out, ChatEvent::Kind::Thinking, block).text = text(said);
  if (const Value seal = thought.find("signature")) add(out, ChatEvent::Kind::Signature, block).signature = text(seal);
  if (const Value sealed = thought.find("redactedContent")) {
    add(out, ChatEvent::Kind::RedactedThinking, block).text = text(sealed);
  }
}

void BedrockEvents::take_citation(const Value& citation, const OpenBlock& block, std::vector<ChatEvent>& out) {
  const std::string_view url = bedrock_citation_url(citation, texts_);
  if (url.empty()) return add_native(out, "citation", citation);
  ChatEvent& event = add(out, ChatEvent::Kind::Citation, block.index);
  event.citation = {block.start, characters_, texts_.keep(std::string(url)), text(citation.find("title"))};
}

Status BedrockEvents::take_delta(const Value& root, std::vector<ChatEvent>& out) {
  OpenBlock& block = block_of(root);
  if (block.unseen) return {};
  const Value delta = root.find("delta");
  if (const Value said = delta.find("text")) {
    ChatEvent& event = add(out, ChatEvent::Kind::Text, block.index);
    event.text = text(said);
    characters_ += base::count_characters(event.text);
  } else if (const Value call = delta.find("toolUse")) {
    if (!block.tool) return protocol::unreadable_stream(label_, "arguments come without their tool call", root.raw());
    ChatEvent& event = add(out, ChatEvent::Kind::ToolArguments, block.index);
    event.tool = *block.tool;
    event.text = text(call.find("input"));
  } else if (const Value thought = delta.find("reasoningContent")) {
    take_thought(thought, block.index, out);
  } else if (const Value citation = delta.find("citation")) {
    take_citation(citation, block, out);
  } else if (const Value bytes = delta.find("image").find("source").find("bytes")) {
    ChatEvent& event = add(out, ChatEvent::Kind::Image, block.index);
    event.media.mime = texts_.keep(block.mime);
    event.media.base64 = text(bytes);
  }
  return {};
}

void BedrockEvents::stop_message(const Value& root, std::vector<ChatEvent>& out) {
  add_native(out, "additionalModelResponseFields", root.find("additionalModelResponseFields"));
  stop_reason_ = root.find("stopReason").text().value_or("");
}

void BedrockEvents::take_metadata(const Value& root, std::vector<ChatEvent>& out) {
  add_native(out, "trace", root.find("trace"));
  service_tier_ = root.find("serviceTier").find("type").text().value_or("");
  if (auto said = bedrock_usage(root.find("usage"))) {
    usage_ = std::move(said);
    add(out, ChatEvent::Kind::Usage, 0);
  }
  if (stop_reason_) end(out);
}

void BedrockEvents::end(std::vector<ChatEvent>& out) {
  if (ended_) return;
  ended_ = true;
  const StopReason stop = bedrock_stop(*stop_reason_);
  ChatEvent& event = add(out, ChatEvent::Kind::Finish, 0);
  event.finish = stop.finish;
  if (stop.native) event.native_finish = *stop_reason_;
  add(out, ChatEvent::Kind::End, 0);
}

Status BedrockEvents::take(const StreamMessage& message, std::vector<ChatEvent>& out) {
  if (message.kind == StreamMessage::Kind::Exception) {
    return base::fail(read_bedrock_exception(message.type, message.payload, label_));
  }
  if (message.kind == StreamMessage::Kind::Error) {
    return base::fail(read_bedrock_exception(message.type, "{\"message\":" + json::quoted(message.text) + "}", label_));
  }
  json::Document document;
  if (auto parsed = document.parse(message.payload); !parsed) {
    return protocol::unreadable_stream(label_, parsed.error().message, message.payload);
  }
  const Value root = document.root();
  if (blocks_.size() > kOpenBlocksMax) return protocol::unreadable_stream(label_, "too many blocks are open", {});
  if (message.type == "contentBlockDelta") return take_delta(root, out);
  if (message.type == "contentBlockStop") stop_block(root);
  if (message.type == "messageStart") add(out, ChatEvent::Kind::Start, 0);
  if (message.type == "contentBlockStart") start_block(root, out);
  if (message.type == "messageStop") stop_message(root, out);
  if (message.type == "metadata") take_metadata(root, out);
  return {};
}

Status BedrockEvents::take_whole(std::vector<ChatEvent>& out) {
  if (body_.starts_with('<')) return protocol::page_for_stream(label_, body_);
  auto reply = read_bedrock_reply(body_, label_);
  if (!reply) {
    if (reply.error().kind != ErrorKind::UpstreamMalformed) return base::fail(std::move(reply.error()));
    json::Document document;
    // Half a body is a stream cut off, not a provider that cannot write JSON.
    return document.parse(body_) ? base::fail(std::move(reply.error())) : protocol::ended_early(label_);
  }
  whole_ = std::move(*reply);
  usage_ = whole_->usage;
  service_tier_ = whole_->service_tier;
  tell_reply(*whole_, out);
  ended_ = true;
  return {};
}

Status BedrockEvents::feed(std::string_view bytes, std::vector<ChatEvent>& out) {
  if (bytes.empty() || ended_) return {};  // Nothing behind the end matters.
  texts_.clear();
  // A frame begins with the high byte of a length below 24 MiB.
  if (form_ == Form::Unknown) form_ = bytes[0] == '{' || bytes[0] == '<' ? Form::Whole : Form::Frames;
  if (form_ == Form::Whole) {
    if (body_.size() + bytes.size() > kBodyBytesMax) {
      return protocol::unreadable_stream(label_, "it is no event stream", body_);
    }
    body_ += bytes;
    return {};
  }
  messages_.clear();
  const Status fed = reader_.feed(bytes, messages_);
  // Events before the fault are good.
  for (const StreamMessage& message : messages_) {
    if (Status taken = take(message, out); !taken) return taken;
    if (ended_) return {};
  }
  return fed;
}

Status BedrockEvents::finish(std::vector<ChatEvent>& out) {
  texts_.clear();
  if (form_ == Form::Whole && !ended_) return take_whole(out);
  if (ended_) return {};
  if (!stop_reason_) return protocol::ended_early(label_);
  end(out);
  return {};
}

}  // namespace turnpike::codec
