#include "protocol/openai_write.h"

#include "json/document.h"
#include "json/write.h"
#include "protocol/answer_error.h"
#include "protocol/openai_pieces.h"

namespace turnpike::protocol {
namespace {

using BlockKind = Block::Kind;

/// What one choice says, sorted for the members of an OpenAI message.
struct Sorted {
  std::string content;
  std::string refusal;
  std::string thought;
  std::vector<const Block*> thoughts;
  std::vector<const Block*> calls;
  std::vector<const Block*> images;
  const Block* audio = nullptr;
  bool has_content = false;
  bool json_answer = false;
};

bool is_json_call(const AnswerTerms& terms, const Block& block) {
  return terms.json_tool && block.kind == BlockKind::ToolUse && block.name == kJsonTool;
}

Sorted sort_blocks(const ReplyChoice& choice, const AnswerTerms& terms) {
  Sorted sorted;
  for (const Block& block : choice.blocks) {
    switch (block.kind) {
      case BlockKind::Text:
        if (!sorted.json_answer) sorted.content += block.text;
        sorted.has_content = true;
        break;
      case BlockKind::Refusal:
        sorted.refusal += block.text;
        break;
      case BlockKind::Thinking:
        sorted.thought += block.text;
        sorted.thoughts.push_back(&block);
        break;
      case BlockKind::RedactedThinking:
        sorted.thoughts.push_back(&block);
        break;
      case BlockKind::ToolUse:
        if (!is_json_call(terms, block)) {
          sorted.calls.push_back(&block);
        } else if (!sorted.json_answer) {
          // The answer itself; what was said around it is no part of the JSON.
          const std::string_view json = block.text.empty() ? "{}" : block.text;
          sorted.content = terms.unwrap_json ? unwrap_json_answer(json) : json;
          sorted.has_content = sorted.json_answer = true;
        }
        break;
      case BlockKind::Image:
        sorted.images.push_back(&block);
        break;
      case BlockKind::Audio:
        sorted.audio = &block;
        break;
      case BlockKind::Document:
      case BlockKind::Video:
      case BlockKind::ToolResult:
      case BlockKind::Native:
        break;
    }
  }
  return sorted;
}

std::string_view finish_of(const ReplyChoice& choice, const Sorted& sorted, const AnswerTerms& terms) {
  if (!sorted.calls.empty() &&
      (choice.finish == Finish::Stop || choice.finish == Finish::ToolCalls || choice.finish == Finish::None)) {
    return terms.legacy_functions ? "function_call" : "tool_calls";
  }
  if (choice.finish == Finish::None || (choice.finish == Finish::ToolCalls && sorted.json_answer)) return "stop";
  return finish_name(choice.finish);
}

/// Writes one answer; `ids` and `terms` are the same for all its choices.
class ReplyWriter {
 public:
  ReplyWriter(const ReplyOptions& options, const AnswerTerms& terms, std::string_view id, std::string& out)
      : options_(options), terms_(terms), ids_(id), out_(out) {}

  /// Returns the choice's finish reason.
  std::string_view choice(const ReplyChoice& choice);

 private:
  void text_choice(const ReplyChoice& choice, const Sorted& sorted);
  void message(const ReplyChoice& choice, const Sorted& sorted);
  void thoughts(const Sorted& sorted);
  void calls(const ReplyChoice& choice, const Sorted& sorted);
  void call(const Block& call, std::uint64_t choice, std::uint64_t index);
  void audio(const Block& block);

  template <class List, class Append>
  void list(std::string_view name, const List& items, Append append) {
    if (items.empty()) return;
    out_.append(",\"").append(name).append("\":[");
    std::uint64_t index = 0;
    for (const auto& item : items) {
      if (index > 0) out_ += ',';
      append(item, index++);
    }
    out_ += ']';
  }
  void text(std::string_view name, std::string_view value) {
    out_.append(",\"").append(name).append("\":");
    json::append_string(out_, value);
  }

