#include "fake_provider/ask.h"

#include <algorithm>
#include <functional>

#include "base/text.h"
#include "fake_provider/fault.h"
#include "fake_provider/shape.h"
#include "json/scan.h"
#include "protocol/multipart.h"

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
  if (first == std::string_view::npos || std::string_view("\"[{").find(raw[first]) == std::string_view::npos) return 1;
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

bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Names that every dialect may use for the same: there is none that means another thing elsewhere.
bool is_prompt(std::string_view key) {
  return is_one_of(key, {"messages", "prompt", "input", "contents", "content", "texts", "requests", "instances",
                         "inputText", "documents", "singleEmbeddingParams"});
}
bool is_limit(std::string_view key) {
  return is_one_of(key, {"max_tokens", "max_completion_tokens", "maxOutputTokens", "maxTokens", "num_predict"});
}
bool is_options(std::string_view key) {
  return is_one_of(key, {"generationConfig", "inferenceConfig", "options", "parameters"});
}
bool is_dimensions(std::string_view key) {
  return is_one_of(key, {"dimensions", "output_dimension", "outputDimensionality", "embeddingDimension"});
}

void read_number(Ask& ask, std::string_view key, std::string_view raw) {
  if (is_limit(key)) ask.max_tokens = number_of(raw, ask.max_tokens);
  if (key == "n" || key == "candidateCount") ask.choices = std::clamp<std::int64_t>(number_of(raw, 1), 1, 16);
  if (is_dimensions(key)) ask.dimensions = std::clamp<std::int64_t>(number_of(raw, 8), 1, 4096);
}

/// A range inside of the body is followed by the rest of it: padding enough.
Status read_options(Ask& ask, std::string_view raw) {
  json::Scan options;
  if (auto scanned = json::scan(raw, {}, options); !scanned) return scanned;
  for (const json::Member& member : options.members) read_number(ask, member.key, member.value.in(raw));
  return {};
}

Status read_stream_options(Ask& ask, std::string_view raw) {
  ask.has_stream_options = true;
  json::Scan options;
  if (auto scanned = json::scan(raw, {}, options); !scanned) return scanned;
  const json::Member* include = options.find("include_usage");
  ask.include_usage = include != nullptr && include->value.in(raw) == "true";
  return {};
}

Status read_member(Ask& ask, std::string_view body, const json::Member& member) {
  const std::string_view raw = member.value.in(body);
  const bool object = member.kind == json::Kind::Object;
  if (member.key == "model" || member.key == "model_id") {
    auto model = json::text_of(body, member);
    if (!model) return base::fail(ErrorKind::InvalidRequest, "model must be a string");
    if (ask.model.empty()) ask.model = std::move(*model);
  } else if (member.key == "stream") {
    ask.stream = ask.stream ? raw != "false" : raw == "true";
  } else if (member.key == "stream_options" && object) {
    return read_stream_options(ask, raw);
  } else if (member.key == "encoding_format") {
    ask.base64 = raw == "\"base64\"";
  } else if (is_prompt(member.key)) {
    ask.prompt_bytes = raw.size();
    ask.inputs = inputs_of(raw);
  } else if (is_options(member.key) && object) {
    return read_options(ask, raw);
  } else if (member.key == "fake" && object) {
    return apply_object(ask.script, raw);
  } else {
    read_number(ask, member.key, raw);
  }
  return {};
}

Status read_form(Ask& ask, std::string_view content_type, std::string_view body) {
  const auto form = protocol::parse_form(content_type, body);
  if (!form) return base::fail(form.error());
  if (const protocol::FormPart* model = form->find("model")) ask.model = std::string(model->value.in(body));
  ask.prompt_bytes = body.size();
  return {};
}

Status read_json(Ask& ask, std::string_view body) {
  json::Scan scan;
  if (auto scanned = json::scan(body, {}, scan); !scanned) return scanned;
  for (const json::Member& member : scan.members) {
    if (auto read = read_member(ask, body, member); !read) return read;
  }
  return {};
}

}  // namespace

Result<Ask> parse_ask(const Route& route, std::string_view content_type, std::string_view body,
                      const Script& defaults) {
  Ask ask;
  ask.shape = route.shape;
  ask.kind = route.kind;
  ask.model = route.model;
  ask.stream = route.stream || route.streams_unasked;
  ask.script = defaults;
  Status read;
  if (route.kind == AskKind::Transcription && protocol::is_form(content_type)) {
    read = read_form(ask, content_type, body);
  } else if (route.kind != AskKind::Models) {
    read = read_json(ask, body);
  }
  if (!read) return base::fail(std::move(read.error()));
  if (ask.model.empty() && route.kind != AskKind::Models) {
    return base::fail(ErrorKind::InvalidRequest, "you must provide a model parameter");
  }
  ask.content_hash = std::hash<std::string_view>{}(body);
  if (ask.script.fault == Fault::ContentPolicy) {
    const auto said = find_vendor_error(*ask.shape, Fault::ContentPolicy);
    ask.blocked = said && said->status < 300;
  }
  return ask;
}

Tokens tokens_of(const Ask& ask) {
  Tokens tokens;
  if (ask.kind == AskKind::Models) return tokens;
  const std::int64_t by_size = static_cast<std::int64_t>(std::max<std::uint64_t>(1, (ask.prompt_bytes + 3) / 4));
  tokens.prompt = ask.script.prompt_tokens >= 0 ? ask.script.prompt_tokens : by_size;
  if (ask.shape->counts_cached()) tokens.cached = std::min(ask.script.cached_tokens, tokens.prompt);
  const bool writes = ask.kind == AskKind::Chat || ask.kind == AskKind::Completion;
  if (!writes || ask.blocked) return tokens;
  tokens.completion = ask.script.tokens;
  if (tokens.completion < 0) {
    tokens.completion = kTokensWithoutWish;
    if (ask.max_tokens >= 0 && ask.max_tokens < tokens.completion) {
      tokens.completion = ask.max_tokens;
      tokens.cut_by_limit = true;
    }
  }
  if (ask.shape->counts_reasoning()) tokens.reasoning = std::min(ask.script.reasoning_tokens, tokens.completion);
  return tokens;
}

}  // namespace turnpike::fake_provider
