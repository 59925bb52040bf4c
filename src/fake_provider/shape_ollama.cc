#include <fmt/core.h>

#include "fake_provider/shape.h"
#include "fake_provider/words.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

/// The beginning of every object of an answer, without its closing brace.
std::string head(const Answer& answer) {
  return R"({"model":)" + json::quoted(answer.ask.model) + R"(,"created_at":"2023-11-14T22:13:20.000000Z")";
}

std::string counts(const Answer& answer) {
  std::string text = R"(,"total_duration":174560334,"load_duration":101397084)";
  if (!answer.ask.script.no_usage) {
    text += fmt::format(R"(,"prompt_eval_count":{},"eval_count":{})", answer.tokens.prompt, answer.tokens.completion);
  }
  return text;
}

std::string calls_member(const Ask& ask) {
  std::string calls;
  for (std::int64_t i = 0; i < ask.script.tool_calls; ++i) {
    calls +=
        fmt::format(R"({}{{"function":{{"name":"get_weather","arguments":{}}}}})", i > 0 ? "," : "", tool_arguments(i));
  }
  return calls.empty() ? calls : R"(,"tool_calls":[)" + calls + "]";
}

/// What is said, where this operation says it.
std::string said(const Ask& ask, std::string_view text, const std::string& calls = {}) {
  if (ask.kind == AskKind::Completion) return R"(,"response":)" + json::quoted(text);
  return R"(,"message":{"role":"assistant","content":)" + json::quoted(text) + calls + "}";
}

std::string ending(const Answer& answer) {
  const bool cut = ending_of(answer) == Ending::Length;
  return R"(,"done":true,"done_reason":")" + std::string(cut ? "length" : "stop") + '"' + counts(answer) + "}";
}

/// Ollama's own API: a line of JSON per event, tool calls whole and without ids, no count of what was cached.
///
/// Source: Ollama's docs/api.md. An error is a message.
class OllamaShape final : public Shape {
 public:
  std::string_view name() const override { return "ollama"; }
  std::string_view stream_type() const override { return "application/x-ndjson"; }
  bool counts_cached() const override { return false; }

  std::string whole(const Answer& answer) const override {
    const Ask& ask = answer.ask;
    if (ask.kind == AskKind::Models) return models();
    if (ask.kind == AskKind::Embedding) {
      const std::string count =
          ask.script.no_usage ? "" : fmt::format(R"(,"prompt_eval_count":{})", answer.tokens.prompt);
      return R"({"model":)" + json::quoted(ask.model) + R"(,"embeddings":[)" + vectors_json(ask) + "]" + count + "}";
    }
    const std::string text =
        ask.script.tool_calls > 0 ? std::string() : text_of_tokens(ask, answer.tokens.completion, 0);
    return head(answer) + said(ask, text, calls_member(ask)) + ending(answer);
  }

  std::vector<Event> events(const Answer& answer) const override {
    const Ask& ask = answer.ask;
    std::vector<Event> events;
    if (ask.script.tool_calls > 0) {
      events.push_back(
          {head(answer) + said(ask, "", calls_member(ask)) + ",\"done\":false}\n", answer.tokens.completion});
    }
    Words words(ask.content_hash);
    for (std::int64_t i = 0; i < answer.tokens.completion && ask.script.tool_calls == 0; ++i) {
      events.push_back({head(answer) + said(ask, words.next()) + ",\"done\":false}\n", 1});
    }
    events.push_back({head(answer) + said(ask, "") + ending(answer) + "\n"});
    return events;
  }

  std::string error(const VendorError& error, std::string& fields) const override {
    static_cast<void>(fields);
    return R"({"error":)" + json::quoted(error.message) + "}";
  }
  Event error_event(const VendorError& error) const override {
    return {R"({"error":)" + json::quoted(error.message) + "}\n"};
  }
  Event broken_event() const override { return {"{\"model\":\"fake\",\"message\":{\n"}; }

 private:
  static std::string models() {
    std::string list;
    for (const std::string_view name : model_names()) {
      list += fmt::format(R"({}{{"name":"{}","model":"{}","size":1}})", list.empty() ? "" : ",", name, name);
    }
    return R"({"models":[)" + list + "]}";
  }
};

}  // namespace

const Shape& ollama_shape() {
  static const OllamaShape shape;
  return shape;
}

}  // namespace turnpike::fake_provider
