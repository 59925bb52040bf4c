#include "codec/anthropic_stream.h"

#include <algorithm>

#include "base/utf8.h"
#include "codec/anthropic_error.h"
#include "codec/anthropic_reply.h"
#include "codec/tell_reply.h"
#include "json/write.h"

namespace turnpike::codec {

using json::Kind;
using json::Value;
using protocol::ChatEvent;

namespace {

ChatEvent& add(std::vector<ChatEvent>& out, ChatEvent::Kind kind, std::uint32_t block = 0) {
  ChatEvent& event = out.emplace_back();
  event.kind = kind;
  event.block = block;
  return event;
}

std::uint32_t index_of(const Value& root) {
  return static_cast<std::uint32_t>(root.find("index").whole().value_or(0));
}

bool has_members(const Value& object) {
  return object.is(Kind::Object) && !(object.members().begin() == object.members().end());
}

}  // namespace

AnthropicEvents::OpenBlock* AnthropicEvents::find_block(std::uint32_t index) {
  const auto found =
      std::find_if(open_.begin(), open_.end(), [&](const OpenBlock& open) { return open.index == index; });
  return found == open_.end() ? nullptr : &*found;
}

void AnthropicEvents::give_text(std::uint32_t block, std::string_view said, std::vector<ChatEvent>& out) {
  if (said.empty()) return;
  characters_ += base::count_characters(said);
  add(out, ChatEvent::Kind::Text, block).text = said;
}

void AnthropicEvents::give_native(std::string_view name, std::string json, std::uint32_t block,
                                  std::vector<ChatEvent>& out) {
  ChatEvent& event = add(out, ChatEvent::Kind::Native, block);
  event.name = name;
  event.json = keep(std::move(json));
}

void AnthropicEvents::take_usage(const Value& usage, bool placeholder, std::vector<ChatEvent>& out) {
  if (!usage.is(Kind::Object)) return;
  const std::string_view tier = counts_.take(usage, placeholder);
  usage_ = counts_.said();
  if (!tier.empty()) service_tier_ = anthropic_tier(tier);
  if (usage_) add(out, ChatEvent::Kind::Usage);
}

void AnthropicEvents::start_message(const Value& message, std::vector<ChatEvent>& out) {
  ChatEvent& start = add(out, ChatEvent::Kind::Start);
  start.id = text(message.find("id"));
  start.name = text(message.find("model"));
  take_usage(message.find("usage"), true, out);
}

void AnthropicEvents::start_block(const Value& root, std::vector<ChatEvent>& out) {
  const Value block = root.find("content_block");
  const std::string_view type = block.find("type").inner();
  OpenBlock open;
  open.index = index_of(root);
  open.start = characters_;
  open.list = native_list_of(type);
  if (type == "text") {
    give_text(open.index, text(block.find("text")), out);
  } else if (type == "thinking") {
    if (const std::string_view thought = text(block.find("thinking")); !thought.empty()) {
      add(out, ChatEvent::Kind::Thinking, open.index).text = thought;
    }
  } else if (type == "redacted_thinking") {
    add(out, ChatEvent::Kind::RedactedThinking, open.index).text = text(block.find("data"));
  } else if (type == "tool_use") {
    open.is_tool = true;
    open.tool = tools_++;
    if (has_members(block.find("input"))) open.whole_input = json::compact(block.find("input").raw());
    ChatEvent& start = add(out, ChatEvent::Kind::ToolStart, open.index);
    start.tool = open.tool;
    start.id = text(block.find("id"));
    start.name = text(block.find("name"));
  } else if (!open.list.empty()) {
    open.head = block.raw();
  }
  if (open_.size() == kOpenMax) open_.erase(open_.begin());
  open_.push_back(std::move(open));
}

void AnthropicEvents::take_delta(const Value& root, std::vector<ChatEvent>& out) {
  const std::uint32_t index = index_of(root);
  OpenBlock* open = find_block(index);
  const Value delta = root.find("delta");
  const std::string_view type = delta.find("type").inner();
  if (type == "text_delta") {
    give_text(index, text(delta.find("text")), out);
  } else if (type == "thinking_delta") {
    if (const std::string_view thought = text(delta.find("thinking")); !thought.empty()) {
      add(out, ChatEvent::Kind::Thinking, index).text = thought;
    }
  } else if (type == "signature_delta") {
    add(out, ChatEvent::Kind::Signature, index).signature = text(delta.find("signature"));
  } else if (type == "input_json_delta" && open != nullptr) {
    const std::string_view part = text(delta.find("partial_json"));
    if (part.empty()) return;
    if (!open->is_tool) {
      if (open->input.size() + part.size() <= kInputMax) open->input += part;
      return;
    }
    open->arguments = true;
    ChatEvent& arguments = add(out, ChatEvent::Kind::ToolArguments, index);
    arguments.tool = open->tool;
    arguments.text = part;
  } else if (type == "citations_delta") {
    const Value citation = delta.find("citation");
    give_native("citation", json::compact(citation.raw()), index, out);
    const std::string_view url = text(citation.find("url"));
    if (open != nullptr && !url.empty()) {
      open->cited.push_back({std::string(url), std::string(text(citation.find("title")))});
    }
  } else if (type == "compaction_delta" && open != nullptr) {
    open->replaced = delta.raw();
  }
}

// The start of a block with what came since.
std::string AnthropicEvents::whole_block(const OpenBlock& block) const {
  json::Document head;
  if (!head.parse(block.head)) return block.head;
  json::Document changes;
  const bool changed = !block.replaced.empty() && changes.parse(block.replaced);
  json::Document input;
  const bool input_came = !block.input.empty() && input.parse(block.input);
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  for (const Value::Pair& pair : head.root().members()) {
    const std::string key = pair.key.text().value_or("");
    if (changed && key != "type" && changes.root().find(key)) continue;
    writer.key(key).raw(key == "input" && input_came ? std::string_view(block.input) : pair.value.raw());
  }
  if (changed) {
    for (const Value::Pair& pair : changes.root().members()) {
      if (pair.key.inner() != "type") writer.key(pair.key.text().value_or("")).raw(pair.value.raw());
    }
  }
  writer.end_object();
  return json::compact(out);
}

void AnthropicEvents::stop_block(const Value& root, std::vector<ChatEvent>& out) {
  OpenBlock* open = find_block(index_of(root));
  if (open == nullptr) return;
  if (open->is_tool && !open->arguments) {
    ChatEvent& arguments = add(out, ChatEvent::Kind::ToolArguments, open->index);
    arguments.tool = open->tool;
    arguments.text = keep(open->whole_input.empty() ? "{}" : std::move(open->whole_input));
  }
  for (Source& source : open->cited) {
    ChatEvent& event = add(out, ChatEvent::Kind::Citation, open->index);
    event.citation = {open->start, characters_, keep(std::move(source.url)), keep(std::move(source.title))};
  }
  if (!open->list.empty()) give_native(open->list, "[" + whole_block(*open) + "]", open->index, out);
  open_.erase(open_.begin() + (open - open_.data()));
}

void AnthropicEvents::delta_message(const Value& root, std::vector<ChatEvent>& out) {
  const Value delta = root.find("delta");
  const auto give = [&](std::string_view name, const Value& value) {
    if (value && !value.is(Kind::Null)) give_native(name, json::compact(value.raw()), 0, out);
  };
  give("stop_details", delta.find("stop_details"));
  give("container", delta.find("container"));
  give("context_management", root.find("context_management"));
  const std::string_view reason = text(delta.find("stop_reason"));
  const StopReason stop = anthropic_stop(reason);
  if (stop.finish != protocol::Finish::None && !finished_) {
    finished_ = true;
    ChatEvent& finish = add(out, ChatEvent::Kind::Finish);
    finish.finish = stop.finish;
    if (stop.native) finish.native_finish = reason;
  }
  take_usage(root.find("usage"), false, out);
}

Status AnthropicEvents::take(std::string_view, const Value& root, std::vector<ChatEvent>& out) {
  if (ended_) return {};
  const std::string_view type = root.find("type").inner();
  if (type == "message_start") {
    start_message(root.find("message"), out);
  } else if (type == "content_block_start") {
    start_block(root, out);
  } else if (type == "content_block_delta") {
    take_delta(root, out);
  } else if (type == "content_block_stop") {
    stop_block(root, out);
  } else if (type == "message_delta") {
    delta_message(root, out);
  } else if (type == "message_stop") {
    ended_ = true;
    add(out, ChatEvent::Kind::End);
  } else if (is_anthropic_error(root)) {
    return base::fail(read_anthropic_error(0, root.raw(), label()));
  }
  return {};
}

Status AnthropicEvents::take_whole(const Value& root, std::vector<ChatEvent>& out) {
  Result<protocol::ChatReply> reply = read_anthropic_reply(root, label());
  if (!reply) return base::fail(std::move(reply.error()));
  whole_ = std::move(*reply);
  usage_ = whole_->usage;
  service_tier_ = whole_->service_tier;
  tell_reply(*whole_, out);
  ended_ = true;
  return {};
}

}  // namespace turnpike::codec
