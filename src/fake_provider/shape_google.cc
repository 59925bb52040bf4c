#include <fmt/core.h>

#include "fake_provider/shape_anthropic.h"
#include "fake_provider/shape_openai.h"
#include "fake_provider/words.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

std::string_view status_word(int status) {
  switch (status) {
    case 400:
      return "INVALID_ARGUMENT";
    case 401:
      return "UNAUTHENTICATED";
    case 403:
      return "PERMISSION_DENIED";
    case 404:
      return "NOT_FOUND";
    case 429:
      return "RESOURCE_EXHAUSTED";
    case 499:
      return "CANCELLED";
    case 503:
      return "UNAVAILABLE";
    case 504:
      return "DEADLINE_EXCEEDED";
    default:
      return status < 500 ? "FAILED_PRECONDITION" : "INTERNAL";
  }
}

/// An error's `type` is the name of its status, its `code` the reason among the details. When to come back Google says
/// there too, and not in the head.
std::string google_error(const VendorError& error) {
  std::string details;
  if (!error.code.empty()) {
    details = R"({"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":)" + json::quoted(error.code) +
              R"(,"domain":"googleapis.com"})";
  }
  if (error.retry_after_s >= 0) {
    if (!details.empty()) details += ',';
    details += fmt::format(R"({{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"{}s"}})",
                           error.retry_after_s);
  }
  const std::string type = error.type.empty() ? std::string(status_word(error.status)) : error.type;
  std::string body = fmt::format(R"({{"error":{{"code":{},"message":{},"status":{})", error.status,
                                 json::quoted(error.message), json::quoted(type));
  if (!details.empty()) body += R"(,"details":[)" + details + "]";
  return body + "}}";
}

/// What has been used when so many tokens of the completion are out: every fragment says it.
std::string usage_member(const Answer& answer, std::int64_t output) {
  if (answer.ask.script.no_usage) return {};
  const Tokens& tokens = answer.tokens;
  const std::int64_t thoughts = std::min(tokens.reasoning, output);
  std::string usage = fmt::format(R"(,"usageMetadata":{{"promptTokenCount":{},"totalTokenCount":{})", tokens.prompt,
                                  tokens.prompt + output);
  if (output > thoughts) usage += fmt::format(R"(,"candidatesTokenCount":{})", output - thoughts);
  if (thoughts > 0) usage += fmt::format(R"(,"thoughtsTokenCount":{})", thoughts);
  if (tokens.cached > 0) usage += fmt::format(R"(,"cachedContentTokenCount":{})", tokens.cached);
  return usage + "}";
}

std::string text_part(std::string_view text) {
  return R"({"text":)" + json::quoted(text) + "}";
}

std::string call_part(std::int64_t number) {
  return R"({"functionCall":{"name":"get_weather","args":)" + tool_arguments(number) + "}}";
}

/// One GenerateContentResponse: a part for each choice.
std::string fragment(const Answer& answer, const std::vector<std::string>& parts, std::string_view finish,
                     std::int64_t output) {
  std::string candidates;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    candidates += fmt::format(R"({}{{"content":{{"parts":[{}],"role":"model"}},"index":{}{}}})", i > 0 ? "," : "",
                              parts[i], i, finish);
  }
  return R"({"candidates":[)" + candidates + "]" + usage_member(answer, output) + R"(,"modelVersion":)" +
         json::quoted(answer.ask.model) + R"(,"responseId":)" + json::quoted(answer.id) + "}";
}

std::string refusal(const Answer& answer) {
  return R"({"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"})" + usage_member(answer, 0) + R"(,"modelVersion":)" +
         json::quoted(answer.ask.model) + R"(,"responseId":)" + json::quoted(answer.id) + "}";
}

std::string_view finish_member(const Answer& answer) {
  return ending_of(answer) == Ending::Length ? R"(,"finishReason":"MAX_TOKENS")" : R"(,"finishReason":"STOP")";
}

std::string calls_of(const Ask& ask) {
  std::string parts;
  for (std::int64_t i = 0; i < ask.script.tool_calls; ++i) parts += (i > 0 ? "," : "") + call_part(i);
  return parts;
}

/// Google's generateContent, on the Gemini API and on Vertex AI.
///
/// Source: Gemini API reference (GenerateContentResponse, embeddings), google.rpc.Status; Vertex AI's reference for its
///         embeddings.
class GoogleShape final : public Shape {
 public:
  explicit GoogleShape(bool vertex) : vertex_(vertex) {}

  std::string_view name() const override { return vertex_ ? "vertex" : "gemini"; }
  bool counts_reasoning() const override { return true; }
  bool says_retry_after_in_head() const override { return false; }

