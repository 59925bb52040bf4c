#include <fmt/core.h>

#include "fake_provider/shape.h"
#include "fake_provider/words.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

std::string usage_member(const Answer& answer) {
  if (answer.ask.script.no_usage) return {};
  return fmt::format(R"(,"usage":{{"billed_units":{{"input_tokens":{0},"output_tokens":{1}}},)"
                     R"("tokens":{{"input_tokens":{0},"output_tokens":{1}}},"cached_tokens":{2}}})",
                     answer.tokens.prompt, answer.tokens.completion, answer.tokens.cached);
}

std::string_view finish_of(const Answer& answer) {
  switch (ending_of(answer)) {
    case Ending::Tools:
      return "TOOL_CALL";
    case Ending::Length:
      return "MAX_TOKENS";
    case Ending::Refused:
    case Ending::Stop:
      break;
  }
  return "COMPLETE";
}

std::string call_json(const Ask& ask, std::int64_t number, std::string_view arguments) {
  return fmt::format(R"({{"id":"{}","type":"function","function":{{"name":"get_weather","arguments":{}}}}})",
                     tool_id(ask, "get_weather", number), json::quoted(arguments));
}

Event event(std::string_view type, const std::string& members, std::int64_t tokens = 0) {
  return {named_sse(type, fmt::format(R"({{"type":"{}",{}}})", type, members)), tokens};
}

void add_text(std::vector<Event>& events, const Answer& answer) {
  events.push_back(event("content-start", R"("index":0,"delta":{"message":{"content":{"type":"text","text":""}}})"));
  Words words(answer.ask.content_hash);
  for (std::int64_t i = 0; i < answer.tokens.completion; ++i) {
    events.push_back(
        event("content-delta",
              fmt::format(R"("index":0,"delta":{{"message":{{"content":{{"text":"{}"}}}}}})", words.next()), 1));
  }
  events.push_back(event("content-end", R"("index":0)"));
}

void add_tool_calls(std::vector<Event>& events, const Answer& answer) {
  for (std::int64_t i = 0; i < answer.ask.script.tool_calls; ++i) {
    events.push_back(event("tool-call-start", fmt::format(R"("index":{},"delta":{{"message":{{"tool_calls":{}}}}})", i,
                                                          call_json(answer.ask, i, ""))));
    for (const std::string& piece : tool_argument_pieces(i)) {
      events.push_back(
          event("tool-call-delta",
                fmt::format(R"("index":{},"delta":{{"message":{{"tool_calls":{{"function":{{"arguments":{}}}}}}}}})", i,
                            json::quoted(piece))));
    }
    events.push_back(event("tool-call-end", fmt::format(R"("index":{})", i)));
  }
  events.back().tokens = answer.tokens.completion;
}

std::string meta(const Answer& answer, std::string_view unit, std::int64_t count) {
  if (answer.ask.script.no_usage) return {};
  return fmt::format(R"(,"meta":{{"api_version":{{"version":"2"}},"billed_units":{{"{}":{}}}}})", unit, count);
}

std::string ranking(const Answer& answer) {
  std::string results;
  for (std::int64_t i = 0; i < answer.ask.inputs; ++i) {
    results += fmt::format(R"({}{{"index":{},"relevance_score":{}}})", i > 0 ? "," : "", i,
                           1.0 / static_cast<double>(std::int64_t{1} << std::min<std::int64_t>(i, 20)));
  }
  return R"({"id":)" + json::quoted(answer.id) + R"(,"results":[)" + results + "]" + meta(answer, "search_units", 1) +
         "}";
}

/// Cohere's second API.
///
/// Source: Cohere's API reference v2 (chat, stream events, embed, rerank, errors). An error is a message.
class CohereShape final : public Shape {
 public:
  std::string_view name() const override { return "cohere"; }

  std::string whole(const Answer& answer) const override {
    const Ask& ask = answer.ask;
    if (ask.kind == AskKind::Rerank) return ranking(answer);
    if (ask.kind == AskKind::Embedding) {
      return R"({"id":)" + json::quoted(answer.id) + R"(,"embeddings":{"float":[)" + vectors_json(ask) + "]}" +
             meta(answer, "input_tokens", answer.tokens.prompt) + R"(,"response_type":"embeddings_by_type"})";
    }
    std::string calls;
    for (std::int64_t i = 0; i < ask.script.tool_calls; ++i) {
      calls += (i > 0 ? "," : "") + call_json(ask, i, tool_arguments(i));
    }
    const std::string said = calls.empty() ? R"("content":[{"type":"text","text":)" +
                                                 json::quoted(text_of_tokens(ask, answer.tokens.completion, 0)) + "}]"
                                           : R"("tool_calls":[)" + calls + "]";
    return R"({"id":)" + json::quoted(answer.id) + R"(,"finish_reason":")" + std::string(finish_of(answer)) +
           R"(","message":{"role":"assistant",)" + said + "}" + usage_member(answer) + "}";
  }

  std::vector<Event> events(const Answer& answer) const override {
    std::vector<Event> events = {
        event("message-start", R"("id":)" + json::quoted(answer.id) + R"(,"delta":{"message":{"role":"assistant"}})")};
    if (answer.ask.script.tool_calls > 0) {
      add_tool_calls(events, answer);
    } else {
      add_text(events, answer);
    }
    events.push_back(event("message-end", R"("delta":{"finish_reason":")" + std::string(finish_of(answer)) + '"' +
                                              usage_member(answer) + "}"));
    return events;
  }

  std::string error(const VendorError& error, std::string& fields) const override {
    static_cast<void>(fields);
    return R"({"id":"5f2d0d55-3f7c-4c43-9d0e-6a7f1a2b3c4d","message":)" + json::quoted(error.message) + "}";
  }
  Event error_event(const VendorError& error) const override {
    return event("message-end", R"("delta":{"finish_reason":"ERROR","error":)" + json::quoted(error.message) + "}");
  }
  Event broken_event() const override { return {named_sse("content-delta", R"({"type":"content-delta","index":)")}; }
};

}  // namespace

const Shape& cohere_shape() {
  static const CohereShape shape;
  return shape;
}

}  // namespace turnpike::fake_provider
