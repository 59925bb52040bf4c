#include "fake_provider/shape_openai.h"

#include <fmt/core.h>

#include "fake_provider/words.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

std::string_view finish_of(const Answer& answer) {
  switch (ending_of(answer)) {
    case Ending::Tools:
      return "tool_calls";
    case Ending::Length:
      return "length";
    case Ending::Refused:
      return "content_filter";
    case Ending::Stop:
      break;
  }
  return "stop";
}

std::string tool_calls_json(const Ask& ask) {
  std::string calls;
  for (std::int64_t i = 0; i < ask.script.tool_calls; ++i) {
    if (i > 0) calls += ',';
    calls += fmt::format(R"({{"id":"{}","type":"function","function":{{"name":"get_weather","arguments":{}}}}})",
                         tool_id(ask, "call", i), json::quoted(tool_arguments(i)));
  }
  return calls;
}

/// Writes the chunks of one stream.
class Chunks {
 public:
  explicit Chunks(const Answer& answer) : answer_(answer), ask_(answer.ask) {
    const bool crlf = ask_.script.is_odd("crlf");
    end_ = crlf ? "\r\n\r\n" : "\n\n";
    data_ = ask_.script.is_odd("data_without_space") ? "data:" : "data: ";
    head_ = data_ + R"({"id":)" + (ask_.script.is_odd("null_id") ? "null" : json::quoted(answer.id)) + R"(,"object":)" +
            (ask_.kind == AskKind::Completion ? R"("text_completion")" : R"("chat.completion.chunk")") +
            R"(,"created":)" + std::to_string(kCreated) + R"(,"model":)" + json::quoted(ask_.model) +
            R"(,"system_fingerprint":"fp_fake","choices":)";
    usage_ = openai_usage(answer);
  }

  std::string choice(std::int64_t index, std::string_view inner, std::string_view finish) const {
    std::string event = head_;
    event += fmt::format(R"([{{"index":{},{},"logprobs":null)", index, inner);
    if (!finish.empty()) {
      event += fmt::format(R"(,"finish_reason":"{}")", finish);
    } else if (!ask_.script.is_odd("no_finish_reason")) {
      event += R"(,"finish_reason":null)";
    }
    event += "}]";
    const bool running = ask_.script.is_odd("usage_every");
    if (running || (!finish.empty() && ask_.script.is_odd("usage_with_finish"))) {
      event += R"(,"usage":)" + usage_;
    }
    return event + "}" + end_;
  }

  std::string delta(std::int64_t index, std::string_view text) const {
    if (ask_.kind == AskKind::Completion) return choice(index, R"("text":")" + std::string(text) + '"', "");
    const std::string_view role = ask_.script.is_odd("role_every") ? R"("role":"assistant",)" : "";
    return choice(index, fmt::format(R"("delta":{{{}"content":"{}"}})", role, text), "");
  }

  std::string finish(std::int64_t index) const {
    return choice(index, ask_.kind == AskKind::Completion ? R"("text":"")" : R"("delta":{})", finish_of(answer_));
  }

  std::string bare(std::string_view rest) const { return head_ + std::string(rest) + "}" + end_; }
  std::string usage() const { return bare(R"([],"usage":)" + usage_); }
  std::string raw(std::string_view text) const { return data_ + std::string(text) + end_; }
  const std::string& end() const { return end_; }

 private:
  const Answer& answer_;
  const Ask& ask_;
  std::string end_;
  std::string data_;
  std::string head_;
  std::string usage_;
};

void add_tool_calls(std::vector<Event>& events, const Ask& ask, const Chunks& chunks, std::int64_t index) {
  for (std::int64_t i = 0; i < ask.script.tool_calls; ++i) {
    const std::string start =
        fmt::format(R"({{"index":{},"id":"{}","type":"function","function":{{"name":"get_weather","arguments":""}}}})",
                    i, tool_id(ask, "call", i));
    events.push_back({chunks.choice(index, R"("delta":{"tool_calls":[)" + start + "]}", "")});
    for (const std::string& piece : tool_argument_pieces(i)) {
      const std::string more = fmt::format(R"({{"index":{},"function":{{"arguments":{}}}}})", i, json::quoted(piece));
      events.push_back({chunks.choice(index, R"("delta":{"tool_calls":[)" + more + "]}", "")});
    }
  }
}

void add_text(std::vector<Event>& events, const Answer& answer, const Chunks& chunks) {
  const Ask& ask = answer.ask;
  std::vector<Words> words;
  for (std::int64_t c = 0; c < ask.choices; ++c) words.emplace_back(ask.content_hash + static_cast<std::uint64_t>(c));
  for (std::int64_t i = 0; i < answer.tokens.completion; ++i) {
    for (std::int64_t c = 0; c < ask.choices; ++c) {
      events.push_back({chunks.delta(c, words[static_cast<std::size_t>(c)].next()), 1});
      if (ask.script.is_odd("comments") && i % 4 == 1) events.back().bytes.insert(0, ": keep-alive" + chunks.end());
    }
  }
}

std::string message_json(const Answer& answer, std::int64_t choice) {
  const Ask& ask = answer.ask;
  if (ask.script.tool_calls > 0) {
    return R"("message":{"role":"assistant","content":null,"refusal":null,"annotations":[],"tool_calls":[)" +
           tool_calls_json(ask) + "]}";
  }
  return R"("message":{"role":"assistant","content":")" +
         text_of_tokens(ask, answer.tokens.completion, static_cast<std::uint64_t>(choice)) +
         R"(","refusal":null,"annotations":[]})";
}

