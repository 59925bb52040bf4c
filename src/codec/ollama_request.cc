#include <unordered_map>

#include "codec/ollama_codec.h"
#include "codec/parts.h"
#include "json/write.h"
#include "protocol/key_set.h"
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

// What callers and config lines write beside the parameters of OpenAI, and Ollama reads in `options`.
constexpr std::string_view kOptionNames[] = {
    "low_vram",      "main_gpu",       "min_p",    "mirostat",    "mirostat_eta", "mirostat_tau", "num_batch",
    "num_ctx",       "num_gpu",        "num_keep", "num_predict", "num_thread",   "numa",         "penalize_newline",
    "repeat_last_n", "repeat_penalty", "tfs_z",    "typical_p",   "use_mlock",    "use_mmap",     "vocab_only",
};
constexpr protocol::KeySet kOptions{kOptionNames};

std::string_view role_name(Role role) {
  switch (role) {
    case Role::System:
    case Role::Developer:
      return "system";
    case Role::User:
      return "user";
    case Role::Assistant:
      return "assistant";
    case Role::Tool:
      return "tool";
  }
  return "user";
}

/// Writes one call's messages: content is one string, images stand beside it.
class Messages {
 public:
  Messages(const EncodeInput& input, json::Writer& writer) : input_(input), writer_(writer) {}

  Status write(const std::vector<Message>& messages) {
    writer_.begin_array();
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (Status written = message(messages[i], i); !written) return written;
    }
    writer_.end_array();
    return {};
  }

 private:
  struct Parts {
    std::string text;
    std::string thinking;
    std::vector<std::string_view> images;
    std::vector<const Block*> calls;
  };

  Status message(const Message& message, std::size_t position) {
    Parts parts;
    std::string_view answered;
    for (const Block& block : message.blocks) {
      if (block.kind == Block::Kind::ToolResult) {
        answered = block.id;
        for (const Block& part : block.parts) {
          if (Status taken = take(part, position, parts); !taken) return taken;
        }
      } else if (Status taken = take(block, position, parts); !taken) {
        return taken;
      }
    }
    writer_.begin_object().key("role").string(role_name(message.role)).key("content").string(parts.text);
    if (!parts.thinking.empty()) writer_.key("thinking").string(parts.thinking);
    write_images(parts);
    write_calls(parts);
    if (const auto called = names_.find(answered); called != names_.end()) {
      writer_.key("tool_name").string(called->second);
    }
    writer_.end_object();
    return {};
  }

  Status take(const Block& block, std::size_t position, Parts& parts) {
    const auto add = [](std::string& to, std::string_view text) {
      to.append(to.empty() || text.empty() ? "" : "\n").append(text);
    };
    switch (block.kind) {
      case Block::Kind::Text:
      case Block::Kind::Refusal:
        add(parts.text, block.text);
        return {};
      case Block::Kind::Thinking:
        add(parts.thinking, block.text);
        return {};
      case Block::Kind::RedactedThinking:
        return {};
      case Block::Kind::ToolUse:
        parts.calls.push_back(&block);
        return {};
      case Block::Kind::Image:
        parts.images.push_back(image_bytes(block.media));
        if (!parts.images.back().empty()) return {};
        return refuse_part(input_, block, position);
      default:
        return refuse_part(input_, block, position);
    }
  }

  std::string_view image_bytes(const protocol::Media& media) const {
    if (!media.base64.empty() || input_.fetched == nullptr) return media.base64;
    const auto fetched = input_.fetched->find(std::string(media.url));
    return fetched == input_.fetched->end() ? std::string_view() : fetched->second.base64;
  }

  void write_images(const Parts& parts) {
    if (parts.images.empty()) return;
    writer_.key("images").begin_array();
    for (const std::string_view image : parts.images) writer_.string(image);
    writer_.end_array();
  }

  void write_calls(const Parts& parts) {
    if (parts.calls.empty()) return;
    writer_.key("tool_calls").begin_array();
    for (const Block* call : parts.calls) {
      protocol::Texts texts;
      names_.insert_or_assign(call->id, call->name);
      writer_.begin_object().key("function").begin_object().key("name").string(call->name);
      writer_.key("arguments").raw(protocol::arguments_object(call->text, texts)).end_object().end_object();
    }
    writer_.end_array();
  }

  const EncodeInput& input_;
  json::Writer& writer_;
  std::unordered_map<std::string_view, std::string_view> names_;  // Of the tools called, by the call's id.
};

bool may_be_called(const Tool& tool, const ToolChoice& choice) {
  if (choice.kind == ToolChoice::Kind::None) return false;
  if (choice.kind == ToolChoice::Kind::Named) return tool.name == choice.name;
  return allows(choice, tool);
}

Status write_tools(const ChatRequest& request, const EncodeInput& input, json::Writer& writer) {
  if (request.tools.empty()) return {};
  writer.key("tools").begin_array();
  for (const Tool& tool : request.tools) {
    if (tool.kind != Tool::Kind::Function) return refuse_param(input, "tools", "takes tools of the type function only");
    if (!may_be_called(tool, request.tool_choice)) continue;
    write_function(tool, writer);
  }
  writer.end_array();
  return {};
}

