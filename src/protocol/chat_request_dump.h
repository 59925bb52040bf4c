#pragma once

#include <string>

#include "protocol/chat_request.h"

namespace turnpike::protocol {

/// One line that shows what a request says, for table tests: `user[text:hi] max_tokens=5`.
inline std::string dump(const Block& block) {
  const auto field = [](std::string_view name, std::string_view value) {
    return value.empty() ? std::string() : " " + std::string(name) + "=" + std::string(value);
  };
  static constexpr const char* kKinds[] = {"text",     "image",    "audio",       "document", "video", "thinking",
                                           "redacted", "tool_use", "tool_result", "refusal",  "native"};
  std::string text = kKinds[static_cast<std::size_t>(block.kind)];
  if (!block.text.empty()) text += ":" + std::string(block.text);
  text += field("id", block.id) + field("name", block.name) + field("sig", block.signature);
  text += field("mime", block.media.mime) + field("b64", block.media.base64) + field("url", block.media.url);
  text += field("file_id", block.media.file_id) + field("file", block.media.name);
  text += field("detail", block.media.detail) + field("format", block.media.format);
  if (block.custom) text += " custom";
  if (block.is_error) text += " error";
  if (block.cache.set) text += " cache" + (block.cache.ttl.empty() ? "" : "=" + std::string(block.cache.ttl));
  if (!block.parts.empty()) {
    text += " (";
    for (const Block& part : block.parts) text += (&part == block.parts.data() ? "" : " | ") + dump(part);
    text += ")";
  }
  return text;
}

inline std::string dump(const Message& message) {
  static constexpr const char* kRoles[] = {"system", "developer", "user", "assistant", "tool"};
  std::string text = kRoles[static_cast<std::size_t>(message.role)];
  if (!message.name.empty()) text += "(" + std::string(message.name) + ")";
  if (message.cache.set) text += " cache";
  text += "[";
  for (const Block& block : message.blocks) {
    text += (&block == message.blocks.data() ? "" : " | ") + dump(block);
  }
  return text + "]";
}

inline std::string dump(const Tool& tool) {
  static constexpr const char* kKinds[] = {"function", "custom", "native"};
  std::string text = kKinds[static_cast<std::size_t>(tool.kind)] + (" " + std::string(tool.name));
  if (!tool.description.empty()) text += " '" + std::string(tool.description) + "'";
  text += tool.parameters_json;
  if (tool.strict) text += *tool.strict ? " strict" : " loose";
  if (tool.cache.set) text += " cache";
  return text;
}

inline std::string dump(const ToolChoice& choice) {
  static constexpr const char* kKinds[] = {"unset", "auto", "none", "required", "named", "allowed"};
  std::string text = kKinds[static_cast<std::size_t>(choice.kind)];
  if (!choice.name.empty()) text += ":" + std::string(choice.name);
  for (const std::string_view name : choice.allowed) text += ":" + std::string(name);
  return text + (choice.must_call ? "!" : "");
}

/// Everything beside the messages that was given.
inline std::string dump_params(const ChatRequest& request) {
  std::string text;
  const auto say = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) text.append(text.empty() ? "" : " ").append(name).append("=").append(value);
  };
  const auto flag = [&](std::string_view name, std::optional<bool> value) {
    if (value) say(name, *value ? "true" : "false");
  };
  const auto list = [&](std::string_view name, const std::vector<std::string_view>& values) {
    for (const std::string_view value : values) say(name, value);
  };
  say("temperature", request.temperature);
  say("top_p", request.top_p);
  say("top_k", request.top_k);
  if (request.choices != 1) say("n", std::to_string(request.choices));
  if (request.max_tokens) say("max_tokens", std::to_string(*request.max_tokens));
  list("stop", request.stop);
  say("presence", request.presence_penalty);
  say("frequency", request.frequency_penalty);
  say("seed", request.seed);
  flag("logprobs", request.logprobs);
  say("top_logprobs", request.top_logprobs);
  say("bias", request.logit_bias_json);
  say("user", request.user);
  for (const Tool& tool : request.tools) say("tool", dump(tool));
  if (request.legacy_functions) say("legacy", "true");
  if (request.tool_choice.kind != ToolChoice::Kind::Unset) say("choice", dump(request.tool_choice));
  flag("parallel", request.parallel_tool_calls);
  static constexpr const char* kFormats[] = {"", "text", "json", "schema"};
  say("format", kFormats[static_cast<std::size_t>(request.response_format.kind)]);
  say("format.name", request.response_format.name);
  say("format.schema", request.response_format.schema_json);
  flag("format.strict", request.response_format.strict);
  say("effort", request.reasoning_effort);
  say("summary", request.reasoning_summary);
  static constexpr const char* kThinking[] = {"", "enabled", "adaptive", "disabled"};
  say("thinking", kThinking[static_cast<std::size_t>(request.thinking.kind)]);
  if (request.thinking.budget_tokens) say("budget", std::to_string(*request.thinking.budget_tokens));
  say("verbosity", request.verbosity);
  list("modality", request.modalities);
  say("audio", request.audio_json);
  say("prediction", request.prediction_json);
  say("metadata", request.metadata_json);
  say("web", request.web_search_options_json);
  say("tier", request.service_tier);
  flag("store", request.store);
  if (request.stream) say("stream", "true");
  for (const ChatRequest::Extra& extra : request.extras) say("+" + std::string(extra.key), extra.json);
  return text;
}

inline std::string dump_messages(const ChatRequest& request) {
  std::string text;
  for (const Message& message : request.messages) text += (text.empty() ? "" : " ") + dump(message);
  return text;
}

}  // namespace turnpike::protocol