std::string chat_body(const Answer& answer) {
  const Ask& ask = answer.ask;
  const bool chat = ask.kind == AskKind::Chat;
  std::string body = R"({"id":)" + json::quoted(answer.id) + R"(,"object":")" +
                     (chat ? "chat.completion" : "text_completion") + R"(","created":)" + std::to_string(kCreated) +
                     R"(,"model":)" + json::quoted(ask.model) + R"(,"choices":[)";
  for (std::int64_t i = 0; i < ask.choices; ++i) {
    if (i > 0) body += ',';
    body += R"({"index":)" + std::to_string(i) + ',';
    if (chat) {
      body += message_json(answer, i);
    } else {
      body += R"("text":")" + text_of_tokens(ask, answer.tokens.completion, static_cast<std::uint64_t>(i)) + '"';
    }
    body += R"(,"logprobs":null,"finish_reason":")" + std::string(finish_of(answer)) + R"("})";
  }
  body += "]";
  if (!ask.script.no_usage) body += R"(,"usage":)" + openai_usage(answer);
  return body + R"(,"service_tier":"default","system_fingerprint":"fp_fake"})";
}

std::string error_json(const VendorError& error) {
  std::string type = error.type;
  if (type.empty()) {
    type = "invalid_request_error";
    if (error.status == 429) type = error.code == "insufficient_quota" ? "insufficient_quota" : "rate_limit_error";
    if (error.status >= 500) type = "server_error";
  }
  std::string body = R"({"error":{"message":)" + json::quoted(error.message) + R"(,"type":)" + json::quoted(type) +
                     R"(,"param":null,"code":)";
  body += error.code.empty() ? "null" : json::quoted(error.code);
  return body + "}}";
}

}  // namespace

std::string openai_usage(const Answer& answer) {
  const Tokens& tokens = answer.tokens;
  if (answer.ask.kind != AskKind::Chat && answer.ask.kind != AskKind::Completion) {
    return fmt::format(R"({{"prompt_tokens":{0},"total_tokens":{0}}})", tokens.prompt);
  }
  return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},)"
                     R"("prompt_tokens_details":{{"cached_tokens":{},"audio_tokens":0}},)"
                     R"("completion_tokens_details":{{"reasoning_tokens":{},"audio_tokens":0,)"
                     R"("accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}})",
                     tokens.prompt, tokens.completion, tokens.prompt + tokens.completion, tokens.cached,
                     tokens.reasoning);
}

std::string error_body(int status, std::string_view code, std::string_view message) {
  return error_json({status, "", std::string(code), std::string(message), -1});
}

std::string OpenAiShape::whole(const Answer& answer) const {
  const bool writes = answer.ask.kind == AskKind::Chat || answer.ask.kind == AskKind::Completion;
  return writes ? chat_body(answer) : openai_operation(answer);
}

std::string_view OpenAiShape::whole_type(AskKind kind) const {
  return kind == AskKind::Speech ? "audio/wav" : Shape::whole_type(kind);
}

std::vector<Event> OpenAiShape::events(const Answer& answer) const {
  const Ask& ask = answer.ask;
  const Script& script = ask.script;
  const Chunks chunks(answer);
  std::vector<Event> events;
  events.reserve(static_cast<std::size_t>(answer.tokens.completion * ask.choices) + 8);
  if (script.is_odd("empty_choices")) events.push_back({chunks.bare("[]")});
  for (std::int64_t c = 0; c < ask.choices && ask.kind == AskKind::Chat; ++c) {
    events.push_back({chunks.choice(c, R"("delta":{"role":"assistant","content":"","refusal":null})", "")});
  }
  if (script.is_odd("no_delta")) events.push_back({chunks.bare(R"([{"index":0,"finish_reason":null}])")});
  if (script.tool_calls > 0) {
    for (std::int64_t c = 0; c < ask.choices; ++c) add_tool_calls(events, ask, chunks, c);
    events.back().tokens = answer.tokens.completion;
  } else {
    add_text(events, answer, chunks);
  }
  if (!script.is_odd("done_without_finish")) {
    const int times = script.is_odd("two_finishes") ? 2 : 1;
    for (std::int64_t c = 0; c < ask.choices; ++c) {
      for (int i = 0; i < times; ++i) events.push_back({chunks.finish(c)});
    }
  }
  if (!script.no_usage && (ask.include_usage || script.is_odd("usage_always")) && !script.is_odd("usage_with_finish")) {
    events.push_back({chunks.usage()});
  }
  if (!script.is_odd("finish_without_done")) events.push_back({chunks.raw("[DONE]")});
  return events;
}

std::string OpenAiShape::error(const VendorError& error, std::string& fields) const {
  static_cast<void>(fields);
  return error_json(error);
}

Event OpenAiShape::error_event(const VendorError& error) const {
  return {sse(error_json(error))};
}

Event OpenAiShape::broken_event() const {
  return {sse(R"({"id": "broken", "choices": [)")};
}

const Shape& openai_shape() {
  static const OpenAiShape shape;
  return shape;
}

}  // namespace turnpike::fake_provider
