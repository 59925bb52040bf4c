#include "fake_provider/shape_anthropic.h"

#include <fmt/core.h>

#include "fake_provider/words.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

std::string usage(const Answer& answer, std::int64_t output) {
  const Tokens& tokens = answer.tokens;
  return fmt::format(
      R"({{"input_tokens":{},"cache_creation_input_tokens":0,"cache_read_input_tokens":{},"output_tokens":{},)"
      R"("service_tier":"standard"}})",
      tokens.prompt - tokens.cached, tokens.cached, output);
}

/// ",\"usage\":{...}" or nothing.
std::string usage_member(const Answer& answer, std::int64_t output) {
  return answer.ask.script.no_usage ? std::string() : R"(,"usage":)" + usage(answer, output);
}

std::string_view stop_reason(const Answer& answer) {
  switch (ending_of(answer)) {
    case Ending::Tools:
      return "tool_use";
    case Ending::Length:
      return "max_tokens";
    case Ending::Refused:
      return "refusal";
    case Ending::Stop:
      break;
  }
  return "end_turn";
}

std::string message(const Answer& answer, std::string_view content, std::string_view stop, std::int64_t output) {
  return R"({"id":)" + json::quoted(answer.id) + R"(,"type":"message","role":"assistant","model":)" +
         json::quoted(answer.ask.model) + R"(,"content":[)" + std::string(content) + R"(],"stop_reason":)" +
         (stop.empty() ? "null" : json::quoted(stop)) + R"(,"stop_sequence":null)" + usage_member(answer, output) + "}";
}

AnthropicEvent event(std::string_view type, std::string_view rest, std::int64_t tokens = 0) {
  return {std::string(type), fmt::format(R"({{"type":"{}"{}}})", type, rest), tokens};
}

AnthropicEvent block(std::int64_t index, std::string_view content) {
  return event("content_block_start", fmt::format(R"(,"index":{},"content_block":{})", index, content));
}

AnthropicEvent delta(std::int64_t index, std::string_view content, std::int64_t tokens) {
  return event("content_block_delta", fmt::format(R"(,"index":{},"delta":{})", index, content), tokens);
}

AnthropicEvent block_end(std::int64_t index) {
  return event("content_block_stop", fmt::format(R"(,"index":{})", index));
}

std::string_view type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 402:
      return "billing_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 504:
      return "timeout_error";
    case 529:
      return "overloaded_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

void add_text(std::vector<AnthropicEvent>& events, const Answer& answer) {
  events.push_back(block(0, R"({"type":"text","text":""})"));
  Words words(answer.ask.content_hash);
  for (std::int64_t i = 0; i < answer.tokens.completion; ++i) {
    events.push_back(delta(0, fmt::format(R"({{"type":"text_delta","text":"{}"}})", words.next()), 1));
  }
  events.push_back(block_end(0));
}

void add_tool_calls(std::vector<AnthropicEvent>& events, const Answer& answer) {
  for (std::int64_t i = 0; i < answer.ask.script.tool_calls; ++i) {
    events.push_back(block(i, fmt::format(R"({{"type":"tool_use","id":"{}","name":"get_weather","input":{{}}}})",
                                          tool_id(answer.ask, "toolu", i))));
    for (const std::string& piece : tool_argument_pieces(i)) {
      events.push_back(delta(i, R"({"type":"input_json_delta","partial_json":)" + json::quoted(piece) + "}", 0));
    }
    events.push_back(block_end(i));
  }
  events.back().tokens = answer.tokens.completion;
}

std::string models() {
  std::string list;
  for (const std::string_view name : model_names()) {
    list += fmt::format(R"({}{{"type":"model","id":"{}","display_name":"{}","created_at":"2023-11-14T22:13:20Z"}})",
                        list.empty() ? "" : ",", name, name);
  }
  return fmt::format(R"({{"data":[{}],"has_more":false,"first_id":"{}","last_id":"{}"}})", list, model_names().front(),
                     model_names().back());
}

}  // namespace

std::vector<AnthropicEvent> anthropic_events(const Answer& answer) {
  const bool refused = answer.ask.blocked;
  std::vector<AnthropicEvent> events;
  events.reserve(static_cast<std::size_t>(answer.tokens.completion) + 8);
  // What is said of the output at the start is a placeholder.
  events.push_back(event("message_start", R"(,"message":)" + message(answer, "", "", 1)));
  if (answer.ask.script.tool_calls > 0 && !refused) {
    add_tool_calls(events, answer);
  } else if (!refused) {
    add_text(events, answer);
  }
  std::string usage_json;
  if (!answer.ask.script.no_usage) {
    usage_json = fmt::format(R"(,"usage":{{"output_tokens":{}}})", answer.tokens.completion);
  }
  events.push_back(event("message_delta", fmt::format(R"(,"delta":{{"stop_reason":"{}","stop_sequence":null}}{})",
                                                      stop_reason(answer), usage_json)));
  events.push_back(event("message_stop", ""));
  return events;
}

std::string anthropic_error(const VendorError& error) {
  const std::string type = error.type.empty() ? std::string(type_of(error.status)) : error.type;
  return R"({"type":"error","error":{"type":)" + json::quoted(type) + R"(,"message":)" + json::quoted(error.message) +
         R"(},"request_id":"req_fake"})";
}

std::string AnthropicShape::whole(const Answer& answer) const {
  if (answer.ask.kind == AskKind::Models) return models();
  std::string content;
  for (std::int64_t i = 0; i < answer.ask.script.tool_calls; ++i) {
    content += fmt::format(R"({}{{"type":"tool_use","id":"{}","name":"get_weather","input":{}}})", i > 0 ? "," : "",
                           tool_id(answer.ask, "toolu", i), tool_arguments(i));
  }
  if (content.empty()) {
    content = R"({"type":"text","text":)" + json::quoted(text_of_tokens(answer.ask, answer.tokens.completion, 0)) + "}";
  }
  if (answer.ask.blocked) content.clear();
  return message(answer, content, stop_reason(answer), answer.tokens.completion);
}

std::vector<Event> AnthropicShape::events(const Answer& answer) const {
  std::vector<Event> events;
  for (const AnthropicEvent& event : anthropic_events(answer)) {
    events.push_back({named_sse(event.type, event.json), event.tokens});
  }
  return events;
}

std::string AnthropicShape::error(const VendorError& error, std::string& fields) const {
  static_cast<void>(fields);
  return anthropic_error(error);
}

Event AnthropicShape::error_event(const VendorError& error) const {
  return {named_sse("error", anthropic_error(error))};
}

Event AnthropicShape::broken_event() const {
  return {named_sse("content_block_delta", R"({"type":"content_block_delta","index":)")};
}

const Shape& anthropic_shape() {
  static const AnthropicShape shape;
  return shape;
}

}  // namespace turnpike::fake_provider
