#include "db/arrays.h"

#include <fmt/format.h>

#include "base/text.h"

namespace turnpike::db {
namespace {

bool is_text_column(const std::vector<Value>& values, std::size_t width, std::size_t column) {
  for (std::size_t i = column; i < values.size(); i += width) {
    if (!is_null(values[i])) return std::holds_alternative<std::string>(values[i]);
  }
  return true;
}

void append_element(std::string& text, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    base::append_number(text, *number);
  } else if (const auto* words = std::get_if<std::string>(&value)) {
    text += '"';
    for (const char c : *words) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  } else {
    text += "NULL";
  }
}

}  // namespace

std::string places(std::size_t count) {
  std::string text;
  for (std::size_t i = 1; i <= count; ++i) text += fmt::format("{}${}", i == 1 ? "" : ", ", i);
  return text;
}

std::string unnest_text(const std::vector<Value>& values, std::size_t width) {
  std::string text = "unnest(";
  for (std::size_t i = 0; i < width; ++i) {
    text += fmt::format("{}${}::{}[]", i == 0 ? "" : ", ", i + 1, is_text_column(values, width, i) ? "text" : "bigint");
  }
  return text + ")";
}

std::vector<Value> array_values(const std::vector<Value>& values, std::size_t width) {
  std::vector<Value> arrays;
  for (std::size_t column = 0; column < width; ++column) {
    std::string text = "{";
    for (std::size_t i = column; i < values.size(); i += width) {
      if (i != column) text += ',';
      append_element(text, values[i]);
    }
    arrays.emplace_back(text + "}");
  }
  return arrays;
}

}  // namespace turnpike::db
