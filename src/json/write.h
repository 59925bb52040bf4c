#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace turnpike::json {

/// Appends `text` as a JSON string with quotes; bytes that are not UTF-8 become U+FFFD.
void append_string(std::string& out, std::string_view text);
std::string quoted(std::string_view text);
/// A JSON text without the white space between its tokens.
std::string compact(std::string_view json);

/// Writes JSON text front to back without building a tree; commas are its business.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  Writer& begin_object();
  Writer& end_object();
  Writer& begin_array();
  Writer& end_array();
  Writer& key(std::string_view name);
  Writer& string(std::string_view value);
  Writer& number(std::int64_t value);
  Writer& number(std::uint64_t value);
  Writer& boolean(bool value);
  Writer& null();
  Writer& raw(std::string_view json);  // A whole value, already JSON (money, nested text).

 private:
  void separate();
  std::string& out_;
  bool comma_ = false;
};

}  // namespace turnpike::json
