#include "protocol/joined_events.h"

#include <cstdint>
#include <map>
#include <vector>

#include "json/document.h"
#include "json/write.h"
#include "protocol/sse_decoder.h"

namespace turnpike::protocol {
namespace {

using json::Value;

struct ToolCall {
  std::string id, type, name, arguments;
};

struct Choice {
  std::string role, content, reasoning, refusal, finish_reason_json;
  std::map<std::uint64_t, ToolCall> tools;
};

void append(std::string& to, Value text) {
  if (const std::optional<std::string> found = text.text()) to += *found;
}
void keep(std::string& first, Value text) {
  if (first.empty()) append(first, text);
}

/// Collects chunk after chunk.
class Joined {
 public:
  void add(const Value& chunk) {
    if (!chunk.find("choices").is(json::Kind::Array)) return;
    keep(id_, chunk.find("id"));
    keep(model_, chunk.find("model"));
    if (created_.empty()) created_ = chunk.find("created").raw();
    if (chunk.find("usage").is(json::Kind::Object)) usage_ = chunk.find("usage").raw();
    for (const Value choice : chunk.find("choices").elements()) add_choice(choice);
    any_ = true;
  }

  std::string text() const {
    std::string out;
    if (!any_) return out;
    json::Writer writer(out);
    writer.begin_object().key("id").string(id_);
    writer.key("object").string(is_text_ ? "text_completion" : "chat.completion");
    writer.key("created").raw(created_.empty() ? "null" : created_).key("model").string(model_);
    writer.key("choices").begin_array();
    for (const auto& [index, choice] : choices_) write(writer, index, choice);
    writer.end_array();
    if (!usage_.empty()) writer.key("usage").raw(usage_);
    writer.end_object();
    return out;
  }

 private:
  void add_choice(const Value& part) {
    Choice& choice = choices_[part.find("index").whole().value_or(0)];
    if (const Value reason = part.find("finish_reason"); reason.is(json::Kind::String)) {
      choice.finish_reason_json = reason.raw();
    }
    if (const Value text = part.find("text"); text.is(json::Kind::String)) {
      is_text_ = true;
      append(choice.content, text);
    }
    const Value delta = part.find("delta");
    keep(choice.role, delta.find("role"));
    append(choice.content, delta.find("content"));
    append(choice.reasoning, delta.find("reasoning_content"));
    append(choice.refusal, delta.find("refusal"));
    for (const Value tool : delta.find("tool_calls").elements()) {
      ToolCall& call = choice.tools[tool.find("index").whole().value_or(0)];
      keep(call.id, tool.find("id"));
      keep(call.type, tool.find("type"));
      append(call.name, tool.find("function").find("name"));
      append(call.arguments, tool.find("function").find("arguments"));
    }
  }

  void write(json::Writer& writer, std::uint64_t index, const Choice& choice) const {
    writer.begin_object().key("index").number(index);
    if (is_text_) {
      writer.key("text").string(choice.content);
    } else {
      writer.key("message");
      write_message(writer, choice);
    }
    writer.key("finish_reason").raw(choice.finish_reason_json.empty() ? "null" : choice.finish_reason_json);
    writer.end_object();
  }

  static void write_message(json::Writer& writer, const Choice& choice) {
    writer.begin_object().key("role").string(choice.role.empty() ? "assistant" : choice.role).key("content");
    if (choice.content.empty() && !choice.tools.empty()) {
      writer.null();
    } else {
      writer.string(choice.content);
    }
    if (!choice.reasoning.empty()) writer.key("reasoning_content").string(choice.reasoning);
    if (!choice.refusal.empty()) writer.key("refusal").string(choice.refusal);
    if (!choice.tools.empty()) {
      writer.key("tool_calls").begin_array();
      for (const auto& [index, call] : choice.tools) {
        writer.begin_object().key("id").string(call.id).key("type").string(call.type.empty() ? "function" : call.type);
        writer.key("function").begin_object().key("name").string(call.name).key("arguments").string(call.arguments);
        writer.end_object().end_object();
      }
      writer.end_array();
    }
    writer.end_object();
  }

  std::string id_, model_, created_, usage_;
  std::map<std::uint64_t, Choice> choices_;
  bool is_text_ = false, any_ = false;
};

}  // namespace

std::string join_events(std::string_view events) {
  SseDecoder decoder(events.size() + 1);
  std::vector<SseEvent> found;
  Joined joined;
  const auto add_all = [&] {
    for (const SseEvent& event : found) {
      json::Document chunk;
      if (event.data != "[DONE]" && chunk.parse(event.data)) joined.add(chunk.root());
    }
    found.clear();
  };
  if (!decoder.feed(events, found)) return {};
  add_all();
  if (decoder.finish(found)) add_all();
  return joined.text();
}

}  // namespace turnpike::protocol
