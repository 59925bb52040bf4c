#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::redis {

/// A command as it goes over the wire: an array of texts (RESP2).
class Command {
 public:
  Command(std::initializer_list<std::string_view> words) : Command(std::vector<std::string_view>(words)) {}
  explicit Command(const std::vector<std::string_view>& words);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// A Lua script and the name a server knows it by.
struct Script {
  explicit Script(std::string lua);
  std::string text;
  std::string sha1;  // Hexadecimal.
};

/// What a script is run on.
struct ScriptCall {
  std::vector<std::string> keys;
  std::vector<std::string> arguments;
  /// EVALSHA, or EVAL with the whole text.
  Command command(const Script& script, bool whole) const;
};

}  // namespace turnpike::redis
