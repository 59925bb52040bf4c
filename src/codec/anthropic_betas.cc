#include "codec/anthropic_betas.h"

#include <algorithm>

#include "base/text.h"

namespace turnpike::codec {
namespace {

using json::Value;

struct Need {
  std::string_view what;
  std::string_view beta;
};

constexpr std::string_view kAdvancedTools = "advanced-tool-use-2025-11-20";
constexpr std::string_view kContextManagement = "context-management-2025-06-27";

// By the start of the tool's type; what came out later needs no word any more.
constexpr Need kTools[] = {
    {"computer_20241022", "computer-use-2024-10-22"},
    {"bash_20241022", "computer-use-2024-10-22"},
    {"text_editor_20241022", "computer-use-2024-10-22"},
    {"computer_20250124", "computer-use-2025-01-24"},
    {"computer_20251124", "computer-use-2025-11-24"},
    {"code_execution_20250522", "code-execution-2025-05-22"},
    {"code_execution_20250825", "code-execution-2025-08-25"},
    {"web_fetch_20250910", "web-fetch-2025-09-10"},
    {"memory_20250818", kContextManagement},
    {"mcp_toolset", "mcp-client-2025-11-20"},
    {"tool_search_tool_", kAdvancedTools},
};
constexpr Need kToolMembers[] = {
    {"allowed_callers", kAdvancedTools},
    {"input_examples", kAdvancedTools},
    {"defer_loading", kAdvancedTools},
};

}  // namespace

void AnthropicBetas::add(std::string_view beta) {
  if (beta.empty() || std::find(names_.begin(), names_.end(), beta) != names_.end()) return;
  names_.emplace_back(beta);
}

void AnthropicBetas::add_list(std::string_view betas) {
  for (const std::string_view beta : base::split(betas, ',')) add(base::trim(beta));
}

void AnthropicBetas::add_for_tool(const Value& tool) {
  const std::string_view type = tool.find("type").inner();
  for (const Need& need : kTools) {
    if (type.starts_with(need.what)) add(need.beta);
  }
  for (const Need& need : kToolMembers) {
    if (tool.find(need.what)) add(need.beta);
  }
}

void AnthropicBetas::add_for_member(std::string_view key, const Value& value) {
  if (key == "anthropic_beta") {
    for (const Value beta : value.elements()) add(beta.inner());
  } else if (key == "mcp_servers") {
    // The newer word, where a toolset asked for it, includes the older.
    if (std::none_of(names_.begin(), names_.end(), [](const auto& name) { return name.starts_with("mcp-client-"); })) {
      add("mcp-client-2025-04-04");
    }
  } else if (key == "context_management") {
    add(kContextManagement);
    for (const Value edit : value.find("edits").elements()) {
      if (edit.find("type").inner() == "compact_20260112") add("compact-2026-01-12");
    }
  } else if (key == "speed" && value.inner() == "fast") {
    add("fast-mode-2026-02-01");
  } else if (key == "container" && value.find("skills")) {
    add("skills-2025-10-02");
    add("code-execution-2025-08-25");
  }
}

std::string AnthropicBetas::joined() const {
  std::string text;
  for (const std::string& name : names_) {
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

}  // namespace turnpike::codec
