#include "voice.h"

#include <fmt/core.h>

#include <array>
#include <utility>

#include "base/id.h"

namespace turnpike::storm {
namespace {

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += word;
  return text;
}

std::string openai_usage(const Tokens& tokens) {
  return fmt::format(R"("usage":{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}})", tokens.input,
                     tokens.output, tokens.input + tokens.output);
}

std::string openai_chunk(std::string_view choices, std::string_view more = "") {
  return fmt::format(
      "data: "
      "{{\"id\":\"s1\",\"object\":\"chat.completion.chunk\",\"created\":5,\"model\":\"up\",\"choices\":[{}]{}}}\n\n",
      choices, more);
}

std::string openai_delta(std::string_view delta, std::string_view finish) {
  return openai_chunk(fmt::format(R"({{"index":0,"delta":{{{}}},"finish_reason":{}}})", delta, finish));
}

std::string openai_whole(const std::vector<std::string>& words, const std::optional<Tokens>& tokens) {
  return fmt::format(
      R"({{"id":"s1","object":"chat.completion","created":5,"model":"up","choices":[{{"index":0,"message":{{)"
      R"("role":"assistant","content":"{}"}},"finish_reason":"stop"}}]{}{}}})",
      joined(words), tokens ? "," : "", tokens ? openai_usage(*tokens) : std::string());
}

std::vector<Piece> openai_stream(const std::vector<std::string>& words, const std::optional<Tokens>& tokens) {
  std::vector<Piece> pieces;
  pieces.push_back({openai_delta(R"("role":"assistant","content":"")", "null"), {}, {}, {}});
  for (const std::string& word : words)
    pieces.push_back({openai_delta(fmt::format(R"("content":"{}")", word), "null"), word, {}, {}});
  std::string end = openai_delta("", R"("stop")");
  if (tokens) end += openai_chunk("", "," + openai_usage(*tokens));
  end += "data: [DONE]\n\n";
  Piece last{std::move(end), {}, {}, {}};
  if (tokens) {
    last.input = tokens->input;
    last.output = tokens->output;
  }
  pieces.push_back(std::move(last));
  return pieces;
}

std::string anthropic_event(std::string_view type, std::string_view rest) {
  return fmt::format("event: {0}\ndata: {{\"type\":\"{0}\"{1}}}\n\n", type, rest);
}

std::string anthropic_message(std::string_view content, std::string_view stop, std::string_view usage) {
  return fmt::format(
      R"({{"id":"msg_1","type":"message","role":"assistant","model":"up","content":[{}],"stop_reason":{},)"
      R"("stop_sequence":null{}}})",
      content, stop, usage);
}

std::string anthropic_whole(const std::vector<std::string>& words, const std::optional<Tokens>& tokens) {
  const std::string usage =
      tokens ? fmt::format(R"(,"usage":{{"input_tokens":{},"output_tokens":{}}})", tokens->input, tokens->output)
             : std::string();
  return anthropic_message(fmt::format(R"({{"type":"text","text":"{}"}})", joined(words)), R"("end_turn")", usage);
}

std::vector<Piece> anthropic_stream(const std::vector<std::string>& words, const std::optional<Tokens>& tokens) {
  std::vector<Piece> pieces;
  // The output count of the first event is a placeholder: nobody is billed by it.
  const std::string begun =
      tokens ? fmt::format(R"(,"usage":{{"input_tokens":{},"output_tokens":1}})", tokens->input) : std::string();
  Piece head{anthropic_event("message_start", R"(,"message":)" + anthropic_message("", "null", begun)) +
                 anthropic_event("content_block_start", R"(,"index":0,"content_block":{"type":"text","text":""})"),
             {},
             {},
             {}};
  if (tokens) head.input = tokens->input;
  pieces.push_back(std::move(head));
  for (const std::string& word : words) {
    pieces.push_back({anthropic_event("content_block_delta",
                                      fmt::format(R"(,"index":0,"delta":{{"type":"text_delta","text":"{}"}})", word)),
                      word,
                      {},
                      {}});
  }
  const std::string ended = tokens ? fmt::format(R"(,"usage":{{"output_tokens":{}}})", tokens->output) : std::string();
  Piece last{
      anthropic_event("content_block_stop", R"(,"index":0)") +
          anthropic_event("message_delta", R"(,"delta":{"stop_reason":"end_turn","stop_sequence":null})" + ended) +
          anthropic_event("message_stop", ""),
      {},
      {},
      {}};
  if (tokens) last.output = tokens->output;
  pieces.push_back(std::move(last));
  return pieces;
}

struct RefusalRow {
  int status;
  std::string_view type, code, message;
};

constexpr RefusalRow kOpenAi[] = {
    {500, "server_error", "internal_error", "The server had an error"},
    {503, "server_error", "overloaded", "The engine is currently overloaded"},
    {429, "rate_limit_error", "rate_limit_exceeded", "Rate limit reached for requests"},
    {401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided"},
    {429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota"},
    {400, "invalid_request_error", "invalid_value", "Unknown value for a field"},
    {400, "invalid_request_error", "context_length_exceeded", "This model's maximum context length is 8192 tokens"},
    {400, "invalid_request_error", "content_policy_violation", "Your request was rejected by our safety system"},
};
constexpr RefusalRow kAnthropic[] = {
    {500, "api_error", "", "Internal server error"},
    {503, "api_error", "", "Service unavailable"},
    {429, "rate_limit_error", "", "This request would exceed the rate limit of your organization"},
    {401, "authentication_error", "", "invalid x-api-key"},
    {400, "invalid_request_error", "", "Your credit balance is too low to access the Anthropic API"},
    {400, "invalid_request_error", "", "messages: a field is not as it should be"},
    {400, "invalid_request_error", "", "prompt is too long: 300000 tokens > 200000 maximum"},
    {400, "invalid_request_error", "", "Output blocked by content filtering policy"},
};

}  // namespace

std::string whole_answer(Shape shape, const std::vector<std::string>& words, const std::optional<Tokens>& tokens) {
  return shape == Shape::OpenAi ? openai_whole(words, tokens) : anthropic_whole(words, tokens);
}

std::vector<Piece> streamed_answer(Shape shape, const std::vector<std::string>& words,
                                   const std::optional<Tokens>& tokens) {
  return shape == Shape::OpenAi ? openai_stream(words, tokens) : anthropic_stream(words, tokens);
}

std::string malformed_event(Shape shape) {
  return shape == Shape::OpenAi ? "data: {\"id\":\"s1\",\"choices\":[{\"index\":\n\n"
                                : "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\n\n";
}

std::string error_event(Shape shape) {
  if (shape == Shape::Anthropic) return anthropic_event("error", R"(,"error":{"type":"api_error","message":"oops"})");
  return "data: {\"error\":{\"message\":\"oops\",\"type\":\"server_error\",\"code\":\"500\"}}\n\n";
}

Refused refused(Shape shape, Refusal refusal) {
  const auto row = static_cast<std::size_t>(refusal);
  const RefusalRow& said = shape == Shape::OpenAi ? kOpenAi[row] : kAnthropic[row];
  if (shape == Shape::Anthropic) {
    return {said.status,
            fmt::format(R"({{"type":"error","error":{{"type":"{}","message":"{}"}}}})", said.type, said.message)};
  }
  return {said.status, fmt::format(R"({{"error":{{"message":"{}","type":"{}","param":null,"code":"{}"}}}})",
                                   said.message, said.type, said.code)};
}

std::vector<std::string> words_of(std::uint64_t seed, std::size_t count) {
  constexpr std::array<std::string_view, 16> kWords = {"rain ", "over ", "the ",   "hills ",   "and ",   "wind ",
                                                       "from ", "west ", "with ",  "thunder ", "later ", "clear ",
                                                       "sky ",  "cold ", "night ", "ahead "};
  base::Random random(seed);
  std::vector<std::string> words;
  words.reserve(count);
  for (std::size_t i = 0; i < count; ++i) words.emplace_back(kWords[random.next() % kWords.size()]);
  return words;
}

}  // namespace turnpike::storm
