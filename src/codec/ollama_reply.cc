#include "base/text.h"
#include "codec/codecs.h"
#include "codec/ollama_codec.h"
#include "json/write.h"
#include "protocol/answer_error.h"
#include "protocol/openai_error.h"
#include "protocol/think_tags.h"

namespace turnpike::codec {
namespace {

using domain::Unit;
using json::Kind;
using json::Value;
using protocol::Block;
using protocol::ChatEvent;
using protocol::ChatReply;
using protocol::Finish;
using protocol::ReplyChoice;
using protocol::Texts;

constexpr std::size_t kLineBytesMax = 4 << 20;

std::string_view said(const Value& value, Texts& texts) {
  return protocol::text_in(value, texts).value_or(std::string_view());
}

/// A prompt that was in the cache is not counted.
std::optional<domain::Usage> usage_of(const Value& root) {
  const auto count = [&root](std::string_view name) {
    const auto read = root.find(name).whole();
    return read && *read <= domain::kUnitCountMax ? *read : 0;
  };
  domain::Usage usage;
  usage.set(Unit::InputTokens, count("prompt_eval_count"));
  usage.set(Unit::OutputTokens, count("eval_count"));
  if (usage.empty()) return std::nullopt;
  usage.input_unsaid = usage.prompt_tokens() == 0;
  usage.output_unsaid = !root.find("eval_count");
  return usage;
}

struct Ending {
  Finish finish = Finish::Stop;
  std::string_view native;
};

Ending ending_of(std::string_view reason, bool calls) {
  if (reason == "length") return {Finish::Length, {}};
  if (calls) return {Finish::ToolCalls, {}};
  if (reason == "stop" || reason.empty()) return {};
  return {Finish::Stop, reason};
}

/// Arguments come as an object, and are text to the caller.
std::string_view arguments_of(const Value& call, Texts& texts) {
  const Value arguments = call.find("function").find("arguments");
  if (arguments.is(Kind::String)) return said(arguments, texts);
  return arguments.is(Kind::Object) ? arguments.raw() : std::string_view();
}

void write_token(const Value& entry, json::Writer& writer, bool with_top) {
  const auto raw_or_null = [&writer](const Value& value) {
    if (value) {
      writer.raw(value.raw());
    } else {
      writer.null();
    }
  };
  writer.begin_object().key("token");
  raw_or_null(entry.find("token"));
  writer.key("logprob");
  raw_or_null(entry.find("logprob"));
  writer.key("bytes");
  raw_or_null(entry.find("bytes"));
  if (with_top) {
    writer.key("top_logprobs").begin_array();
    for (const Value top : entry.find("top_logprobs").elements()) write_token(top, writer, false);
    writer.end_array();
  }
  writer.end_object();
}

/// In OpenAI's shape; empty when there are none.
std::string logprobs_of(const Value& list) {
  if (!list.is(Kind::Array) || list.elements().empty()) return {};
  std::string json;
  json::Writer writer(json);
  writer.begin_object().key("content").begin_array();
  for (const Value entry : list.elements()) write_token(entry, writer, true);
  writer.end_array().key("refusal").null().end_object();
  return json;
}

void add_block(ReplyChoice& choice, Block::Kind kind, std::string_view text) {
  if (text.empty()) return;
  Block block;
  block.kind = kind;
  block.text = text;
  choice.blocks.push_back(std::move(block));
}

/// Reads the lines of a streamed answer.
class OllamaEvents : public protocol::EventDecoder {
 public:
  explicit OllamaEvents(std::string_view label) : label_(label) {}

  Status feed(std::string_view bytes, std::vector<ChatEvent>& out) override;
  Status finish(std::vector<ChatEvent>& out) override;
  const std::optional<domain::Usage>& usage() const override { return usage_; }

 private:
  Status take_line(std::string_view line, std::vector<ChatEvent>& out);
  void take_message(const Value& message, std::vector<ChatEvent>& out);
  void take_content(std::string_view content, std::vector<ChatEvent>& out);
  void take_call(const Value& call, std::vector<ChatEvent>& out);
  void end(const Value& root, std::vector<ChatEvent>& out);
  void tell(ChatEvent::Kind kind, std::string_view text, std::vector<ChatEvent>& out) {
    if (text.empty()) return;
    ChatEvent event;
    event.kind = kind;
    event.text = text;
    out.push_back(event);
  }

