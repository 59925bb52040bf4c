#include <fmt/core.h>

#include "base/base64.h"
#include "fake_provider/event_frame.h"
#include "fake_provider/shape_anthropic.h"
#include "fake_provider/words.h"
#include "http/message.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

constexpr std::string_view kStreamType = "application/vnd.amazon.eventstream";

/// An error's `type` is the exception.
std::string exception_of(const VendorError& error) {
  if (!error.type.empty()) return error.type;
  switch (error.status) {
    case 401:
    case 403:
      return "AccessDeniedException";
    case 404:
      return "ResourceNotFoundException";
    case 408:
      return "ModelTimeoutException";
    case 424:
      return "ModelErrorException";
    case 429:
      return "ThrottlingException";
    case 503:
      return "ServiceUnavailableException";
    default:
      return error.status < 500 ? "ValidationException" : "InternalServerException";
  }
}

std::string bedrock_error(const VendorError& error, std::string& fields) {
  http::add_field(fields, "x-amzn-errortype",
                  exception_of(error) + ":http://internal.amazon.com/coral/com.amazon.bedrock/");
  return R"({"message":)" + json::quoted(error.message) + "}";
}

/// In a stream the exception's first letter is small, and its message is all there is.
Event exception_frame(const VendorError& error) {
  std::string type = exception_of(error);
  if (type.front() >= 'A' && type.front() <= 'Z') type.front() = static_cast<char>(type.front() - 'A' + 'a');
  return {event_frame(FrameKind::Exception, type, R"({"message":)" + json::quoted(error.message) + "}")};
}

/// Its checksum is wrong.
Event broken_frame() {
  std::string frame = event_frame(FrameKind::Event, "contentBlockDelta", R"({"contentBlockIndex":0})");
  frame.back() = static_cast<char>(~frame.back());
  return {frame};
}

std::string usage_member(const Answer& answer) {
  const Tokens& tokens = answer.tokens;
  std::string usage = fmt::format(R"("usage":{{"inputTokens":{},"outputTokens":{},"totalTokens":{})",
                                  tokens.prompt - tokens.cached, tokens.completion, tokens.prompt + tokens.completion);
  if (tokens.cached > 0) usage += fmt::format(R"(,"cacheReadInputTokens":{})", tokens.cached);
  return usage + "}";
}

std::string_view stop_reason(const Answer& answer) {
  switch (ending_of(answer)) {
    case Ending::Tools:
      return "tool_use";
    case Ending::Length:
      return "max_tokens";
    case Ending::Refused:
      return "guardrail_intervened";
    case Ending::Stop:
      break;
  }
  return "end_turn";
}

/// `p` is the padding that AWS adds against guesses by length.
Event event(std::string_view type, const std::string& members, std::int64_t tokens = 0) {
  return {event_frame(FrameKind::Event, type, "{" + members + R"(,"p":"abcdefgh"})"), tokens};
}

void add_text(std::vector<Event>& events, const Answer& answer) {
  Words words(answer.ask.content_hash);
  for (std::int64_t i = 0; i < answer.tokens.completion; ++i) {
    events.push_back(
        event("contentBlockDelta", fmt::format(R"("contentBlockIndex":0,"delta":{{"text":"{}"}})", words.next()), 1));
  }
  events.push_back(event("contentBlockStop", R"("contentBlockIndex":0)"));
}

void add_tool_calls(std::vector<Event>& events, const Answer& answer) {
  for (std::int64_t i = 0; i < answer.ask.script.tool_calls; ++i) {
    events.push_back(
        event("contentBlockStart",
              fmt::format(R"("contentBlockIndex":{},"start":{{"toolUse":{{"toolUseId":"{}","name":"get_weather"}}}})",
                          i, tool_id(answer.ask, "tooluse", i))));
    for (const std::string& piece : tool_argument_pieces(i)) {
      events.push_back(
          event("contentBlockDelta",
                fmt::format(R"("contentBlockIndex":{},"delta":{{"toolUse":{{"input":{}}}}})", i, json::quoted(piece))));
    }
    events.push_back(event("contentBlockStop", fmt::format(R"("contentBlockIndex":{})", i)));
  }
  events.back().tokens = answer.tokens.completion;
}

/// Bedrock's Converse, and the embeddings of InvokeModel.
///
/// Source: AWS's API reference of the Bedrock runtime; model parameters of Titan, Nova and Cohere embeddings.
class BedrockShape final : public Shape {
 public:
  std::string_view name() const override { return "bedrock"; }
  std::string_view stream_type() const override { return kStreamType; }

