#include <algorithm>

#include "codec/cohere_codec.h"
#include "codec/parts.h"
#include "json/write.h"
#include "protocol/media.h"

namespace turnpike::codec {
namespace {

using domain::Trait;
using protocol::Block;
using protocol::ChatRequest;
using protocol::Message;
using protocol::Param;
using protocol::ParamSet;
using protocol::ResponseFormat;
using protocol::Role;
using protocol::Thinking;
using protocol::Tool;
using protocol::ToolChoice;

/// A model nobody has listed may reason: the newest ones are not listed yet.
bool may_reason(const EncodeInput& input) {
  return input.traits.has(Trait::Reasoning) || !input.traits.listed;
}

std::uint64_t effort_budget(std::string_view effort) {
  if (effort == "minimal" || effort == "low") return 1024;
  if (effort == "medium") return 2048;
  if (effort == "high") return 4096;
  return 0;  // xhigh, max: as long as the model likes.
}

/// Writes one call's messages.
class Messages {
 public:
  Messages(const EncodeInput& input, json::Writer& writer) : input_(input), writer_(writer) {}

  Status write(const std::vector<Message>& messages) {
    if (std::none_of(messages.begin(), messages.end(), [this](const Message& message) { return is_sent(message); })) {
      return refuse_empty_messages();
    }
    writer_.begin_array();
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (Status written = message(messages[i], i); !written) return written;
    }
    writer_.end_array();
    return {};
  }

 private:
  Status message(const Message& message, std::size_t position) {
    switch (message.role) {
      case Role::System:
      case Role::Developer:
        return asked("system", message, position);
      case Role::User:
        return asked("user", message, position);
      case Role::Assistant:
        if (is_sent(message)) answered(message);
        return {};
      case Role::Tool:
        return tool_result(message, position);
    }
    return {};
  }

  Status asked(std::string_view role, const Message& message, std::size_t position) {
    writer_.begin_object().key("role").string(role).key("content");
    if (message.blocks.size() == 1 && message.blocks[0].kind == Block::Kind::Text) {
      writer_.string(message.blocks[0].text).end_object();
      return {};
    }
    writer_.begin_array();
    for (const Block& block : message.blocks) {
      if (block.kind == Block::Kind::Text) {
        text_part(block.text);
      } else if (block.kind == Block::Kind::Image && role == "user") {
        image_part(block);
      } else {
        return refuse_part(input_, block, position);
      }
    }
    writer_.end_array().end_object();
    return {};
  }

  void text_part(std::string_view text) {
    writer_.begin_object().key("type").string("text").key("text").string(text).end_object();
  }

  void image_part(const Block& block) {
    writer_.begin_object().key("type").string("image_url").key("image_url").begin_object();
    writer_.key("url").string(media_url(block.media));
    const std::string_view detail = block.media.detail;
    if (detail == "low" || detail == "high" || detail == "auto") writer_.key("detail").string(detail);
    writer_.end_object().end_object();
  }

  /// Cohere takes no answer without a text, a call or, from models that think, a thought.
  bool is_sent(const Message& message) const {
    if (message.role != Role::Assistant) return true;
    const bool thinks = input_.traits.has(Trait::Reasoning);
    return std::any_of(message.blocks.begin(), message.blocks.end(), [&](const Block& block) {
      if (block.kind == Block::Kind::Thinking) return thinks && !block.text.empty();
      return block.kind == Block::Kind::ToolUse || is_text(block);
    });
  }

  void answered(const Message& message) {
    std::string plan;
    bool calls = false;
    bool texts = false;
    for (const Block& block : message.blocks) {
      calls |= block.kind == Block::Kind::ToolUse;
      texts |= is_text(block);
      if (block.kind == Block::Kind::Thinking && !block.text.empty()) {
        plan.append(plan.empty() ? "" : "\n").append(block.text);
      }
    }
    const bool thinks = input_.traits.has(Trait::Reasoning) && !plan.empty();
    writer_.begin_object().key("role").string("assistant");
    if (calls && !thinks && !plan.empty()) writer_.key("tool_plan").string(plan);
    if (calls) tool_calls(message);
    if (texts || thinks || !calls) content(message, thinks);
    writer_.end_object();
  }

  static bool is_text(const Block& block) {
    return (block.kind == Block::Kind::Text || block.kind == Block::Kind::Refusal) && !block.text.empty();
  }

  void content(const Message& message, bool with_thinking) {
    writer_.key("content").begin_array();
    for (const Block& block : message.blocks) {
      if (is_text(block)) text_part(block.text);
      if (with_thinking && block.kind == Block::Kind::Thinking && !block.text.empty()) {
        writer_.begin_object().key("type").string("thinking").key("thinking").string(block.text).end_object();
      }
    }
    writer_.end_array();
  }

  void tool_calls(const Message& message) {
    writer_.key("tool_calls").begin_array();
    for (const Block& block : message.blocks) {
      if (block.kind != Block::Kind::ToolUse) continue;
      protocol::Texts texts;
      writer_.begin_object().key("id").string(block.id).key("type").string("function").key("function").begin_object();
      writer_.key("name").string(block.name);
      writer_.key("arguments").string(protocol::arguments_object(block.text, texts));
      writer_.end_object().end_object();
    }
    writer_.end_array();
  }

  Status tool_result(const Message& message, std::size_t position) {
    for (const Block& result : message.blocks) {
      std::string text;
      for (const Block& part : result.parts) {
        if (part.kind != Block::Kind::Text) return refuse_part(input_, part, position);
        text.append(text.empty() ? "" : "\n").append(part.text);
      }
      writer_.begin_object().key("role").string("tool").key("tool_call_id").string(result.id);
      writer_.key("content").string(text).end_object();
    }
    return {};
  }