  std::string label_;
  std::string rest_;   // A line whose end has not come yet.
  std::string lines_;  // What the events of the last feed point at.
  Texts texts_;
  protocol::ThinkTags tags_;
  std::optional<domain::Usage> usage_;
  std::uint32_t calls_ = 0;
  bool started_ = false;
  bool ended_ = false;
};

Status OllamaEvents::feed(std::string_view bytes, std::vector<ChatEvent>& out) {
  texts_.clear();
  const std::size_t last = bytes.rfind('\n');
  if (last == std::string_view::npos) {
    rest_ += bytes;
    if (rest_.size() > kLineBytesMax) return protocol::unreadable_stream(label_, "a line is too long", rest_);
    return {};
  }
  lines_ = std::move(rest_);
  lines_ += bytes.substr(0, last + 1);
  rest_ = bytes.substr(last + 1);
  std::string_view lines = lines_;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    if (Status taken = take_line(base::trim(lines.substr(0, end)), out); !taken) return taken;
    lines.remove_prefix(end + 1);
  }
  return {};
}

Status OllamaEvents::finish(std::vector<ChatEvent>& out) {
  texts_.clear();
  lines_ = std::move(rest_);
  rest_.clear();
  const std::string_view line = base::trim(lines_);
  json::Document whole;
  if (!ended_ && !line.empty()) {
    if (!line.starts_with('<') && !whole.parse(line)) return protocol::ended_early(label_);
    if (Status taken = take_line(line, out); !taken) return taken;
  }
  if (!ended_) return protocol::ended_early(label_);
  return {};
}

Status OllamaEvents::take_line(std::string_view line, std::vector<ChatEvent>& out) {
  if (line.empty() || ended_) return {};
  if (line.size() > kLineBytesMax) return protocol::unreadable_stream(label_, "a line is too long", line);
  if (line.starts_with('<') && !started_) return protocol::page_for_stream(label_, line);
  json::Document document;
  if (auto parsed = document.parse(line); !parsed) {
    return protocol::unreadable_stream(label_, parsed.error().message, line);
  }
  const Value root = document.root();
  if (!root.is(Kind::Object)) return protocol::unreadable_stream(label_, "a line is no JSON object", line);
  if (protocol::holds_error(root)) return base::fail(protocol::read_error(200, line, label_, {}));
  if (!started_) {
    started_ = true;
    ChatEvent event;
    event.kind = ChatEvent::Kind::Start;
    event.name = said(root.find("model"), texts_);
    out.push_back(event);
  }
  take_message(root.find("message"), out);
  if (std::string logprobs = logprobs_of(root.find("logprobs")); !logprobs.empty()) {
    ChatEvent event;
    event.kind = ChatEvent::Kind::Logprobs;
    event.json = texts_.keep(std::move(logprobs));
    out.push_back(event);
  }
  if (root.find("done").boolean() == true) end(root, out);
  return {};
}

void OllamaEvents::take_message(const Value& message, std::vector<ChatEvent>& out) {
  tell(ChatEvent::Kind::Thinking, said(message.find("thinking"), texts_), out);
  take_content(said(message.find("content"), texts_), out);
  for (const Value call : message.find("tool_calls").elements()) take_call(call, out);
}

void OllamaEvents::take_content(std::string_view content, std::vector<ChatEvent>& out) {
  if (content.empty()) return;
  if (tags_.passed()) return tell(ChatEvent::Kind::Text, content, out);
  const protocol::ThinkTags::Pieces pieces = tags_.feed(content);
  tell(ChatEvent::Kind::Thinking, texts_.keep(std::string(pieces.thinking)), out);
  tell(ChatEvent::Kind::Text, texts_.keep(std::string(pieces.text)), out);
}

void OllamaEvents::take_call(const Value& call, std::vector<ChatEvent>& out) {
  ChatEvent event;
  event.kind = ChatEvent::Kind::ToolStart;
  event.tool = calls_++;
  event.id = said(call.find("id"), texts_);
  event.name = said(call.find("function").find("name"), texts_);
  out.push_back(event);
  event = {};
  event.kind = ChatEvent::Kind::ToolArguments;
  event.tool = calls_ - 1;
  event.text = arguments_of(call, texts_);
  if (!event.text.empty()) out.push_back(event);
}

void OllamaEvents::end(const Value& root, std::vector<ChatEvent>& out) {
  const protocol::ThinkTags::Pieces pieces = tags_.finish();
  tell(ChatEvent::Kind::Thinking, texts_.keep(std::string(pieces.thinking)), out);
  tell(ChatEvent::Kind::Text, texts_.keep(std::string(pieces.text)), out);
  ChatEvent event;
  if (auto read = usage_of(root)) {
    usage_ = *read;
    event.kind = ChatEvent::Kind::Usage;
    out.push_back(event);
  }
  const Ending ending = ending_of(said(root.find("done_reason"), texts_), calls_ > 0);
  event = {};
  event.kind = ChatEvent::Kind::Finish;
  event.finish = ending.finish;
  event.native_finish = ending.native;
  out.push_back(event);
  event = {};
  event.kind = ChatEvent::Kind::End;
  out.push_back(event);
  ended_ = true;
}

}  // namespace

