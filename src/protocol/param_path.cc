#include "protocol/param_path.h"

#include <vector>

#include "base/text.h"

namespace turnpike::protocol {
namespace {

using json::Kind;
using json::Value;

struct Step {
  std::string_view text;
  bool element = false;

  bool is(const Value& key) const { return !element && key.text() == text; }
  bool is(std::size_t index) const { return element && (text == "*" || base::parse_unsigned(text) == index); }
};

std::vector<Step> steps_of(std::string_view path) {
  std::vector<Step> steps;
  while (!path.empty()) {
    if (path[0] == '[') {
      const std::size_t end = std::min(path.find(']'), path.size());
      steps.push_back({path.substr(1, end - 1), true});
      path.remove_prefix(std::min(end + 1, path.size()));
    } else {
      if (path[0] == '.') path.remove_prefix(1);
      const std::size_t end = std::min(path.find_first_of(".["), path.size());
      steps.push_back({path.substr(0, end), false});
      path.remove_prefix(end);
    }
  }
  return steps;
}

void write_without(const Value& value, const std::vector<Step>& steps, std::size_t at, std::string& out) {
  const bool object = value.is(Kind::Object);
  if (!object && !value.is(Kind::Array)) {
    out += value.raw();
    return;
  }
  const bool last = at + 1 == steps.size();
  const std::size_t begin = out.size() + 1;
  out += object ? '{' : '[';
  const auto write = [&](const Value& inner, bool found) {
    if (found) {
      write_without(inner, steps, at + 1, out);
    } else {
      out += inner.raw();
    }
  };
  for (const Value::Pair& pair : value.members()) {
    const bool found = steps[at].is(pair.key);
    if (found && last) continue;
    if (out.size() > begin) out += ',';
    out.append(pair.key.raw()).append(":");
    write(pair.value, found);
  }
  std::size_t index = 0;
  for (const Value element : value.elements()) {
    const bool found = steps[at].is(index++);
    if (found && last) continue;
    if (out.size() > begin) out += ',';
    write(element, found);
  }
  out += object ? '}' : ']';
}

}  // namespace

std::string_view root_of_path(std::string_view path) {
  return path.substr(0, path.find_first_of(".["));
}

std::string without_path(const Value& value, std::string_view path) {
  const std::vector<Step> steps = steps_of(path);
  if (steps.empty()) return std::string(value.raw());
  std::string out;
  write_without(value, steps, 0, out);
  return out;
}

}  // namespace turnpike::protocol
