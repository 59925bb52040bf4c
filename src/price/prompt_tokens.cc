#include "price/prompt_tokens.h"

#include <algorithm>
#include <string>

#include "json/document.h"

namespace turnpike::price {
namespace {

using json::Kind;
using json::Value;

constexpr std::uint64_t kPerMessage = 3;
constexpr std::uint64_t kPerName = 1;
constexpr std::uint64_t kOpensAnswer = 3;
constexpr std::uint64_t kImage = 765;  // 1024 x 1024 in full detail by OpenAI's tile rule.
constexpr std::uint64_t kImageLow = 85;
constexpr std::uint64_t kAudioBytesPerToken = 400;
constexpr std::uint64_t kFileBytesPerToken = 12;
constexpr std::uint64_t kFileMin = 258;
constexpr std::uint64_t kFileElsewhere = 1000;

std::uint64_t base64_bytes(std::string_view text) {
  return text.size() / 4 * 3;
}

class Counter {
 public:
  explicit Counter(Encoding encoding) : encoding_(encoding) {}

  PromptCount body(const Value& root) {
    if (const Value messages = root.find("messages"); messages.is(Kind::Array)) chat(root, messages);
    if (const Value prompt = root.find("prompt")) input(prompt);
    if (const Value given = root.find("input")) input(given);
    if (const Value documents = root.find("documents"); documents.is(Kind::Array))
      ranked(root.find("query"), documents);
    return count_;
  }

 private:
  // A string, strings, tokens, or lists of tokens.
  void input(const Value& value) {
    if (value.is(Kind::Number)) ++count_.tokens;
    text(value);
    for (const Value element : value.elements()) input(element);
  }

  // The query is read once for each document.
  void ranked(const Value& query, const Value& documents) {
    const std::uint64_t before = count_.tokens;
    text(query);
    const std::uint64_t asked = count_.tokens - before;
    count_.tokens = before;
    for (const Value document : documents.elements()) {
      count_.tokens += asked;
      text(document);
      text(document.find("text"));
    }
  }

  void chat(const Value& root, const Value& messages) {
    for (const Value entry : messages.elements()) {
      ++count_.messages;
      count_.tokens += kPerMessage;
      message(entry);
    }
    count_.tokens += kOpensAnswer;
    for (const char* key : {"tools", "functions"}) written(root.find(key));
    written(root.find("response_format").find("json_schema"));
  }

  void message(const Value& entry) {
    for (const char* key : {"role", "refusal", "reasoning_content"}) text(entry.find(key));
    if (const Value name = entry.find("name"); name.is(Kind::String)) {
      count_.tokens += kPerName;
      text(name);
    }
    const Value content = entry.find("content");
    text(content);
    for (const Value part : content.elements()) content_part(part);
    for (const Value call : entry.find("tool_calls").elements()) function(call.find("function"));
    function(entry.find("function_call"));
  }

  void function(const Value& call) {
    text(call.find("name"));
    text(call.find("arguments"));
  }

  void content_part(const Value& part) {
    text(part);
    for (const char* key : {"text", "refusal", "thinking"}) text(part.find(key));
    if (const Value image = part.find("image_url")) {
      count_.tokens += image.find("detail").text() == "low" ? kImageLow : kImage;
    }
    if (const Value audio = part.find("input_audio")) {
      count_.tokens += base64_bytes(audio.find("data").inner()) / kAudioBytesPerToken + 1;
    }
    if (const Value file = part.find("file")) {
      const std::string_view data = file.find("file_data").inner();
      count_.tokens += data.empty() ? kFileElsewhere : std::max(kFileMin, base64_bytes(data) / kFileBytesPerToken);
    }
  }

  void text(const Value& value) {
    if (!value.is(Kind::String)) return;
    const std::string_view inner = value.inner();
    if (inner.find('\\') == std::string_view::npos) {
      count_.tokens += count_tokens(encoding_, inner);
    } else if (const std::optional<std::string> plain = value.text()) {
      count_.tokens += count_tokens(encoding_, *plain);
    }
  }

  void written(const Value& value) { count_.tokens += count_tokens(encoding_, value.raw()); }

  Encoding encoding_;
  PromptCount count_;
};

}  // namespace

Result<PromptCount> count_prompt_tokens(Encoding encoding, std::string_view body) {
  json::Document document;
  if (Status status = document.parse(body); !status) return base::fail(status.error());
  return Counter(encoding).body(document.root());
}

PromptCount count_prompt(Encoding encoding, std::string_view body) {
  constexpr std::size_t kBytesPerToken = 4;
  const Result<PromptCount> count = count_prompt_tokens(encoding, body);
  return count ? *count : PromptCount{body.size() / kBytesPerToken, 1};
}

}  // namespace turnpike::price
