#include "codec/tell_reply.h"

#include "json/document.h"

namespace turnpike::codec {
namespace {

using protocol::Block;
using protocol::ChatEvent;
using protocol::ReplyChoice;

ChatEvent event_of(ChatEvent::Kind kind, const ReplyChoice& choice) {
  ChatEvent event;
  event.kind = kind;
  event.choice = static_cast<std::uint32_t>(choice.index);
  return event;
}

void tell_call(const ReplyChoice& choice, const Block& block, std::uint32_t tool, std::vector<ChatEvent>& out) {
  ChatEvent event = event_of(ChatEvent::Kind::ToolStart, choice);
  event.tool = tool;
  event.id = block.id;
  event.name = block.name;
  event.signature = block.signature;
  out.push_back(event);
  if (block.text.empty()) return;
  event = event_of(ChatEvent::Kind::ToolArguments, choice);
  event.tool = tool;
  event.text = block.text;
  out.push_back(event);
}

void tell_thinking(const ReplyChoice& choice, const Block& block, std::uint32_t position, std::vector<ChatEvent>& out) {
  ChatEvent event = event_of(ChatEvent::Kind::Thinking, choice);
  event.block = position;
  event.text = block.text;
  out.push_back(event);
  if (block.signature.empty()) return;
  event = event_of(ChatEvent::Kind::Signature, choice);
  event.block = position;
  event.signature = block.signature;
  out.push_back(event);
}

void tell_block(const ReplyChoice& choice, std::uint32_t position, std::uint32_t& tools, std::vector<ChatEvent>& out) {
  const Block& block = choice.blocks[position];
  switch (block.kind) {
    case Block::Kind::Thinking:
      return tell_thinking(choice, block, position, out);
    case Block::Kind::ToolUse:
      return tell_call(choice, block, tools++, out);
    case Block::Kind::Text:
      out.push_back(event_of(ChatEvent::Kind::Text, choice));
      break;
    case Block::Kind::Refusal:
      out.push_back(event_of(ChatEvent::Kind::Refusal, choice));
      break;
    case Block::Kind::RedactedThinking:
      out.push_back(event_of(ChatEvent::Kind::RedactedThinking, choice));
      break;
    case Block::Kind::Image:
      out.push_back(event_of(ChatEvent::Kind::Image, choice));
      break;
    case Block::Kind::Audio:
      out.push_back(event_of(ChatEvent::Kind::Audio, choice));
      break;
    case Block::Kind::Document:
    case Block::Kind::Video:
    case Block::Kind::ToolResult:
    case Block::Kind::Native:
      return;  // No answer holds them.
  }
  ChatEvent& event = out.back();
  event.block = position;
  event.text = block.text;
  event.id = block.id;
  event.signature = block.signature;
  event.media = block.media;
}

void tell_choice(const ReplyChoice& choice, std::vector<ChatEvent>& out) {
  std::uint32_t tools = 0;
  for (std::uint32_t i = 0; i < choice.blocks.size(); ++i) tell_block(choice, i, tools, out);
  for (const protocol::Citation& citation : choice.citations) {
    out.push_back(event_of(ChatEvent::Kind::Citation, choice));
    out.back().citation = citation;
  }
  if (!choice.logprobs_json.empty()) {
    out.push_back(event_of(ChatEvent::Kind::Logprobs, choice));
    out.back().json = choice.logprobs_json;
  }
  json::Document native;
  if (!choice.native_json.empty() && native.parse(choice.native_json)) {
    for (const json::Value::Pair& pair : native.root().members()) {
      out.push_back(event_of(ChatEvent::Kind::Native, choice));
      out.back().name = pair.key.inner();
      out.back().json = pair.value.raw();
    }
  }
  out.push_back(event_of(ChatEvent::Kind::Finish, choice));
  out.back().finish = choice.finish;
  out.back().native_finish = choice.native_finish;
}

}  // namespace

void tell_reply(const protocol::ChatReply& reply, std::vector<ChatEvent>& out) {
  ChatEvent event;
  event.kind = ChatEvent::Kind::Start;
  event.id = reply.id;
  event.name = reply.model;
  out.push_back(event);
  for (const ReplyChoice& choice : reply.choices) tell_choice(choice, out);
  event = {};
  if (reply.usage) {
    event.kind = ChatEvent::Kind::Usage;
    out.push_back(event);
  }
  event.kind = ChatEvent::Kind::End;
  out.push_back(event);
}

}  // namespace turnpike::codec
