#include "fake_provider/answer.h"

#include <fmt/core.h>

#include <cstring>

#include "base/base64.h"
#include "fake_provider/words.h"
#include "json/write.h"

namespace turnpike::fake_provider {
namespace {

constexpr std::int64_t kCreated = 1'700'000'000;  // A fixed day: answers are the same in every run.

std::string usage_json(const Ask& ask, const Tokens& tokens) {
  if (ask.kind == AskKind::Embedding) {
    return fmt::format(R"({{"prompt_tokens":{0},"total_tokens":{0}}})", tokens.prompt);
  }
  return fmt::format(R"({{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{},)"
                     R"("prompt_tokens_details":{{"cached_tokens":{},"audio_tokens":0}},)"
                     R"("completion_tokens_details":{{"reasoning_tokens":{},"audio_tokens":0,)"
                     R"("accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}})",
                     tokens.prompt, tokens.completion, tokens.prompt + tokens.completion, tokens.cached,
                     tokens.reasoning);
}

std::string_view finish_of(const Ask& ask, const Tokens& tokens) {
  if (ask.script.tool_calls > 0) return "tool_calls";
  return tokens.cut_by_limit ? "length" : "stop";
}

std::string tool_id(const Ask& ask, std::int64_t number) {
  return fmt::format("call_{:016x}{:02}", ask.content_hash, number);
}

std::string tool_calls_json(const Ask& ask) {
  std::string calls;
  for (std::int64_t i = 0; i < ask.script.tool_calls; ++i) {
    if (i > 0) calls += ',';
    calls += fmt::format(
        R"({{"id":"{}","type":"function","function":{{"name":"get_weather","arguments":"{{\"city\":\"Town {}\"}}"}}}})",
        tool_id(ask, i), i);
  }
  return calls;
}

std::string embedding_body(const Ask& ask, const Tokens& tokens) {
  std::string body = R"({"object":"list","data":[)";
  for (std::int64_t i = 0; i < ask.inputs; ++i) {
    if (i > 0) body += ',';
    body += R"({"object":"embedding","index":)" + std::to_string(i) + R"(,"embedding":)";
    std::uint64_t state = ask.content_hash + static_cast<std::uint64_t>(i);
    std::string bytes;
    std::string list = "[";
    for (std::int64_t d = 0; d < ask.dimensions; ++d) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      // Multiples of 1/1024 are exact in binary and short in decimal: both encodings say the same.
      const float value = static_cast<float>(state >> 54) / 1024.0F - 0.5F;
      char raw[sizeof value];
      std::memcpy(raw, &value, sizeof value);
      bytes.append(raw, sizeof raw);
      list += fmt::format("{}{}", d == 0 ? "" : ",", value);
    }
    body += ask.base64 ? '"' + base::to_base64(bytes) + '"' : list + "]";
    body += '}';
  }
  body += R"(],"model":)" + json::quoted(ask.model);
  if (!ask.script.no_usage) body += R"(,"usage":)" + usage_json(ask, tokens);
  return body + "}";
}

/// Writes the chunks of one stream.
class Chunks {
 public:
  Chunks(const Ask& ask, const Tokens& tokens, std::string_view id) : ask_(ask), tokens_(tokens) {
    const bool crlf = ask.script.is_odd("crlf");
    end_ = crlf ? "\r\n\r\n" : "\n\n";
    data_ = ask.script.is_odd("data_without_space") ? "data:" : "data: ";
    head_ = data_ + R"({"id":)" + (ask.script.is_odd("null_id") ? "null" : json::quoted(id)) + R"(,"object":)" +
            (ask.kind == AskKind::Completion ? R"("text_completion")" : R"("chat.completion.chunk")") +
            R"(,"created":)" + std::to_string(kCreated) + R"(,"model":)" + json::quoted(ask.model) +
            R"(,"system_fingerprint":"fp_fake","choices":)";
    usage_ = usage_json(ask, tokens);
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
    return choice(index, ask_.kind == AskKind::Completion ? R"("text":"")" : R"("delta":{})", finish_of(ask_, tokens_));
  }

  std::string bare(std::string_view rest) const { return head_ + std::string(rest) + "}" + end_; }
  std::string usage() const { return bare(R"([],"usage":)" + usage_); }
  std::string raw(std::string_view text) const { return data_ + std::string(text) + end_; }
  const std::string& end() const { return end_; }

 private:
  const Ask& ask_;
  const Tokens& tokens_;
  std::string end_;
  std::string data_;
  std::string head_;
  std::string usage_;
};

void add_tool_calls(std::vector<std::string>& events, const Ask& ask, const Chunks& chunks, std::int64_t index) {
  for (std::int64_t i = 0; i < ask.script.tool_calls; ++i) {
    events.push_back(chunks.choice(
        index,
        fmt::format(
            R"("delta":{{"tool_calls":[{{"index":{},"id":"{}","type":"function","function":{{"name":"get_weather","arguments":""}}}}]}})",
            i, tool_id(ask, i)),
        ""));
    for (const std::string& piece : {std::string(R"({\"city\":)"), fmt::format(R"(\"Town {}\"}})", i)}) {
      events.push_back(chunks.choice(
          index, fmt::format(R"("delta":{{"tool_calls":[{{"index":{},"function":{{"arguments":"{}"}}}}]}})", i, piece),
          ""));
    }
  }
}

