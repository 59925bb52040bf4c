#include "protocol/openai_pieces.h"

#include "json/document.h"
#include "json/write.h"

namespace turnpike::protocol {
namespace {

constexpr std::string_view kWrappers[] = {"values", "properties"};

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

}  // namespace

void append_annotation(std::string& out, const Citation& citation) {
  json::Writer writer(out);
  writer.begin_object().key("type").string("url_citation").key("url_citation").begin_object();
  writer.key("start_index").number(citation.start).key("end_index").number(citation.end);
  writer.key("url").string(citation.url).key("title").string(citation.title);
  writer.end_object().end_object();
}

void append_image(std::string& out, const Media& media, std::uint64_t index) {
  out += "{\"type\":\"image_url\",\"index\":";
  out += std::to_string(index);
  out += ",\"image_url\":{\"url\":";
  if (media.base64.empty()) {
    json::append_string(out, media.url);
  } else {
    const std::string_view mime = media.mime.empty() ? "image/png" : media.mime;
    out.reserve(out.size() + media.base64.size() + mime.size() + 64);
    out.append("\"data:").append(mime).append(";base64,").append(media.base64).append("\"");
  }
  out += ",\"detail\":\"auto\"}}";
}

void append_thinking(std::string& out, std::string_view thought, std::string_view signature) {
  out += "{\"type\":\"thinking\",\"thinking\":";
  json::append_string(out, thought);
  if (!signature.empty()) {
    out += ",\"signature\":";
    json::append_string(out, signature);
  }
  out += '}';
}

void append_redacted_thinking(std::string& out, std::string_view data) {
  out += "{\"type\":\"redacted_thinking\",\"data\":";
  json::append_string(out, data);
  out += '}';
}

void append_native_finish(std::string& out, std::string_view native_finish) {
  if (native_finish.empty()) return;
  out += ",\"provider_specific_fields\":{\"native_finish_reason\":";
  json::append_string(out, native_finish);
  out += '}';
}

std::string_view callers_name(const AnswerTerms& terms, std::string_view sent_name) {
  for (const auto& [sent, own] : terms.tool_names) {
    if (sent == sent_name) return own;
  }
  return sent_name;
}

CallIds::CallIds(std::string_view answer_id) {
  constexpr std::size_t kStemDigits = 23;
  const std::size_t dash = answer_id.find('-');  // "chatcmpl-"
  if (dash != std::string_view::npos) answer_id.remove_prefix(dash + 1);
  for (const char c : answer_id) {
    if (is_hex(c) && stem_.size() < kStemDigits) stem_ += c;
  }
  stem_.resize(kStemDigits, '0');
}

std::string CallIds::shown(std::string_view id, std::uint64_t choice, std::uint64_t tool,
                           std::string_view signature) const {
  std::string text;
  if (id.empty()) {
    text.append("call_").append(stem_);
    const std::uint64_t number = (choice << 10) + tool;  // Streams have at most 1024 calls in a choice.
    for (int shift = 16; shift >= 0; shift -= 4) text += "0123456789abcdef"[number >> shift & 15U];
  } else {
    text = id;
  }
  if (!signature.empty()) text.append(kThoughtMark).append(signature);
  return text;
}

std::string_view unwrap_json_answer(std::string_view arguments) {
  if (looks_wrapped(arguments) != Wrapped::Yes) return arguments;
  json::Document document;
  if (!document.parse(arguments)) return arguments;
  const json::Value root = document.root();
  std::size_t members = 0;
  json::Value inside;
  for (const json::Value::Pair& pair : root.members()) {
    inside = pair.value;
    ++members;
  }
  return members == 1 && !inside.is(json::Kind::Null) ? inside.raw() : arguments;
}

Wrapped looks_wrapped(std::string_view front) {
  // Brace, name and colon are all that matter, white space between them is none of them.
  std::string tokens;
  for (const char c : front) {
    constexpr std::size_t kEnough = 16;
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') tokens += c;
    if (tokens.size() == kEnough) break;
  }
  Wrapped verdict = Wrapped::No;
  for (const std::string_view name : kWrappers) {
    const std::string opening = "{\"" + std::string(name) + "\":";
    if (std::string_view(tokens).starts_with(opening)) return Wrapped::Yes;
    if (opening.starts_with(tokens)) verdict = Wrapped::Maybe;
  }
  return verdict;
}

}  // namespace turnpike::protocol
