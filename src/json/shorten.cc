#include "json/shorten.h"

namespace turnpike::json {
namespace {

bool is_high_surrogate(std::string_view escape) {
  return escape.size() >= 4 && (escape[2] == 'd' || escape[2] == 'D') &&
         std::string_view("89abAB").find(escape[3]) != std::string_view::npos;
}

/// How many bytes the character takes that `text` begins with, as it is written.
std::size_t character_bytes(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first != '\\') return first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  if (text.size() < 2 || text[1] != 'u') return 2;
  return is_high_surrogate(text) ? 12 : 6;  // Two halves that mean nothing apart.
}

std::size_t whole_characters(std::string_view text, std::size_t bytes_max) {
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t next = end + character_bytes(text.substr(end));
    if (next > bytes_max) break;
    end = next;
  }
  return end;
}

bool is_name(const Tokens& tokens, std::uint32_t token) {
  return token + 1 < tokens.count && tokens.text[tokens.at[token + 1]] == ':';
}

}  // namespace

std::string shorten_strings(const Document& document, std::size_t bytes_max) {
  const Tokens& tokens = *document.root().tokens();
  std::string out;
  std::size_t copied = 0;
  for (std::uint32_t token = 0; token < tokens.count; ++token) {
    if (tokens.text[tokens.at[token]] != '"' || is_name(tokens, token)) continue;
    const Value value(&tokens, token);
    const std::string_view inner = value.inner();
    if (inner.size() <= bytes_max) continue;
    const std::size_t kept = whole_characters(inner, bytes_max);
    const std::size_t begin = value.range().begin + 1;
    out += tokens.text.substr(copied, begin + kept - copied);
    out += "... (" + std::to_string(inner.size() - kept) + " bytes left out)";
    copied = begin + inner.size();
  }
  out += tokens.text.substr(copied);
  return out;
}

}  // namespace turnpike::json
