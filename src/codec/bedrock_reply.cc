#include "codec/bedrock_reply.h"

#include "base/utf8.h"
#include "codec/bedrock_error.h"
#include "json/write.h"
#include "protocol/answer_error.h"

namespace turnpike::codec {
namespace {

using domain::Unit;
using json::Kind;
using json::Value;
using protocol::Block;
using protocol::ChatReply;
using protocol::Finish;
using protocol::ReplyChoice;

class ReplyReader {
 public:
  explicit ReplyReader(ChatReply& reply) : reply_(reply), choice_(reply.choices.emplace_back()) {}

  void read(const Value& root) {
    for (const Value block : root.find("output").find("message").find("content").elements()) read_block(block);
    const std::string_view reason = text(root.find("stopReason"));
    const StopReason stop = bedrock_stop(reason);
    choice_.finish = stop.finish;
    if (stop.native) choice_.native_finish = reason;
    std::string native;
    if (!citations_.empty()) native = "{\"citations\":[" + citations_ + "]";
    if (const Value fields = root.find("additionalModelResponseFields"); fields && !fields.is(Kind::Null)) {
      native.append(native.empty() ? "{" : ",")
          .append("\"additionalModelResponseFields\":")
          .append(json::compact(fields.raw()));
    }
    if (!native.empty()) choice_.native_json = reply_.texts.keep(native + "}");
    if (const Value trace = root.find("trace"); trace.is(Kind::Object)) {
      reply_.extra_json = reply_.texts.keep("{\"trace\":" + json::compact(trace.raw()) + "}");
    }
    reply_.usage = bedrock_usage(root.find("usage"));
    reply_.service_tier = text(root.find("serviceTier").find("type"));
  }

 private:
  std::string_view text(const Value& value) { return protocol::text_in(value, reply_.texts).value_or(""); }

  Block& add(Block::Kind kind) {
    Block& block = choice_.blocks.emplace_back();
    block.kind = kind;
    return block;
  }

  void add_text(std::string_view said) {
    characters_ += base::count_characters(said);
    add(Block::Kind::Text).text = said;
  }

  void read_block(const Value& block) {
    if (const Value said = block.find("text")) return add_text(text(said));
    if (const Value call = block.find("toolUse")) return read_call(call);
    if (const Value thought = block.find("reasoningContent")) return read_thought(thought);
    if (const Value cited = block.find("citationsContent")) return read_cited(cited);
    if (const Value image = block.find("image")) return read_image(image);
  }

  void read_call(const Value& call) {
    // Run by AWS itself: the caller has nothing to do.
    if (text(call.find("type")) == "server_tool_use") return;
    Block& block = add(Block::Kind::ToolUse);
    block.id = text(call.find("toolUseId"));
    block.name = text(call.find("name"));
    const Value input = call.find("input");
    block.text = input.is(Kind::Object) ? reply_.texts.keep(json::compact(input.raw())) : "{}";
  }

  void read_thought(const Value& thought) {
    if (const Value sealed = thought.find("redactedContent")) {
      add(Block::Kind::RedactedThinking).text = text(sealed);
      return;
    }
    const Value said = thought.find("reasoningText");
    Block& block = add(Block::Kind::Thinking);
    block.text = text(said.find("text"));
    block.signature = text(said.find("signature"));
  }

  void read_cited(const Value& cited) {
    const std::uint64_t start = characters_;
    for (const Value part : cited.find("content").elements()) add_text(text(part.find("text")));
    for (const Value citation : cited.find("citations").elements()) {
      const std::string_view url = bedrock_citation_url(citation, reply_.texts);
      if (url.empty()) {
        citations_.append(citations_.empty() ? "" : ",").append(json::compact(citation.raw()));
      } else {
        choice_.citations.push_back({start, characters_, url, text(citation.find("title"))});
      }
    }
  }

  void read_image(const Value& image) {
    const std::string_view bytes = text(image.find("source").find("bytes"));
    if (bytes.empty()) return;
    Block& block = add(Block::Kind::Image);
    block.media.mime = reply_.texts.keep("image/" + std::string(text(image.find("format"))));
    block.media.base64 = bytes;
  }

  ChatReply& reply_;
  ReplyChoice& choice_;
  std::uint64_t characters_ = 0;
  std::string citations_;
};

}  // namespace

StopReason bedrock_stop(std::string_view reason) {
  static constexpr StopRow kRows[] = {
      {"end_turn", {Finish::Stop, false}},
      {"stop_sequence", {Finish::Stop, false}},
      {"tool_use", {Finish::ToolCalls, false}},
      {"max_tokens", {Finish::Length, false}},
      {"model_context_window_exceeded", {Finish::Length, true}},
      {"guardrail_intervened", {Finish::ContentFilter, true}},
      {"content_filtered", {Finish::ContentFilter, true}},
  };
  return stop_reason(reason, kRows);
}

std::optional<domain::Usage> bedrock_usage(const Value& usage) {
  if (!usage.is(Kind::Object)) return std::nullopt;
  bool believed = true;
  const auto count = [&](const Value& value) -> std::uint64_t {
    if (!value || value.is(Kind::Null)) return 0;
    const auto said = value.whole();
    if (said && *said <= domain::kUnitCountMax) return *said;
    believed = false;
    return 0;
  };
  std::uint64_t hour = 0;
  for (const Value detail : usage.find("cacheDetails").elements()) {
    if (detail.find("ttl").inner() == "1h") hour += count(detail.find("inputTokens"));
  }
  const std::uint64_t written = count(usage.find("cacheWriteInputTokens"));
  hour = std::min(hour, written);
  domain::Usage read;
  read.set(Unit::InputTokens, count(usage.find("inputTokens")));
  read.set(Unit::CachedInputTokens, count(usage.find("cacheReadInputTokens")));
  read.set(Unit::CacheWriteTokens, written - hour);
  read.set(Unit::CacheWrite1hTokens, hour);
  read.set(Unit::OutputTokens, count(usage.find("outputTokens")));
  read.input_unsaid = !usage.find("inputTokens");
  read.output_unsaid = !usage.find("outputTokens");
  // A guardrail that stops a prompt says 0 and 0, and means it: no model was asked.
  if (!believed || (read.empty() && (read.input_unsaid || read.output_unsaid))) return std::nullopt;
  return read;
}

std::string_view bedrock_citation_url(const Value& citation, protocol::Texts& texts) {
  std::string_view url = protocol::text_in(citation.find("location").find("web").find("url"), texts).value_or("");
  if (url.empty()) url = protocol::text_in(citation.find("source"), texts).value_or("");
  return url.starts_with("http://") || url.starts_with("https://") ? url : std::string_view();
}

Result<ChatReply> read_bedrock_reply(const Value& root, std::string_view label) {
  if (!root.find("output").find("message").is(Kind::Object)) {
    if (is_bedrock_error(root)) return base::fail(read_bedrock_exception({}, root.raw(), label));
    return protocol::unreadable_answer(label, "it holds no message", root.raw());
  }
  ChatReply reply;
  ReplyReader(reply).read(root);
  return reply;
}

Result<ChatReply> read_bedrock_reply(std::string_view body, std::string_view label) {
  json::Document document;
  if (auto parsed = document.parse(body); !parsed) {
    return protocol::unreadable_answer(label, parsed.error().message, body);
  }
  return read_bedrock_reply(document.root(), label);
}

}  // namespace turnpike::codec
