#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json/document.h"

namespace turnpike::codec {

/// The words of a call's `anthropic-beta`: what it uses of the API that has to be asked for by name. Each once, in the
/// order of first need.
class AnthropicBetas {
 public:
  void add(std::string_view beta);
  /// Comma-separated, as in the header.
  void add_list(std::string_view betas);
  /// What a tool of Anthropic's own (by `type`), or a member of a caller's tool, needs.
  void add_for_tool(const json::Value& tool);
  /// What a member at the top of the body needs.
  void add_for_member(std::string_view key, const json::Value& value);

  bool empty() const { return names_.empty(); }
  std::string joined() const;
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
};

}  // namespace turnpike::codec
