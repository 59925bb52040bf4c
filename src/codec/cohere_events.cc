#include <algorithm>

#include "base/utf8.h"
#include "codec/codecs.h"
#include "codec/cohere_codec.h"
#include "codec/cohere_reply.h"
#include "codec/json_events.h"
#include "codec/tell_reply.h"
#include "json/write.h"
#include "protocol/openai_error.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using protocol::ChatEvent;

/// Cohere's stream: every object says its `type`; `message-end` is the last.
class CohereEvents : public JsonEventDecoder {
 public:
  explicit CohereEvents(std::string_view label) : JsonEventDecoder(label) {}

 private:
  // The plan stands before all content and has no number.
  static constexpr std::uint32_t kPlanBlock = 0xFFFFFFFF;

  Status take(std::string_view, const Value& root, std::vector<ChatEvent>& out) override;
  Status take_whole(const Value& root, std::vector<ChatEvent>& out) override;
  bool ended() const override { return ended_; }

  void add_text(ChatEvent::Kind kind, std::uint32_t block, std::string_view said, std::vector<ChatEvent>& out) {
    if (said.empty()) return;
    ChatEvent event;
    event.kind = kind;
    event.block = block;
    event.text = said;
    out.push_back(event);
  }
  void content(const Value& root, const Value& message, std::vector<ChatEvent>& out);
  void logprob(const Value& item, std::vector<ChatEvent>& out);
  void tool_start(const Value& root, const Value& call, std::vector<ChatEvent>& out);
  void tool_arguments(const Value& root, const Value& call, std::vector<ChatEvent>& out);
  void citation(const Value& citation, std::vector<ChatEvent>& out);
  Status end(const Value& delta, std::vector<ChatEvent>& out);

  std::vector<std::uint64_t> calls_;       // Cohere's index of each tool call.
  std::vector<std::uint64_t> characters_;  // Of each content block so far.
  protocol::ChatReply whole_;
  bool ended_ = false;
};

Status CohereEvents::take(std::string_view, const Value& root, std::vector<ChatEvent>& out) {
  if (ended_) return {};
  if (is_cohere_error(root)) return base::fail(protocol::read_error(200, root.raw(), label(), {}));
  const std::string_view type = root.find("type").inner();
  const Value delta = root.find("delta");
  const Value message = delta.find("message");
  if (type == "content-delta" || type == "content-start") {
    content(root, message.find("content"), out);
  } else if (type == "tool-plan-delta") {
    add_text(ChatEvent::Kind::Thinking, kPlanBlock, text(message.find("tool_plan")), out);
  } else if (type == "tool-call-start") {
    tool_start(root, message.find("tool_calls"), out);
  } else if (type == "tool-call-delta") {
    tool_arguments(root, message.find("tool_calls"), out);
  } else if (type == "citation-start") {
    const Value citations = message.find("citations");
    if (citations.is(Kind::Object)) citation(citations, out);
    for (const Value one : citations.elements()) citation(one, out);
  } else if (type == "message-start") {
    ChatEvent event;
    event.kind = ChatEvent::Kind::Start;
    event.id = text(root.find("id"));
    out.push_back(event);
  } else if (type == "message-end") {
    return end(delta, out);
  }
  return {};
}

void CohereEvents::content(const Value& root, const Value& message, std::vector<ChatEvent>& out) {
  constexpr std::uint64_t kBlocksMax = 1024;
  const std::uint64_t index = std::min(root.find("index").whole().value_or(0), kBlocksMax);
  const auto block = static_cast<std::uint32_t>(index);
  add_text(ChatEvent::Kind::Thinking, block, text(message.find("thinking")), out);
  const std::string_view said = text(message.find("text"));
  add_text(ChatEvent::Kind::Text, block, said, out);
  if (characters_.size() <= index) characters_.resize(index + 1);
  characters_[index] += base::count_characters(said);
  if (root.find("logprobs").is(Kind::Object)) logprob(root.find("logprobs"), out);
}

