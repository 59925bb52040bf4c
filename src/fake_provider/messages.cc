#include "fake_provider/messages.h"

#include <fmt/core.h>

#include <utility>

#include "fake_provider/words.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

std::string usage(const Tokens& tokens, std::int64_t output) {
  return fmt::format(
      R"({{"input_tokens":{},"cache_creation_input_tokens":0,"cache_read_input_tokens":{},"output_tokens":{},)"
      R"("service_tier":"standard"}})",
      tokens.prompt - tokens.cached, tokens.cached, output);
}

std::string_view stop_reason(const Ask& ask, const Tokens& tokens) {
  if (ask.script.tool_calls > 0) return "tool_use";
  return tokens.cut_by_limit ? "max_tokens" : "end_turn";
}

std::string tool_id(const Ask& ask, std::int64_t number) {
  return fmt::format("toolu_{:016x}{:02}", ask.content_hash, number);
}

std::string message(const Ask& ask, std::string_view id, std::string_view content, std::string_view stop,
                    const std::string& usage_json) {
  return R"({"id":)" + json::quoted(id) + R"(,"type":"message","role":"assistant","model":)" + json::quoted(ask.model) +
         R"(,"content":[)" + std::string(content) + R"(],"stop_reason":)" +
         (stop.empty() ? "null" : json::quoted(stop)) + R"(,"stop_sequence":null,"usage":)" + usage_json + "}";
}

std::string event(std::string_view type, std::string_view rest) {
  return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", type, rest);
}

std::string block(std::int64_t index, std::string_view content) {
  return event("content_block_start", fmt::format(R"(,"index":{},"content_block":{})", index, content));
}

std::string delta(std::int64_t index, std::string_view content) {
  return event("content_block_delta", fmt::format(R"(,"index":{},"delta":{})", index, content));
}

std::string block_end(std::int64_t index) {
  return event("content_block_stop", fmt::format(R"(,"index":{})", index));
}

std::string_view error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 529:
      return "overloaded_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

}  // namespace

std::string messages_error(int status, std::string_view message) {
  return R"({"type":"error","error":{"type":")" + std::string(error_type(status)) + R"(","message":)" +
         json::quoted(message) + "}}";
}

std::string messages_body(const Ask& ask, const Tokens& tokens, std::string_view id) {
  if (ask.script.malformed_json) return R"({"id": "broken", "content": [{"type": )";
  std::string content;
  for (std::int64_t i = 0; i < ask.script.tool_calls; ++i) {
    content += fmt::format(R"({}{{"type":"tool_use","id":"{}","name":"get_weather","input":{{"city":"Town {}"}}}})",
                           i > 0 ? "," : "", tool_id(ask, i), i);
  }
  if (content.empty())
    content = R"({"type":"text","text":)" + json::quoted(text_of_tokens(ask, tokens.completion, 0)) + "}";
  return message(ask, id, content, stop_reason(ask, tokens), usage(tokens, tokens.completion));
}

std::vector<std::string> messages_events(const Ask& ask, const Tokens& tokens, std::string_view id) {
  const Script& script = ask.script;
  std::vector<std::string> events;
  events.reserve(static_cast<std::size_t>(tokens.completion) + 8);
  if (script.error_in_200)
    return {event("error", R"(,"error":{"type":"rate_limit_error","message":"scripted error"})")};
  events.push_back(event("message_start", R"(,"message":)" + message(ask, id, "", "", usage(tokens, 1))));
  if (script.tool_calls == 0) {
    events.push_back(block(0, R"({"type":"text","text":""})"));
    Words words(ask.content_hash);
    for (std::int64_t i = 0; i < tokens.completion; ++i) {
      events.push_back(delta(0, fmt::format(R"({{"type":"text_delta","text":"{}"}})", words.next())));
    }
    events.push_back(block_end(0));
  }
  for (std::int64_t i = 0; i < script.tool_calls; ++i) {
    events.push_back(
        block(i, fmt::format(R"({{"type":"tool_use","id":"{}","name":"get_weather","input":{{}}}})", tool_id(ask, i))));
    for (const std::string& piece : {std::string(R"({\"city\":)"), fmt::format(R"(\"Town {}\"}})", i)}) {
      events.push_back(delta(i, fmt::format(R"({{"type":"input_json_delta","partial_json":"{}"}})", piece)));
    }
    events.push_back(block_end(i));
  }
  events.push_back(
      event("message_delta",
            fmt::format(R"(,"delta":{{"stop_reason":"{}","stop_sequence":null}},"usage":{{"output_tokens":{}}})",
                        stop_reason(ask, tokens), tokens.completion)));
  events.push_back(event("message_stop", ""));
  for (const std::int64_t count : {script.cut_after, script.end_after, script.error_after}) {
    if (count >= 0 && std::cmp_less(count, events.size())) events.resize(static_cast<std::size_t>(count));
  }
  if (script.error_after >= 0)
    events.push_back(event("error", R"(,"error":{"type":"api_error","message":"scripted error"})"));
  return events;
}

}  // namespace turnpike::fake_provider