  const ReplyOptions& options_;
  const AnswerTerms& terms_;
  CallIds ids_;
  std::string& out_;
};

void ReplyWriter::thoughts(const Sorted& sorted) {
  if (!sorted.thought.empty()) text("reasoning_content", sorted.thought);
  list("thinking_blocks", sorted.thoughts, [this](const Block* block, std::uint64_t) {
    if (block->kind == BlockKind::RedactedThinking) {
      append_redacted_thinking(out_, block->text);
    } else {
      append_thinking(out_, block->text, block->signature);
    }
  });
}

void ReplyWriter::call(const Block& call, std::uint64_t choice, std::uint64_t index) {
  json::Writer writer(out_);
  const std::string_view name = callers_name(terms_, call.name);
  writer.begin_object().key("id").string(ids_.shown(call.id, choice, index, call.signature));
  if (call.custom) {
    writer.key("type").string("custom").key("custom").begin_object();
    writer.key("name").string(name).key("input").string(call.text);
  } else {
    writer.key("type").string("function").key("function").begin_object();
    writer.key("name").string(name).key("arguments").string(call.text.empty() ? "{}" : call.text);
  }
  writer.end_object().end_object();
}

void ReplyWriter::calls(const ReplyChoice& choice, const Sorted& sorted) {
  if (sorted.calls.empty()) return;
  if (!terms_.legacy_functions) {
    list("tool_calls", sorted.calls,
         [&](const Block* block, std::uint64_t index) { call(*block, choice.index, index); });
    return;
  }
  const Block& first = *sorted.calls.front();  // The older form has room for one.
  out_ += ",\"function_call\":";
  json::Writer writer(out_);
  writer.begin_object().key("name").string(callers_name(terms_, first.name));
  writer.key("arguments").string(first.text.empty() ? "{}" : first.text).end_object();
}

void ReplyWriter::audio(const Block& block) {
  out_ += ",\"audio\":";
  json::Writer writer(out_);
  writer.begin_object();
  writer.key("id").string(block.id.empty() ? "audio_" + ids_.shown("", 0, 0, "") : std::string(block.id));
  writer.key("data").string(block.media.base64);
  writer.key("expires_at").number(options_.created_s);  // Providers other than OpenAI keep no copy.
  writer.key("transcript").string(block.text).end_object();
}

void ReplyWriter::message(const ReplyChoice& choice, const Sorted& sorted) {
  out_ += "{\"role\":\"assistant\",\"content\":";
  // Null where something else is the answer.
  const bool silent = !sorted.calls.empty() || !sorted.refusal.empty() || sorted.audio != nullptr ||
                      choice.finish == Finish::ContentFilter;
  if (sorted.has_content && !(silent && sorted.content.empty())) {
    json::append_string(out_, sorted.content);
  } else {
    out_ += silent ? "null" : "\"\"";
  }
  if (sorted.refusal.empty()) {
    out_ += ",\"refusal\":null";
  } else {
    text("refusal", sorted.refusal);
  }
  thoughts(sorted);
  calls(choice, sorted);
  list("images", sorted.images,
       [this](const Block* block, std::uint64_t index) { append_image(out_, block->media, index); });
  if (sorted.audio != nullptr) audio(*sorted.audio);
  list("annotations", choice.citations,
       [this](const Citation& citation, std::uint64_t) { append_annotation(out_, citation); });
  if (!choice.native_json.empty()) out_.append(",\"provider_specific_fields\":").append(choice.native_json);
  out_ += '}';
}

void ReplyWriter::text_choice(const ReplyChoice& choice, const Sorted& sorted) {
  out_.append("{\"text\":");
  json::append_string(out_, sorted.content);
  out_.append(",\"index\":").append(std::to_string(choice.index)).append(",\"logprobs\":null");
}

std::string_view ReplyWriter::choice(const ReplyChoice& choice) {
  const Sorted sorted = sort_blocks(choice, terms_);
  if (options_.operation == domain::Operation::Completion) {
    text_choice(choice, sorted);
  } else {
    out_.append("{\"index\":").append(std::to_string(choice.index)).append(",\"message\":");
    message(choice, sorted);
    out_ += ",\"logprobs\":";
    out_ += choice.logprobs_json.empty() ? "null" : choice.logprobs_json;
  }
  const std::string_view finish = finish_of(choice, sorted, terms_);
  out_.append(",\"finish_reason\":\"").append(finish).append("\"");
  append_native_finish(out_, choice.native_finish);
  out_ += '}';
  return finish;
}

// Everything the model wrote: what a local count has to count.
std::string output_text(const ChatReply& reply) {
  std::string text;
  for (const ReplyChoice& choice : reply.choices) {
    for (const Block& block : choice.blocks) {
      if (block.kind == BlockKind::ToolUse) text += block.name;
      if (block.kind != BlockKind::RedactedThinking) text += block.text;
    }
  }
  return text;
}

std::size_t size_of(const ChatReply& reply) {
  constexpr std::size_t kFrame = 768;
  std::size_t size = kFrame;
  for (const ReplyChoice& choice : reply.choices) {
    for (const Block& block : choice.blocks) {
      size += 2 * block.text.size() + block.signature.size() + block.media.base64.size() + 160;
    }
  }
  return size;
}

// The members of an object, to stand in another one.
std::string_view inside(std::string_view object_json) {
  const std::size_t open = object_json.find('{');
  const std::size_t close = object_json.rfind('}');
  if (open == std::string_view::npos || close == std::string_view::npos || close <= open) return {};
  const std::string_view members = object_json.substr(open + 1, close - open - 1);
  return members.find('"') == std::string_view::npos ? std::string_view() : members;
}

}  // namespace

Result<ReplyFacts> write_openai_reply(const ReplyOptions& options, const AnswerTerms& terms, const ChatReply& reply,
                                      std::string& out) {
  if (reply.choices.empty()) return unreadable_answer(options.provider_label, "it has no answer in it", "");
  ReplyFacts facts;
  facts.id = reply.id.empty() ? options.fallback_id : reply.id;
  facts.model = reply.model;
  facts.service_tier = reply.service_tier;
  facts.usage = reply.usage;
  if (!facts.usage || facts.usage->output_unsaid) facts.text_for_count = output_text(reply);

  out.reserve(out.size() + size_of(reply));
  out += "{\"id\":";
  json::append_string(out, facts.id);
  out += options.operation == domain::Operation::Completion ? ",\"object\":\"text_completion\""
                                                            : ",\"object\":\"chat.completion\"";
  out.append(",\"created\":").append(std::to_string(options.created_s)).append(",\"model\":");
  json::append_string(out, options.shown_model);
  out += ",\"choices\":[";
  ReplyWriter writer(options, terms, options.fallback_id.empty() ? facts.id : options.fallback_id, out);
  for (const ReplyChoice& choice : reply.choices) {
    if (&choice != reply.choices.data()) out += ',';
    const std::string_view finish = writer.choice(choice);
    if (facts.finish_reason.empty()) facts.finish_reason = finish;
  }
  out += ']';
  const bool told = reply.usage && !reply.usage->input_unsaid && !reply.usage->output_unsaid;
  if (told) out.append(",\"usage\":").append(usage_json(options.operation, *reply.usage));
  if (!reply.service_tier.empty()) {
    out += ",\"service_tier\":";
    json::append_string(out, reply.service_tier);
  }
  if (const std::string_view extra = inside(reply.extra_json); !extra.empty()) out.append(",").append(extra);
  // What the provider left unsaid is counted first: the caller reads the figures that are booked.
  facts.owes_usage = !told;
  if (told) out += '}';
  return facts;
}

}  // namespace turnpike::protocol
