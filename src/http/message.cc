#include "http/message.h"

#include "base/text.h"

namespace turnpike::http {

std::string_view method_name(Method method) {
  switch (method) {
    case Method::Get:
      return "GET";
    case Method::Head:
      return "HEAD";
    case Method::Post:
      return "POST";
    case Method::Put:
      return "PUT";
    case Method::Patch:
      return "PATCH";
    case Method::Delete:
      return "DELETE";
    case Method::Options:
      return "OPTIONS";
    case Method::Other:
      return "";
  }
  return "";
}

std::string_view Request::find(std::string_view name) const {
  for (const Field& field : fields) {
    if (field.name.size() == name.size() && base::equals_ignoring_case(field.name, name)) return field.value;
  }
  return {};
}

std::string Request::query_value(std::string_view name) const {
  for (std::string_view pair : base::split(query, '&')) {
    const std::size_t equals = pair.find('=');
    if (base::percent_decode(pair.substr(0, equals)) != name) continue;
    if (equals == std::string_view::npos) return {};
    std::string value(pair.substr(equals + 1));
    for (char& c : value) {
      if (c == '+') c = ' ';
    }
    return base::percent_decode(value).value_or(std::string());
  }
  return {};
}

void add_field(std::string& fields, std::string_view name, std::string_view value) {
  const auto append = [&fields](std::string_view text) {
    const std::size_t from = fields.size();
    fields.append(text);
    if (!base::has_control(text)) return;
    for (std::size_t i = from; i < fields.size(); ++i) {
      if (fields[i] == '\r' || fields[i] == '\n' || fields[i] == '\0') fields[i] = ' ';
    }
  };
  append(name);
  fields.append(": ");
  append(value);
  fields.append("\r\n");
}

}  // namespace turnpike::http
