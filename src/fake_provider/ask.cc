#include "fake_provider/ask.h"

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "json/scan.h"

namespace turnpike::fake_provider {
namespace {

constexpr std::int64_t kTokensWithoutWish = 16;

std::int64_t number_of(std::string_view raw, std::int64_t otherwise) {
  const auto value = base::parse_unsigned(raw);
  return value ? static_cast<std::int64_t>(std::min<std::uint64_t>(*value, 1'000'000'000)) : otherwise;
}

/// How many embeddings an `input` asks for: one for a text or a list of token ids, else one per element.
std::int64_t inputs_of(std::string_view raw) {
  if (raw.empty() || raw.front() != '[') return 1;
  const std::size_t first = raw.find_first_not_of(" \t\r\n", 1);
  if (first == std::string_view::npos || (raw[first] != '"' && raw[first] != '[')) return 1;
  std::int64_t count = 1;
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const char c = raw[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
    if (c == ',' && depth == 1) ++count;
  }
  return count;
}

Status read_member(Ask& ask, std::string_view body, const json::Member& member) {
  const std::string_view raw = member.value.in(body);
  if (member.key == "model") {
    auto model = json::text_of(body, member);
    if (!model) return base::fail(ErrorKind::InvalidRequest, "model must be a string");
    ask.model = std::move(*model);
  } else if (member.key == "stream") {
    ask.stream = raw == "true";
  } else if (member.key == "stream_options" && member.kind == json::Kind::Object) {
    ask.has_stream_options = true;
    json::Scan options;
    if (auto scanned = json::scan(body.substr(member.value.begin, member.value.end - member.value.begin), {}, options);
        !scanned) {
      return scanned;
    }
    const json::Member* include = options.find("include_usage");
    ask.include_usage = include != nullptr && include->value.in(raw) == "true";
  } else if (member.key == "max_tokens" || member.key == "max_completion_tokens") {
    ask.max_tokens = number_of(raw, ask.max_tokens);
  } else if (member.key == "n") {
    ask.choices = std::clamp<std::int64_t>(number_of(raw, 1), 1, 16);
  } else if (member.key == "dimensions") {
    ask.dimensions = std::clamp<std::int64_t>(number_of(raw, 8), 1, 4096);
  } else if (member.key == "encoding_format") {
    ask.base64 = raw == "\"base64\"";
  } else if (member.key == "messages" || member.key == "prompt" || member.key == "input") {
    ask.prompt_bytes = raw.size();
    ask.inputs = inputs_of(raw);
  } else if (member.key == "fake" && member.kind == json::Kind::Object) {
    return apply_object(ask.script, raw);
  }
  return {};
}

}  // namespace

Result<Ask> parse_ask(AskKind kind, std::string_view body, const Script& defaults) {
  Ask ask;
  ask.kind = kind;
  ask.script = defaults;
  json::Scan scan;
  if (auto scanned = json::scan(body, {}, scan); !scanned) return base::fail(std::move(scanned.error()));
  for (const json::Member& member : scan.members) {
    if (auto read = read_member(ask, body, member); !read) return base::fail(std::move(read.error()));
  }
  if (ask.model.empty()) return base::fail(ErrorKind::InvalidRequest, "you must provide a model parameter");
  ask.content_hash = std::hash<std::string_view>{}(body);
  return ask;
}

Tokens tokens_of(const Ask& ask) {
  Tokens tokens;
  const std::int64_t by_size = static_cast<std::int64_t>(std::max<std::uint64_t>(1, (ask.prompt_bytes + 3) / 4));
  tokens.prompt = ask.script.prompt_tokens >= 0 ? ask.script.prompt_tokens : by_size;
  tokens.cached = std::min(ask.script.cached_tokens, tokens.prompt);
  if (ask.kind == AskKind::Embedding) return tokens;
  tokens.completion = ask.script.tokens;
  if (tokens.completion < 0) {
    tokens.completion = kTokensWithoutWish;
    if (ask.max_tokens >= 0 && ask.max_tokens < tokens.completion) {
      tokens.completion = ask.max_tokens;
      tokens.cut_by_limit = true;
    }
  }
  tokens.reasoning = std::min(ask.script.reasoning_tokens, tokens.completion);
  return tokens;
}

}  // namespace turnpike::fake_provider
