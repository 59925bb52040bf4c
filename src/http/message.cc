#include "http/message.h"

#include <algorithm>

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
  const std::size_t from = fields.size();
  fields.resize(from + name.size() + value.size() + 4);
  char* to = fields.data() + from;
  to = std::copy(name.begin(), name.end(), to);
  *to++ = ':';
  *to++ = ' ';
  to = std::copy(value.begin(), value.end(), to);
  if (base::has_control(name) || base::has_control(value)) {
    for (char* c = fields.data() + from; c != to; ++c) {
      if (*c == '\r' || *c == '\n' || *c == '\0') *c = ' ';
    }
  }
  *to++ = '\r';
  *to = '\n';
}

}  // namespace turnpike::http
