#include "codec/tool_names.h"

#include <algorithm>
#include <string>

namespace turnpike::codec {
namespace {

bool good_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_letter(char c) {
  return good_letter(c) && c != '-' && !(c >= '0' && c <= '9');
}

}  // namespace

ToolNames::ToolNames(protocol::ChatRequest& request, std::size_t length_max, protocol::AnswerTerms& terms,
                     bool letter_first)
    : request_(request), length_max_(length_max), terms_(terms), letter_first_(letter_first) {
  for (const protocol::Tool& tool : request.tools) {
    if (tool.kind != protocol::Tool::Kind::Native) sent(tool.name);
  }
}

bool ToolNames::good(std::string_view name) const {
  if (letter_first_ && !name.empty() && !is_letter(name[0])) return false;
  return !name.empty() && name.size() <= length_max_ && std::all_of(name.begin(), name.end(), good_letter);
}

bool ToolNames::taken(std::string_view name) const {
  const auto is_tool = [&](const protocol::Tool& tool) { return tool.name == name; };
  if (std::any_of(request_.tools.begin(), request_.tools.end(), is_tool)) return true;
  return std::any_of(terms_.tool_names.begin(), terms_.tool_names.end(),
                     [&](const auto& changed) { return changed.first == name; });
}

std::string_view ToolNames::change(std::string_view name) {
  std::string base(name.substr(0, length_max_));
  for (char& c : base) {
    if (!good_letter(c)) c = '_';
  }
  if (letter_first_ && !base.empty() && !is_letter(base[0])) base = ("_" + base).substr(0, length_max_);
  std::string made = base.empty() ? "_" : base;
  for (std::size_t number = 2; taken(made); ++number) {
    const std::string ending = "_" + std::to_string(number);
    made = base.substr(0, length_max_ - ending.size()) + ending;
  }
  terms_.tool_names.emplace_back(made, name);
  return request_.texts.keep(std::move(made));
}

std::string_view ToolNames::sent(std::string_view name) {
  if (good(name)) return name;
  for (const auto& [changed, own] : terms_.tool_names) {
    if (own == name) return request_.texts.keep(changed);
  }
  return change(name);
}

}  // namespace turnpike::codec