Result<ChatReply> OllamaCodec::decode_chat(std::string_view body, std::string_view label) const {
  json::Document document;
  if (auto parsed = document.parse(body); !parsed) {
    return protocol::unreadable_answer(label, parsed.error().message, body);
  }
  const Value root = document.root();
  if (protocol::holds_error(root)) return base::fail(protocol::read_error(200, body, label, {}));
  const Value message = root.find("message");
  if (!message.is(Kind::Object)) return protocol::unreadable_answer(label, "it holds no message", body);
  ChatReply reply;
  reply.model = said(root.find("model"), reply.texts);
  reply.usage = usage_of(root);
  ReplyChoice choice;
  add_block(choice, Block::Kind::Thinking, said(message.find("thinking"), reply.texts));
  protocol::ThinkTags tags;
  for (const bool end : {false, true}) {
    const protocol::ThinkTags::Pieces pieces =
        end ? tags.finish() : tags.feed(said(message.find("content"), reply.texts));
    add_block(choice, Block::Kind::Thinking, reply.texts.keep(std::string(pieces.thinking)));
    add_block(choice, Block::Kind::Text, reply.texts.keep(std::string(pieces.text)));
  }
  bool calls = false;
  for (const Value call : message.find("tool_calls").elements()) {
    Block block;
    block.kind = Block::Kind::ToolUse;
    block.id = said(call.find("id"), reply.texts);
    block.name = said(call.find("function").find("name"), reply.texts);
    block.text = arguments_of(call, reply.texts);
    choice.blocks.push_back(std::move(block));
    calls = true;
  }
  const Ending ending = ending_of(said(root.find("done_reason"), reply.texts), calls);
  choice.finish = ending.finish;
  choice.native_finish = ending.native;
  if (std::string logprobs = logprobs_of(root.find("logprobs")); !logprobs.empty()) {
    choice.logprobs_json = reply.texts.keep(std::move(logprobs));
  }
  reply.choices.push_back(std::move(choice));
  return reply;
}

std::optional<domain::Usage> OllamaCodec::usage_of_part(std::string_view body) const {
  json::Document document;
  return document.parse(body) ? usage_of(document.root()) : std::nullopt;
}

Error OllamaCodec::read_error(const Refusal& refusal) const {
  return protocol::read_error(refusal.status, refusal.body, refusal.label, refusal.retry_after, refusal.now_s);
}

std::unique_ptr<protocol::EventDecoder> OllamaCodec::decode_events(std::string_view label) const {
  return std::make_unique<OllamaEvents>(label);
}

const Codec& ollama_codec() {
  static const OllamaCodec codec;
  return codec;
}

}  // namespace turnpike::codec