  std::string whole(const Answer& answer) const override {
    if (answer.ask.kind == AskKind::Models) return models();
    if (answer.ask.kind == AskKind::Embedding) return vertex_ ? predictions(answer) : embeddings(answer);
    if (answer.ask.blocked) return refusal(answer);
    std::vector<std::string> parts;
    for (std::int64_t c = 0; c < answer.ask.choices; ++c) {
      parts.push_back(answer.ask.script.tool_calls > 0 ? calls_of(answer.ask)
                                                       : text_part(text_of_tokens(answer.ask, answer.tokens.completion,
                                                                                  static_cast<std::uint64_t>(c))));
    }
    return fragment(answer, parts, finish_member(answer), answer.tokens.completion);
  }

  std::vector<Event> events(const Answer& answer) const override {
    if (answer.ask.blocked) return {{framed(refusal(answer))}};
    const std::int64_t total = answer.tokens.completion;
    std::vector<Event> events;
    std::vector<Words> words;
    for (std::int64_t c = 0; c < answer.ask.choices; ++c) {
      words.emplace_back(answer.ask.content_hash + static_cast<std::uint64_t>(c));
    }
    if (answer.ask.script.tool_calls > 0) {
      const std::vector<std::string> calls(words.size(), calls_of(answer.ask));
      events.push_back({framed(fragment(answer, calls, "", total)), total});
    }
    for (std::int64_t i = 0; i < total && answer.ask.script.tool_calls == 0; ++i) {
      std::vector<std::string> parts;
      for (Words& word : words) parts.push_back(text_part(word.next()));
      events.push_back({framed(fragment(answer, parts, "", i + 1)), 1});
    }
    const std::vector<std::string> nothing(words.size(), text_part(""));
    events.push_back({framed(fragment(answer, nothing, finish_member(answer), total))});
    return events;
  }

  std::string error(const VendorError& error, std::string& fields) const override {
    static_cast<void>(fields);
    return google_error(error);
  }
  Event error_event(const VendorError& error) const override { return {framed(google_error(error))}; }
  Event broken_event() const override { return {framed(R"({"candidates": [{"content": )")}; }

 private:
  static std::string framed(std::string_view json) { return "data: " + std::string(json) + "\r\n\r\n"; }

  static std::string embeddings(const Answer& answer) {
    std::string list;
    for (std::int64_t i = 0; i < answer.ask.inputs; ++i) {
      list += fmt::format(R"({}{{"values":{}}})", i > 0 ? "," : "", vector_json(answer.ask, i));
    }
    return R"({"embeddings":[)" + list + "]" + usage_member(answer, 0) + "}";
  }

  /// Tokens are said for each text: the first takes what does not divide.
  static std::string predictions(const Answer& answer) {
    const std::int64_t count = answer.ask.inputs;
    std::string list;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t tokens = answer.tokens.prompt / count + (i == 0 ? answer.tokens.prompt % count : 0);
      const std::string statistics =
          answer.ask.script.no_usage ? ""
                                     : fmt::format(R"("statistics":{{"truncated":false,"token_count":{}}},)", tokens);
      list += fmt::format(R"({}{{"embeddings":{{{}"values":{}}}}})", i > 0 ? "," : "", statistics,
                          vector_json(answer.ask, i));
    }
    return R"({"predictions":[)" + list + "]}";
  }

  static std::string models() {
    std::string list;
    for (const std::string_view name : model_names()) {
      list +=
          fmt::format(R"({}{{"name":"models/{}","displayName":"{}","supportedGenerationMethods":["generateContent"]}})",
                      list.empty() ? "" : ",", name, name);
    }
    return R"({"models":[)" + list + "]}";
  }

  bool vertex_;
};

/// What is left for the model's own server to say: Google's words are none of its.
VendorError without_words(VendorError error) {
  error.type.clear();
  error.code.clear();
  return error;
}

/// Claude in Vertex's rawPredict: Anthropic's answers, Google's errors until it answers.
class VertexClaudeShape final : public AnthropicShape {
 public:
  std::string_view name() const override { return "vertex"; }
  std::string error(const VendorError& error, std::string& fields) const override {
    static_cast<void>(fields);
    return google_error(error);
  }
  Event error_event(const VendorError& error) const override {
    return AnthropicShape::error_event(without_words(error));
  }
};

/// Mistral and AI21 there: usage comes with every stream.
class VertexOpenAiShape final : public OpenAiShape {
 public:
  std::string_view name() const override { return "vertex"; }
  std::vector<Event> events(const Answer& answer) const override {
    Ask asked = answer.ask;
    asked.include_usage = true;
    return OpenAiShape::events({asked, answer.tokens, answer.id});
  }
  std::string error(const VendorError& error, std::string& fields) const override {
    static_cast<void>(fields);
    return google_error(error);
  }
  Event error_event(const VendorError& error) const override { return OpenAiShape::error_event(without_words(error)); }
};

}  // namespace

const Shape& gemini_shape() {
  static const GoogleShape shape(false);
  return shape;
}

const Shape& vertex_shape() {
  static const GoogleShape shape(true);
  return shape;
}

const Shape& vertex_claude_shape() {
  static const VertexClaudeShape shape;
  return shape;
}

const Shape& vertex_openai_shape() {
  static const VertexOpenAiShape shape;
  return shape;
}

}  // namespace turnpike::fake_provider