void CohereEvents::logprob(const Value& item, std::vector<ChatEvent>& out) {
  std::string element;
  append_cohere_logprob(item, element);
  if (element.empty()) return;
  ChatEvent event;
  event.kind = ChatEvent::Kind::Logprobs;
  event.json = keep(R"({"content":[)" + element + R"(],"refusal":null})");
  out.push_back(event);
}

void CohereEvents::tool_start(const Value& root, const Value& call, std::vector<ChatEvent>& out) {
  ChatEvent event;
  event.kind = ChatEvent::Kind::ToolStart;
  event.tool = static_cast<std::uint32_t>(calls_.size());
  event.id = text(call.find("id"));
  event.name = text(call.find("function").find("name"));
  calls_.push_back(root.find("index").whole().value_or(calls_.size()));
  out.push_back(event);
  tool_arguments(root, call, out);
}

void CohereEvents::tool_arguments(const Value& root, const Value& call, std::vector<ChatEvent>& out) {
  if (calls_.empty()) return;
  ChatEvent event;
  event.kind = ChatEvent::Kind::ToolArguments;
  event.tool = static_cast<std::uint32_t>(calls_.size() - 1);
  if (const auto index = root.find("index").whole()) {
    for (std::size_t i = 0; i < calls_.size(); ++i) {
      if (calls_[i] == *index) event.tool = static_cast<std::uint32_t>(i);
    }
  }
  event.text = text(call.find("function").find("arguments"));
  if (!event.text.empty()) out.push_back(event);
}

void CohereEvents::citation(const Value& citation, std::vector<ChatEvent>& out) {
  std::uint64_t offset = 0;
  const std::uint64_t index = citation.find("content_index").whole().value_or(0);
  for (std::size_t i = 0; i < characters_.size() && i < index; ++i) offset += characters_[i];
  protocol::Texts made;
  std::vector<protocol::Citation> citations;
  append_citations(citation, offset, made, citations);
  for (const protocol::Citation& one : citations) {
    ChatEvent event;
    event.kind = ChatEvent::Kind::Citation;
    event.citation = one;
    event.citation.url = keep(std::string(one.url));
    event.citation.title = keep(std::string(one.title));
    out.push_back(event);
  }
}

Status CohereEvents::end(const Value& delta, std::vector<ChatEvent>& out) {
  if (auto read = cohere_usage(delta.find("usage"))) {
    usage_ = *read;
    ChatEvent event;
    event.kind = ChatEvent::Kind::Usage;
    out.push_back(event);
  }
  const std::string_view word = text(delta.find("finish_reason"));
  if (const auto fault = delta.find("error").text(); fault && !fault->empty()) {
    return base::fail(protocol::read_error(200, R"({"message":)" + json::quoted(*fault) + "}", label(), {}));
  }
  const CohereFinish finish = cohere_finish(word);
  if (finish.broken) return base::fail(protocol::broke_off_error(word, label()));
  ended_ = true;
  ChatEvent event;
  event.kind = ChatEvent::Kind::Finish;
  event.finish = finish.finish;
  if (finish.native) event.native_finish = word;
  out.push_back(event);
  event = {};
  event.kind = ChatEvent::Kind::End;
  out.push_back(event);
  return {};
}

Status CohereEvents::take_whole(const Value& root, std::vector<ChatEvent>& out) {
  Result<protocol::ChatReply> read = read_cohere_reply(root.raw(), label());
  if (!read) return base::fail(std::move(read.error()));
  whole_ = std::move(*read);
  usage_ = whole_.usage;
  tell_reply(whole_, out);
  ended_ = true;
  return {};
}

}  // namespace

std::unique_ptr<protocol::EventDecoder> CohereCodec::decode_events(std::string_view label) const {
  return std::make_unique<CohereEvents>(label);
}

const Codec& cohere_codec() {
  static const CohereCodec codec;
  return codec;
}

}  // namespace turnpike::codec
