#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "json/document.h"
#include "protocol/chat_request.h"

namespace turnpike::protocol {

/// Where a value stands in the caller's body, for messages; a chain on the stack that is written out only at a fault.
struct FieldPath {
  explicit FieldPath(std::string_view name_in) : name(name_in) {}
  FieldPath(const FieldPath& up_in, std::string_view name_in) : up(&up_in), name(name_in) {}
  FieldPath(const FieldPath& up_in, std::size_t index_in) : up(&up_in), index(index_in) {}
  std::string to_string() const;  // "messages[2].content[0].type"

  const FieldPath* up = nullptr;
  std::string_view name;  // Empty: `index` counts.
  std::size_t index = 0;
};

/// Reads values of the types a field wants and keeps the first fault; after one everything reads on as if absent.
class FieldReader {
 public:
  explicit FieldReader(Texts& texts) : texts_(texts) {}

  void refuse(const FieldPath& path, std::string_view what);  // "'<path>' <what>"
  bool failed() const { return fault_.has_value(); }
  Error take_fault() { return std::move(*fault_); }

  /// What is absent or null reads as nothing, what has another type is a fault.
  std::string_view text(const json::Value& value, const FieldPath& path);
  std::optional<bool> flag(const json::Value& value, const FieldPath& path);
  std::optional<std::uint64_t> count(const json::Value& value, const FieldPath& path);
  std::string_view number(const json::Value& value, const FieldPath& path);
  std::string_view object(const json::Value& value, const FieldPath& path);  // As written.
  std::vector<std::string_view> texts(const json::Value& value, const FieldPath& path);
  CacheMark cache(const json::Value& value, const FieldPath& path);
  /// The same, and absent is a fault.
  std::string_view required_text(const json::Value& value, const FieldPath& path);

  Texts& made() { return texts_; }

 private:
  Texts& texts_;
  std::optional<Error> fault_;
};

/// Whether a value is there and says something else than null.
inline bool given(const json::Value& value) {
  return value && !value.is(json::Kind::Null);
}

// The parts of the reader, one file each.
void read_messages(const json::Value& list, const FieldPath& path, FieldReader& reader, ChatRequest& request);
void read_tools(const json::Value& list, const FieldPath& path, FieldReader& reader, ChatRequest& request);
void read_functions(const json::Value& list, const FieldPath& path, FieldReader& reader, ChatRequest& request);
void read_tool_choice(const json::Value& value, const FieldPath& path, FieldReader& reader, ToolChoice& out);
void read_function_call(const json::Value& value, const FieldPath& path, FieldReader& reader, ToolChoice& out);
void read_response_format(const json::Value& value, const FieldPath& path, FieldReader& reader, ResponseFormat& out);

}  // namespace turnpike::protocol