  const EncodeInput& input_;
  json::Writer& writer_;
};

/// The tools that may be called: Cohere cannot be told to call one of several.
std::vector<const Tool*> tools_for(const ChatRequest& request) {
  const ToolChoice& choice = request.tool_choice;
  std::vector<const Tool*> tools;
  for (const Tool& tool : request.tools) {
    const bool named = choice.kind != ToolChoice::Kind::Named || tool.name == choice.name;
    if (named && allows(choice, tool)) tools.push_back(&tool);
  }
  return tools;
}

Status write_tools(const ChatRequest& request, const EncodeInput& input, json::Writer& writer) {
  if (request.tools.empty()) return {};
  const std::vector<const Tool*> tools = tools_for(request);
  if (tools.empty()) return refuse_param(input, "tool_choice", "names no tool of this call");
  writer.key("tools").begin_array();
  bool strict = true;
  for (const Tool* tool : tools) {
    if (tool->kind != Tool::Kind::Function)
      return refuse_param(input, "tools", "takes tools of the type function only");
    strict = strict && tool->strict.value_or(false);
    write_function(*tool, writer);
  }
  writer.end_array();
  if (strict) writer.key("strict_tools").boolean(true);
  const ToolChoice& choice = request.tool_choice;
  if (choice.kind == ToolChoice::Kind::None) {
    writer.key("tool_choice").string("NONE");
  } else if (choice.kind == ToolChoice::Kind::Required || choice.kind == ToolChoice::Kind::Named ||
             (choice.kind == ToolChoice::Kind::Allowed && choice.must_call)) {
    writer.key("tool_choice").string("REQUIRED");
  }
  return {};
}

Status write_format(const ChatRequest& request, const EncodeInput& input, json::Writer& writer) {
  const ResponseFormat& format = request.response_format;
  if (format.kind == ResponseFormat::Kind::Unset || format.kind == ResponseFormat::Kind::Text) return {};
  if (!request.tools.empty()) {
    if (param_policy(input).drop) return {};
    return refuse_param(input, "response_format", "cannot be held to a form while it has tools");
  }
  writer.key("response_format").begin_object().key("type").string("json_object");
  if (format.kind == ResponseFormat::Kind::JsonSchema && !format.schema_json.empty()) {
    writer.key("json_schema").raw(format.schema_json);
  }
  writer.end_object();
  return {};
}

void write_thinking(const ChatRequest& request, json::Writer& writer) {
  const Thinking& thinking = request.thinking;
  const std::string_view effort = request.reasoning_effort;
  const bool said = thinking.kind != Thinking::Kind::Unset;
  if (!said && effort.empty()) return;
  const bool off = said ? thinking.kind == Thinking::Kind::Disabled : effort == "none" || effort == "disable";
  const std::uint64_t budget = said ? thinking.budget_tokens.value_or(0) : effort_budget(effort);
  writer.key("thinking").begin_object().key("type").string(off ? "disabled" : "enabled");
  if (!off && budget > 0) writer.key("token_budget").number(budget);
  writer.end_object();
}

void write_sampling(const ChatRequest& request, json::Writer& writer) {
  const auto number = [&writer](std::string_view name, std::string_view json) {
    if (!json.empty()) writer.key(name).raw(json);
  };
  if (request.max_tokens) writer.key("max_tokens").number(*request.max_tokens);
  number("temperature", request.temperature);
  number("p", request.top_p);
  number("k", request.top_k);
  number("frequency_penalty", request.frequency_penalty);
  number("presence_penalty", request.presence_penalty);
  number("seed", request.seed);
  if (request.logprobs) writer.key("logprobs").boolean(*request.logprobs);
  if (request.stop.empty()) return;
  writer.key("stop_sequences").begin_array();
  for (const std::string_view stop : request.stop) writer.string(stop);
  writer.end_array();
}

}  // namespace

std::string cohere_path(const provider::Target& target, std::string_view operation) {
  std::string_view path = target.base.path;
  for (const std::string_view tail : {"/chat", "/embed", "/rerank"}) {
    if (path.ends_with(tail)) path.remove_suffix(tail.size());
  }
  for (const std::string_view version : {"/v1", "/v2"}) {
    if (path.ends_with(version)) path.remove_suffix(version.size());
  }
  return std::string(path) + "/v2" + std::string(operation);
}

ParamSet CohereCodec::supported(const EncodeInput& input) const {
  ParamSet set = {Param::Temperature,
                  Param::TopP,
                  Param::TopK,
                  Param::MaxTokens,
                  Param::Stop,
                  Param::Seed,
                  Param::PresencePenalty,
                  Param::FrequencyPenalty,
                  Param::Logprobs,
                  Param::Tools,
                  Param::ToolChoice,
                  Param::ResponseFormat};
  if (may_reason(input)) {
    set.set(Param::ReasoningEffort);
    set.set(Param::Thinking);
  }
  return set;
}

Status CohereCodec::encode_chat(ChatRequest& request, const EncodeInput& input, Encoded& out) const {
  out.path = cohere_path(input.target, "/chat");
  out.fields = common_fields(input, request.stream);
  add_bearer(out.fields, input);
  std::string body;
  json::Writer writer(body);
  writer.begin_object().key("model").string(input.target.model).key("stream").boolean(request.stream);
  writer.key("messages");
  if (Status written = Messages(input, writer).write(request.messages); !written) return written;
  if (Status written = write_tools(request, input, writer); !written) return written;
  if (Status written = write_format(request, input, writer); !written) return written;
  write_thinking(request, writer);
  write_sampling(request, writer);
  for (const ChatRequest::Extra& extra : request.extras) writer.key(extra.key).raw(extra.json);
  writer.end_object();
  out.set_body(std::move(body));
  return {};
}

}  // namespace turnpike::codec
