#include "json/write.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

namespace turnpike::json {
namespace {

// What a byte needs inside a JSON string: 0 nothing, 'u' a \u00XX escape, 'x' a look at its UTF-8 sequence, else the
// letter after the backslash.
constexpr std::array<char, 256> make_needs() {
  std::array<char, 256> needs{};
  for (std::size_t c = 0; c < 0x20; ++c) needs[c] = 'u';
  for (std::size_t c = 0x80; c < 0x100; ++c) needs[c] = 'x';
  needs['"'] = '"';
  needs['\\'] = '\\';
  needs['\b'] = 'b';
  needs['\f'] = 'f';
  needs['\n'] = 'n';
  needs['\r'] = 'r';
  needs['\t'] = 't';
  return needs;
}
constexpr std::array<char, 256> kNeeds = make_needs();

// Bytes of the well-formed UTF-8 sequence at the front of `text`, 0 when it is none (Unicode 15, table 3-7).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first >= 0xC2 && first <= 0xDF) return tail(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (first == 0xE0 && byte(1) < 0xA0) return 0;
    if (first == 0xED && byte(1) > 0x9F) return 0;
    return tail(1) && tail(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (first == 0xF0 && byte(1) < 0x90) return 0;
    if (first == 0xF4 && byte(1) > 0x8F) return 0;
    return tail(1) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

/// Whether no byte needs a look: printable ASCII without quote and backslash, as nearly all that is written here is.
/// Eight bytes a step; a "no" may be wrong, a "yes" never is.
bool is_plain(std::string_view text) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHigh = 0x8080808080808080;
  const auto odd = [](std::uint64_t word) {
    const std::uint64_t quote = word ^ (kOnes * '"');
    const std::uint64_t slash = word ^ (kOnes * '\\');
    return (word | (word - kOnes * 0x20) | (quote - kOnes) | (slash - kOnes)) & kHigh;
  };
  const auto word_at = [&](std::size_t at) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    return word;
  };
  std::uint64_t found = 0;
  if (text.size() >= 8) {
    for (std::size_t at = 0; at + 8 < text.size(); at += 8) found |= odd(word_at(at));
    return (found | odd(word_at(text.size() - 8))) == 0;  // The last word overlaps.
  }
  for (const char c : text) found |= static_cast<std::uint64_t>(kNeeds[static_cast<unsigned char>(c)]);
  return found == 0;
}

}  // namespace

void append_string(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  if (is_plain(text)) {
    out.append(text);
    out += '"';
    return;
  }
  std::size_t copied = 0;
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const char need = kNeeds[c];
    if (need == 0) {
      ++i;
      continue;
    }
    if (need == 'x') {
      if (const std::size_t length = sequence_length(text.substr(i)); length > 0) {
        i += length;
        continue;
      }
    }
    out.append(text.substr(copied, i - copied));
    if (need == 'x') {
      out += "\xEF\xBF\xBD";
    } else if (need == 'u') {
      out += "\\u00";
      out += kHex[c >> 4];
      out += kHex[c & 15];
    } else {
      out += '\\';
      out += need;
    }
    copied = ++i;
  }
  out.append(text.substr(copied));
  out += '"';
}

std::string quoted(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_string(out, text);
  return out;
}

std::string compact(std::string_view json) {
  std::string text;
  text.reserve(json.size());
  bool inside = false;
  for (std::size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') inside = !inside;
    if (!inside && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) continue;
    text += c;
    if (inside && c == '\\' && i + 1 < json.size()) text += json[++i];
  }
  return text;
}

void Writer::separate() {
  if (comma_) out_ += ',';
  comma_ = true;
}

Writer& Writer::begin_object() {
  separate();
  out_ += '{';
  comma_ = false;
  return *this;
}

Writer& Writer::end_object() {
  out_ += '}';
  comma_ = true;
  return *this;
}

Writer& Writer::begin_array() {
  separate();
  out_ += '[';
  comma_ = false;
  return *this;
}

Writer& Writer::end_array() {
  out_ += ']';
  comma_ = true;
  return *this;
}

Writer& Writer::key(std::string_view name) {
  separate();
  append_string(out_, name);
  out_ += ':';
  comma_ = false;
  return *this;
}

Writer& Writer::string(std::string_view value) {
  separate();
  append_string(out_, value);
  return *this;
}

Writer& Writer::number(std::int64_t value) {
  separate();
  char digits[24];
  out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  return *this;
}

Writer& Writer::number(std::uint64_t value) {
  separate();
  char digits[24];
  out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  return *this;
}

Writer& Writer::boolean(bool value) {
  separate();
  out_ += value ? "true" : "false";
  return *this;
}

Writer& Writer::null() {
  separate();
  out_ += "null";
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  separate();
  out_ += json;
  return *this;
}

}  // namespace turnpike::json
