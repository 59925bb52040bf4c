#include "protocol/answer_quirks.h"

#include <algorithm>

#include "base/utf8.h"
#include "json/write.h"
#include "protocol/openai_write.h"
#include "protocol/think_tags.h"

namespace turnpike::protocol {

using json::Kind;
using json::Value;

std::string content_members(std::string_view quoted_thinking, std::string_view quoted_text, bool always) {
  constexpr std::size_t kQuotes = 2;
  std::string members;
  if (quoted_thinking.size() > kQuotes) members.append("\"reasoning_content\":").append(quoted_thinking);
  if (quoted_text.size() > kQuotes || always) {
    if (!members.empty()) members += ',';
    members.append("\"content\":").append(quoted_text);
  }
  return members;
}

SplitContent split_parts(const Value& parts) {
  SplitContent split{"\"", "\""};
  for (const Value part : parts.elements()) {
    Value thinking = part.find("thinking");
    if (!thinking) thinking = part.find("summary");
    if (thinking) {
      split.thinking += thinking.inner();
      for (const Value piece : thinking.elements()) split.thinking += piece.find("text").inner();
    } else {
      split.text += part.find("text").inner();
    }
  }
  split.thinking += '"';
  split.text += '"';
  return split;
}

SplitContent split_tags(std::string_view text) {
  ThinkTags tags;
  const ThinkTags::Pieces first = tags.feed(text);
  std::string thinking(first.thinking);
  std::string rest(first.text);
  const ThinkTags::Pieces last = tags.finish();
  thinking += last.thinking;
  rest += last.text;
  return {json::quoted(thinking), json::quoted(rest)};
}

void Sources::read(const Value& citations, const Value& search_results) {
  if (citations.elements().empty() && search_results.elements().empty()) return;
  urls_.clear();
  titles_.clear();
  for (const Value url : citations.elements()) {
    if (urls_.size() < kSourcesMax && url.is(Kind::String)) urls_.emplace_back(url.raw());
  }
  std::size_t at = 0;
  for (const Value result : search_results.elements()) {
    if (at == kSourcesMax) break;
    const Value url = result.find("url");
    const Value title = result.find("title");
    if (at >= urls_.size()) urls_.emplace_back(url.is(Kind::String) ? url.raw() : "\"\"");
    titles_.emplace_back(title.is(Kind::String) ? title.raw() : "\"\"");
    ++at;
  }
  titles_.resize(urls_.size(), "\"\"");
}

std::string Sources::annotations(std::string_view text) const {
  std::string list;
  std::size_t points = 0;  // Code points before `at`.
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at];
    if (base::continues_character(byte)) continue;
    const std::size_t start = points++;
    if (byte != '[') continue;
    std::size_t end = at + 1;
    std::size_t number = 0;
    constexpr std::size_t kDigitsMax = 4;
    while (end < text.size() && end - at <= kDigitsMax && text[end] >= '0' && text[end] <= '9') {
      number = number * 10 + static_cast<std::size_t>(text[end++] - '0');
    }
    if (end == at + 1 || end >= text.size() || text[end] != ']' || number == 0 || number > urls_.size()) continue;
    list += list.empty() ? "[" : ",";
    list += R"({"type":"url_citation","url_citation":{"start_index":)" + std::to_string(start);
    list += ",\"end_index\":" + std::to_string(start + end + 1 - at);
    list += ",\"url\":" + urls_[number - 1] + ",\"title\":" + titles_[number - 1] + "}}";
  }
  if (!list.empty()) list += ']';
  return list;
}

std::string_view shown_tier(std::string_view tier) {
  constexpr std::string_view kKnown[] = {"auto", "default", "flex", "scale", "priority", "fast"};
  if (tier.empty() || std::find(std::begin(kKnown), std::end(kKnown), tier) != std::end(kKnown)) return {};
  return "auto";
}

std::string call_id_stem(std::string_view answer_id) {
  constexpr std::size_t kBytes = 24;
  std::string stem;
  for (const char c : answer_id) {
    if (c != '-') stem += c;
  }
  if (stem.size() > kBytes) stem.erase(0, stem.size() - kBytes);
  return stem;
}

bool is_json_tool(const Value& call) {
  return call.find("function").find("name").inner() == kJsonTool;
}

}  // namespace turnpike::protocol
