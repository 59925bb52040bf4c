#include "redis/command.h"

#include <openssl/evp.h>

#include <array>
#include <cstdint>

#include "base/text.h"

namespace turnpike::redis {
namespace {

void append_length(std::string& out, char mark, std::size_t length) {
  out += mark;
  base::append_number(out, static_cast<std::int64_t>(length));
  out += "\r\n";
}

}  // namespace

Command::Command(const std::vector<std::string_view>& words) {
  append_length(bytes_, '*', words.size());
  for (const std::string_view word : words) {
    append_length(bytes_, '$', word.size());
    bytes_ += word;
    bytes_ += "\r\n";
  }
}

Script::Script(std::string lua) : text(std::move(lua)) {
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha1(), nullptr);
  sha1 = base::to_hex({digest.data(), length});
}

Command ScriptCall::command(const Script& script, bool whole) const {
  const std::string count = std::to_string(keys.size());
  std::vector<std::string_view> words = {whole ? "EVAL" : "EVALSHA", whole ? script.text : script.sha1, count};
  words.insert(words.end(), keys.begin(), keys.end());
  words.insert(words.end(), arguments.begin(), arguments.end());
  return Command(words);
}

}  // namespace turnpike::redis
