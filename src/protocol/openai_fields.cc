#include "protocol/openai_fields.h"

namespace turnpike::protocol {

using json::Kind;
using json::Value;

std::string FieldPath::to_string() const {
  std::string text = up != nullptr ? up->to_string() : std::string();
  if (name.empty()) {
    text.append("[").append(std::to_string(index)).append("]");
  } else {
    if (!text.empty()) text += '.';
    text += name;
  }
  return text;
}

void FieldReader::refuse(const FieldPath& path, std::string_view what) {
  if (fault_) return;
  Error& error = fault_.emplace();
  error.kind = ErrorKind::InvalidRequest;
  error.param = path.to_string();
  error.message.append("'").append(error.param).append("' ").append(what);
}

std::string_view FieldReader::text(const Value& value, const FieldPath& path) {
  if (!given(value)) return {};
  const auto text = text_in(value, texts_);
  if (!text) refuse(path, "must be a string");
  return text.value_or(std::string_view());
}

std::string_view FieldReader::required_text(const Value& value, const FieldPath& path) {
  if (!given(value)) refuse(path, "is required");
  return text(value, path);
}

std::optional<bool> FieldReader::flag(const Value& value, const FieldPath& path) {
  if (!given(value)) return std::nullopt;
  const auto flag = value.boolean();
  if (!flag) refuse(path, "must be true or false");
  return flag;
}

std::optional<std::uint64_t> FieldReader::count(const Value& value, const FieldPath& path) {
  if (!given(value)) return std::nullopt;
  const auto count = value.whole();
  if (!count) refuse(path, "must be a whole number, 0 or more");
  return count;
}

std::string_view FieldReader::number(const Value& value, const FieldPath& path) {
  if (!given(value)) return {};
  if (!value.is(Kind::Number)) {
    refuse(path, "must be a number");
    return {};
  }
  return value.raw();
}

std::string_view FieldReader::object(const Value& value, const FieldPath& path) {
  if (!given(value)) return {};
  if (!value.is(Kind::Object)) {
    refuse(path, "must be an object");
    return {};
  }
  return value.raw();
}

std::vector<std::string_view> FieldReader::texts(const Value& value, const FieldPath& path) {
  std::vector<std::string_view> list;
  if (!given(value)) return list;
  if (!value.is(Kind::Array)) refuse(path, "must be a list of strings");
  for (const Value element : value.elements()) {
    const auto text = text_in(element, texts_);
    if (!text) refuse(FieldPath(path, list.size()), "must be a string");
    list.push_back(text.value_or(std::string_view()));
  }
  return list;
}

CacheMark FieldReader::cache(const Value& value, const FieldPath& path) {
  CacheMark mark;
  if (!given(value)) return mark;
  if (!value.is(Kind::Object)) refuse(path, "must be an object");
  mark.set = true;
  mark.ttl = text(value.find("ttl"), FieldPath(path, "ttl"));
  return mark;
}

}  // namespace turnpike::protocol
