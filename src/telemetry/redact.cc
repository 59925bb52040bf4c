#include "telemetry/redact.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace turnpike::telemetry {
namespace {

/// How credentials begin, and how many characters must follow before one is believed.
struct Beginning {
  std::string_view text;
  std::size_t tail_min;
};
constexpr std::array<Beginning, 12> kBeginnings = {{
    {"sk-", 6},
    {"sk_", 12},
    {"gsk_", 12},
    {"pk-lf-", 8},
    {"xai-", 12},
    {"hf_", 12},
    {"AIza", 20},
    {"AKIA", 12},
    {"ghp_", 20},
    {"eyJ", 20},  // JSON web tokens
    {"Bearer ", 8},
    {"Basic ", 12},
}};

// What a character may be: part of a credential, part of a word, the first of one of the beginnings.
enum : std::uint8_t { kToken = 1, kWord = 2, kFirst = 4 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t c = 0; c < classes.size(); ++c) {
    const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    const bool mark = c == '-' || c == '_' || c == '.' || c == '+' || c == '/' || c == '=' || c == '*';
    classes[c] = static_cast<std::uint8_t>((word ? kToken | kWord : 0) | (mark ? kToken : 0));
  }
  for (const Beginning& beginning : kBeginnings) classes[static_cast<unsigned char>(beginning.text[0])] |= kFirst;
  return classes;
}
constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

bool is(std::uint8_t what, char c) {
  return (kClasses[static_cast<unsigned char>(c)] & what) != 0;
}

/// The length of the credential that begins at `at`, 0 if none does; `kept` is what may be shown of it.
std::size_t credential_at(std::string_view text, std::size_t at, std::size_t& kept) {
  const std::string_view rest = text.substr(at);
  for (const Beginning& beginning : kBeginnings) {
    if (!rest.starts_with(beginning.text)) continue;
    const std::string_view tail = rest.substr(beginning.text.size());
    const auto length = static_cast<std::size_t>(
        std::find_if_not(tail.begin(), tail.end(), [](char c) { return is(kToken, c); }) - tail.begin());
    if (length < beginning.tail_min) continue;
    kept = beginning.text.size();
    return beginning.text.size() + length;
  }
  return 0;
}

}  // namespace

bool redact(std::string_view text, std::string& out) {
  std::size_t copied = 0;
  bool found = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!is(kFirst, text[at]) || (at > 0 && is(kWord, text[at - 1]))) continue;
    std::size_t kept = 0;
    const std::size_t length = credential_at(text, at, kept);
    if (length == 0) continue;
    found = true;
    out.append(text.substr(copied, at - copied + kept)).append("...");
    copied = at + length;
    at = copied - 1;
  }
  if (found) out.append(text.substr(copied));
  return found;
}

}  // namespace turnpike::telemetry