void write_format(const ResponseFormat& format, json::Writer& writer) {
  if (format.kind == ResponseFormat::Kind::JsonSchema && !format.schema_json.empty()) {
    writer.key("format").raw(format.schema_json);
  } else if (format.kind == ResponseFormat::Kind::JsonObject || format.kind == ResponseFormat::Kind::JsonSchema) {
    writer.key("format").string("json");
  }
}

void write_think(const ChatRequest& request, json::Writer& writer) {
  if (request.thinking.kind != Thinking::Kind::Unset) {
    writer.key("think").boolean(request.thinking.kind != Thinking::Kind::Disabled);
    return;
  }
  const std::string_view effort = request.reasoning_effort;
  if (effort.empty()) return;
  if (effort == "none" || effort == "disable") {
    writer.key("think").boolean(false);
  } else if (effort == "minimal" || effort == "low" || effort == "medium") {
    writer.key("think").string(effort == "medium" ? "medium" : "low");
  } else {
    writer.key("think").string("high");
  }
}

void write_options(const ChatRequest& request, json::Writer& body) {
  std::string options;
  json::Writer writer(options);
  const auto number = [&writer](std::string_view name, std::string_view json) {
    if (!json.empty()) writer.key(name).raw(json);
  };
  writer.begin_object();
  if (request.max_tokens) writer.key("num_predict").number(*request.max_tokens);
  number("temperature", request.temperature);
  number("top_p", request.top_p);
  number("top_k", request.top_k);
  number("seed", request.seed);
  number("frequency_penalty", request.frequency_penalty);
  number("presence_penalty", request.presence_penalty);
  if (!request.stop.empty()) {
    writer.key("stop").begin_array();
    for (const std::string_view stop : request.stop) writer.string(stop);
    writer.end_array();
  }
  for (const ChatRequest::Extra& extra : request.extras) {
    if (kOptions.has(extra.key)) writer.key(extra.key).raw(extra.json);
    json::Document document;
    if (extra.key != "options" || !document.parse(extra.json)) continue;
    for (const json::Value::Pair& pair : document.root().members())
      writer.key(pair.key.text().value_or("")).raw(pair.value.raw());
  }
  writer.end_object();
  if (options != "{}") body.key("options").raw(options);
}

}  // namespace

std::string ollama_path(const provider::Target& target, std::string_view operation) {
  std::string_view path = target.base.path;
  for (const std::string_view tail : {"/chat", "/generate", "/embed", "/chat/completions"}) {
    if (path.ends_with(tail)) path.remove_suffix(tail.size());
  }
  for (const std::string_view side : {"/api", "/v1"}) {
    if (path.ends_with(side)) path.remove_suffix(side.size());
  }
  return std::string(path) + "/api" + std::string(operation);
}

ParamSet OllamaCodec::supported(const EncodeInput& input) const {
  ParamSet set = {Param::Temperature,
                  Param::TopP,
                  Param::TopK,
                  Param::MaxTokens,
                  Param::Stop,
                  Param::Seed,
                  Param::PresencePenalty,
                  Param::FrequencyPenalty,
                  Param::Logprobs,
                  Param::TopLogprobs,
                  Param::Tools,
                  Param::ToolChoice,
                  Param::ResponseFormat};
  if (input.traits.has(Trait::Reasoning) || !input.traits.listed) {
    set.set(Param::ReasoningEffort);
    set.set(Param::Thinking);
  }
  return set;
}

bool OllamaCodec::needs_bytes(const Block& block, const EncodeInput&) const {
  return block.kind == Block::Kind::Image;
}

Status OllamaCodec::encode_chat(ChatRequest& request, const EncodeInput& input, Encoded& out) const {
  out.path = ollama_path(input.target, "/chat");
  out.fields = common_fields(input, request.stream, request.stream ? "application/x-ndjson" : "application/json");
  add_bearer(out.fields, input);
  std::string body;
  json::Writer writer(body);
  // Ollama streams unless it is told not to.
  writer.begin_object().key("model").string(input.target.model).key("stream").boolean(request.stream);
  writer.key("messages");
  if (Status written = Messages(input, writer).write(request.messages); !written) return written;
  if (Status written = write_tools(request, input, writer); !written) return written;
  write_format(request.response_format, writer);
  write_think(request, writer);
  if (request.logprobs) writer.key("logprobs").boolean(*request.logprobs);
  if (!request.top_logprobs.empty()) writer.key("top_logprobs").raw(request.top_logprobs);
  write_options(request, writer);
  for (const ChatRequest::Extra& extra : request.extras) {
    if (!kOptions.has(extra.key) && extra.key != "options") writer.key(extra.key).raw(extra.json);
  }
  writer.end_object();
  out.set_body(std::move(body));
  return {};
}

}  // namespace turnpike::codec