void apply_cuts(std::vector<std::string>& events, const Ask& ask, const Chunks& chunks) {
  const Script& script = ask.script;
  const auto shorten = [&](std::int64_t count) {
    if (count >= 0 && static_cast<std::size_t>(count) < events.size()) events.resize(static_cast<std::size_t>(count));
  };
  if (script.malformed_sse && events.size() > 2) events[2] = chunks.raw(R"({"id": "broken", "choices": [)");
  shorten(script.cut_after);
  shorten(script.end_after);
  if (script.error_after >= 0) {
    shorten(script.error_after);
    events.push_back(
        chunks.raw(error_body(500, "server_error", "The server had an error while processing your request")));
  }
}

}  // namespace

std::string answer_id(const Ask& ask, std::uint64_t number) {
  if (!ask.script.id.empty()) return ask.script.id;
  return fmt::format("{}-{:016x}{:08x}", ask.kind == AskKind::Completion ? "cmpl" : "chatcmpl", ask.content_hash,
                     number);
}

std::string plain_body(const Ask& ask, const Tokens& tokens, std::string_view id) {
  if (ask.script.malformed_json) return R"({"id": "broken", "choices": [{"index": 0, )";
  if (ask.kind == AskKind::Embedding) return embedding_body(ask, tokens);
  const bool chat = ask.kind == AskKind::Chat;
  std::string body = R"({"id":)" + json::quoted(id) + R"(,"object":")" +
                     (chat ? "chat.completion" : "text_completion") + R"(","created":)" + std::to_string(kCreated) +
                     R"(,"model":)" + json::quoted(ask.model) + R"(,"choices":[)";
  for (std::int64_t i = 0; i < ask.choices; ++i) {
    if (i > 0) body += ',';
    body += R"({"index":)" + std::to_string(i);
    if (!chat) {
      body += R"(,"text":")" + text_of_tokens(ask, tokens.completion, static_cast<std::uint64_t>(i)) + '"';
    } else if (ask.script.tool_calls > 0) {
      body += R"(,"message":{"role":"assistant","content":null,"refusal":null,"annotations":[],"tool_calls":[)" +
              tool_calls_json(ask) + "]}";
    } else {
      body += R"(,"message":{"role":"assistant","content":")" +
              text_of_tokens(ask, tokens.completion, static_cast<std::uint64_t>(i)) +
              R"(","refusal":null,"annotations":[]})";
    }
    body += R"(,"logprobs":null,"finish_reason":")" + std::string(finish_of(ask, tokens)) + R"("})";
  }
  body += "]";
  if (!ask.script.no_usage) body += R"(,"usage":)" + usage_json(ask, tokens);
  return body + R"(,"service_tier":"default","system_fingerprint":"fp_fake"})";
}

std::string error_body(int status, std::string_view code, std::string_view message) {
  std::string_view type = "invalid_request_error";
  if (status == 429) type = code == "insufficient_quota" ? "insufficient_quota" : "rate_limit_error";
  if (status >= 500) type = "server_error";
  std::string body = R"({"error":{"message":)" + json::quoted(message) + R"(,"type":")" + std::string(type) +
                     R"(","param":null,"code":)";
  body += code.empty() ? "null" : json::quoted(code);
  return body + "}}";
}

std::vector<std::string> stream_events(const Ask& ask, const Tokens& tokens, std::string_view id) {
  const Script& script = ask.script;
  const Chunks chunks(ask, tokens, id);
  std::vector<std::string> events;
  events.reserve(static_cast<std::size_t>(tokens.completion * ask.choices) + 8);
  if (script.error_in_200) {
    events.push_back(chunks.raw(error_body(429, "rate_limit_exceeded", "Rate limit reached inside of a 200")));
    return events;
  }
  if (script.is_odd("empty_choices")) events.push_back(chunks.bare("[]"));
  for (std::int64_t c = 0; c < ask.choices && ask.kind == AskKind::Chat; ++c) {
    events.push_back(chunks.choice(c, R"("delta":{"role":"assistant","content":"","refusal":null})", ""));
  }
  if (script.is_odd("no_delta")) events.push_back(chunks.bare(R"([{"index":0,"finish_reason":null}])"));
  std::vector<Words> words;
  for (std::int64_t c = 0; c < ask.choices; ++c) words.emplace_back(ask.content_hash + static_cast<std::uint64_t>(c));
  if (script.tool_calls > 0) {
    for (std::int64_t c = 0; c < ask.choices; ++c) add_tool_calls(events, ask, chunks, c);
  } else {
    for (std::int64_t i = 0; i < tokens.completion; ++i) {
      for (std::int64_t c = 0; c < ask.choices; ++c) {
        events.push_back(chunks.delta(c, words[static_cast<std::size_t>(c)].next()));
        if (script.is_odd("comments") && i % 4 == 1) events.back().insert(0, ": keep-alive" + chunks.end());
      }
    }
  }
  if (!script.is_odd("done_without_finish")) {
    const int times = script.is_odd("two_finishes") ? 2 : 1;
    for (std::int64_t c = 0; c < ask.choices; ++c) {
      for (int i = 0; i < times; ++i) events.push_back(chunks.finish(c));
    }
  }
  if (!script.no_usage && (ask.include_usage || script.is_odd("usage_always")) && !script.is_odd("usage_with_finish")) {
    events.push_back(chunks.usage());
  }
  if (!script.is_odd("finish_without_done")) events.push_back(chunks.raw("[DONE]"));
  apply_cuts(events, ask, chunks);
  return events;
}

std::string models_body() {
  std::string body = R"({"object":"list","data":[)";
  bool first = true;
  for (const std::string_view name :
       {"fake-model", "fake-embedding", "gpt-4o", "gpt-4o-mini", "text-embedding-3-small"}) {
    if (!first) body += ',';
    first = false;
    body += fmt::format(R"({{"id":"{}","object":"model","created":{},"owned_by":"fake-provider"}})", name, kCreated);
  }
  return body + "]}";
}

}  // namespace turnpike::fake_provider
