#include "codec/anthropic_reply.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "codec/anthropic_error.h"
#include "codec/anthropic_usage.h"
#include "json/write.h"
#include "protocol/answer_error.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using protocol::Block;
using protocol::ChatReply;
using protocol::Finish;
using protocol::ReplyChoice;

/// Reads the content blocks of one answer into its only choice.
class ContentReader {
 public:
  ContentReader(ChatReply& reply, ReplyChoice& choice) : reply_(reply), choice_(choice) {}

  void read(const Value& block) {
    const std::string_view type = block.find("type").inner();
    if (type == "text") {
      read_text(block);
    } else if (type == "thinking") {
      Block& read = add(Block::Kind::Thinking);
      read.text = text(block.find("thinking"));
      read.signature = text(block.find("signature"));
    } else if (type == "redacted_thinking") {
      add(Block::Kind::RedactedThinking).text = text(block.find("data"));
    } else if (type == "tool_use") {
      Block& read = add(Block::Kind::ToolUse);
      read.id = text(block.find("id"));
      read.name = text(block.find("name"));
      const Value input = block.find("input");
      read.text = input.is(Kind::Object) ? reply_.texts.keep(json::compact(input.raw())) : std::string_view("{}");
    } else if (const std::string_view list = native_list_of(type); !list.empty()) {
      native_.append(list, json::compact(block.raw()));
    }
  }

  NativeFields& native() { return native_; }

 private:
  Block& add(Block::Kind kind) {
    Block& block = choice_.blocks.emplace_back();
    block.kind = kind;
    return block;
  }
  std::string_view text(const Value& value) { return protocol::text_in(value, reply_.texts).value_or(value.inner()); }

  void read_text(const Value& block) {
    const std::string_view said = text(block.find("text"));
    const std::uint64_t start = characters_;
    characters_ += base::count_characters(said);
    std::string cited;
    for (const Value citation : block.find("citations").elements()) {
      cited += cited.empty() ? "[" : ",";
      cited += citation_with_text(citation, said);
      const std::string_view url = text(citation.find("url"));
      if (!url.empty()) choice_.citations.push_back({start, characters_, url, text(citation.find("title"))});
    }
    if (!cited.empty()) native_.append("citations", cited + "]");
    if (!said.empty()) add(Block::Kind::Text).text = said;
  }

  ChatReply& reply_;
  ReplyChoice& choice_;
  NativeFields native_;
  std::uint64_t characters_ = 0;
};

}  // namespace

StopReason anthropic_stop(std::string_view reason) {
  static constexpr StopRow kRows[] = {
      {"end_turn", {Finish::Stop, false}},
      {"stop_sequence", {Finish::Stop, false}},
      {"tool_use", {Finish::ToolCalls, false}},
      {"max_tokens", {Finish::Length, false}},
      {"model_context_window_exceeded", {Finish::Length, true}},
      {"compaction", {Finish::Length, true}},
      {"refusal", {Finish::ContentFilter, true}},
      {"pause_turn", {Finish::Stop, true}},
  };
  if (reason.empty()) return {};
  return stop_reason(reason, kRows);
}

std::string_view anthropic_tier(std::string_view tier) {
  return tier == "standard" ? "default" : tier;
}

std::string_view native_list_of(std::string_view block_type) {
  if (block_type == "server_tool_use" || block_type == "mcp_tool_use") return "server_tool_use";
  if (block_type == "web_search_tool_result") return "web_search_results";
  if (block_type.ends_with("_tool_result")) return "tool_results";
  if (block_type == "compaction") return "compaction_blocks";
  if (block_type == "container_upload") return "container_uploads";
  return {};
}

void NativeFields::append(std::string_view list, std::string_view json) {
  const auto found =
      std::find_if(fields_.begin(), fields_.end(), [&](const Field& field) { return field.name == list; });
  if (found == fields_.end()) {
    fields_.push_back({std::string(list), std::string(json), true});
  } else {
    found->json += ',';
    found->json += json;
  }
}

void NativeFields::set(std::string_view name, const Value& value) {
  if (value && !value.is(Kind::Null)) fields_.push_back({std::string(name), json::compact(value.raw()), false});
}

std::string NativeFields::to_json() const {
  std::string out;
  if (fields_.empty()) return out;
  json::Writer writer(out);
  writer.begin_object();
  for (const Field& field : fields_) {
    writer.key(field.name).raw(field.list ? "[" + field.json + "]" : field.json);
  }
  writer.end_object();
  return out;
}

std::string citation_with_text(const Value& citation, std::string_view text) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  for (const Value::Pair& pair : citation.members()) {
    writer.key(pair.key.text().value_or("")).raw(json::compact(pair.value.raw()));
  }
  writer.key("supported_text").string(text).end_object();
  return out;
}

Result<ChatReply> read_anthropic_reply(const Value& root, std::string_view label) {
  enum : std::size_t { kType, kContent, kId, kModel, kStopReason, kUsage, kStopDetails, kContainer, kContext, kCount };
  static constexpr std::array<std::string_view, kCount> kNames = {
      "type", "content", "id", "model", "stop_reason", "usage", "stop_details", "container", "context_management"};
  std::array<Value, kCount> said;
  root.find_each(kNames, said);
  if (!said[kContent] || said[kType].inner() == "error") {
    if (is_anthropic_error(root)) return base::fail(read_anthropic_error(0, root.raw(), label));
  }
  if (!said[kContent].is(Kind::Array)) return protocol::unreadable_answer(label, "it has no content", root.raw());
  ChatReply reply;
  const auto text = [&](const Value& value) { return protocol::text_in(value, reply.texts).value_or(value.inner()); };
  reply.id = text(said[kId]);
  reply.model = text(said[kModel]);
  ReplyChoice& choice = reply.choices.emplace_back();
  ContentReader reader(reply, choice);
  for (const Value block : said[kContent].elements()) reader.read(block);

  const std::string_view reason = text(said[kStopReason]);
  const StopReason stop = anthropic_stop(reason);
  choice.finish = stop.finish;
  if (stop.native) choice.native_finish = reason;
  for (const std::size_t field : {kStopDetails, kContainer, kContext}) reader.native().set(kNames[field], said[field]);
  choice.native_json = reply.texts.keep(reader.native().to_json());

  AnthropicUsage counts;
  reply.service_tier = anthropic_tier(counts.take(said[kUsage]));
  reply.usage = counts.said();
  return reply;
}

Result<ChatReply> read_anthropic_reply(std::string_view body, std::string_view label) {
  json::Document document;
  if (auto parsed = document.parse(body); !parsed) {
    return protocol::unreadable_answer(label, parsed.error().message, body);
  }
  if (!document.root().is(Kind::Object)) return protocol::unreadable_answer(label, "it is no JSON object", body);
  return read_anthropic_reply(document.root(), label);
}

}  // namespace turnpike::codec