  std::string whole(const Answer& answer) const override {
    if (answer.ask.kind == AskKind::Models) return models();
    if (answer.ask.kind == AskKind::Embedding) return embeddings(answer);
    std::string content;
    for (std::int64_t i = 0; i < answer.ask.script.tool_calls; ++i) {
      content += fmt::format(R"({}{{"toolUse":{{"toolUseId":"{}","name":"get_weather","input":{}}}}})",
                             i > 0 ? "," : "", tool_id(answer.ask, "tooluse", i), tool_arguments(i));
    }
    if (content.empty()) {
      content = R"({"text":)" + json::quoted(text_of_tokens(answer.ask, answer.tokens.completion, 0)) + "}";
    }
    std::string body = R"({"output":{"message":{"role":"assistant","content":[)" + content + R"(]}},"stopReason":")" +
                       std::string(stop_reason(answer)) + R"(","metrics":{"latencyMs":12})";
    if (!answer.ask.script.no_usage) body += "," + usage_member(answer);
    return body + "}";
  }

  std::vector<Event> events(const Answer& answer) const override {
    std::vector<Event> events = {event("messageStart", R"("role":"assistant")")};
    if (answer.ask.script.tool_calls > 0) {
      add_tool_calls(events, answer);
    } else {
      add_text(events, answer);
    }
    events.push_back(event("messageStop", R"("stopReason":")" + std::string(stop_reason(answer)) + '"'));
    const std::string usage = answer.ask.script.no_usage ? "" : usage_member(answer) + ",";
    events.push_back(event("metadata", usage + R"("metrics":{"latencyMs":12})"));
    return events;
  }

  std::string error(const VendorError& error, std::string& fields) const override {
    return bedrock_error(error, fields);
  }
  /// The exception's name, which a bad answer has in its head, comes in the body.
  std::string error_in_200(const VendorError& error) const override {
    return R"({"message":)" + json::quoted(error.message) + R"(,"__type":"com.amazon.coral.service#)" +
           exception_of(error) + "\"}";
  }
  Event error_event(const VendorError& error) const override { return exception_frame(error); }
  Event broken_event() const override { return broken_frame(); }

 private:
  /// Each family says it in its own way; only Titan counts.
  static std::string embeddings(const Answer& answer) {
    const Ask& ask = answer.ask;
    if (ask.model.find("cohere.") != std::string::npos) {
      return R"({"id":)" + json::quoted(answer.id) + R"(,"embeddings":{"float":[)" + vectors_json(ask) +
             R"(]},"response_type":"embeddings_by_type"})";
    }
    if (ask.model.find("amazon.nova") != std::string::npos) {
      return R"({"embeddings":[{"embedding":)" + vector_json(ask, 0) + R"(,"embeddingType":"TEXT"}]})";
    }
    const std::string count =
        ask.script.no_usage ? "" : fmt::format(R"(,"inputTextTokenCount":{})", answer.tokens.prompt);
    return R"({"embedding":)" + vector_json(ask, 0) + count + "}";
  }

  static std::string models() {
    std::string list;
    for (const std::string_view name : model_names()) {
      list += fmt::format(R"({}{{"modelId":"{}","modelName":"{}","providerName":"fake-provider"}})",
                          list.empty() ? "" : ",", name, name);
    }
    return R"({"modelSummaries":[)" + list + "]}";
  }
};

/// Claude in InvokeModel: Anthropic's answers in Bedrock's frames, Bedrock's errors.
class BedrockClaudeShape final : public AnthropicShape {
 public:
  std::string_view name() const override { return "bedrock"; }
  std::string_view stream_type() const override { return kStreamType; }

  std::vector<Event> events(const Answer& answer) const override {
    std::vector<Event> events;
    for (const AnthropicEvent& one : anthropic_events(answer)) {
      events.push_back(event("chunk", R"("bytes":")" + base::to_base64(one.json) + '"', one.tokens));
    }
    return events;
  }

  std::string error(const VendorError& error, std::string& fields) const override {
    return bedrock_error(error, fields);
  }
  /// What Claude's own server says is passed on.
  std::string error_in_200(const VendorError& error) const override {
    return anthropic_error({error.status, "", "", error.message, error.retry_after_s});
  }
  Event error_event(const VendorError& error) const override { return exception_frame(error); }
  Event broken_event() const override { return broken_frame(); }
};

}  // namespace

const Shape& bedrock_shape() {
  static const BedrockShape shape;
  return shape;
}

const Shape& bedrock_claude_shape() {
  static const BedrockClaudeShape shape;
  return shape;
}

}  // namespace turnpike::fake_provider
