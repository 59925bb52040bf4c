#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "json/document.h"

namespace turnpike::protocol {

/// What an OpenAI-shaped answer is known for beyond what every one of them is held to.
struct AnswerQuirks {
  bool think_tags = false;  // "<think>...</think>" at the front of the content is reasoning.
  bool json_tool = false;   // The arguments of `json_tool_call` are the content.
  bool cites = false;       // The text names `citations` as [1], [2]: they become annotations.

  bool any() const { return think_tags || json_tool || cites; }
};

/// Members of a message or delta: `"reasoning_content":...,"content":...` of what says something; JSON strings come
/// in and go out as they are written. With `always`, an empty content is written too.
std::string content_members(std::string_view quoted_thinking, std::string_view quoted_text, bool always);

/// Content that is a list of parts (reasoning models of Mistral, and on Databricks), as two quoted strings.
struct SplitContent {
  std::string thinking;
  std::string text;
};
SplitContent split_parts(const json::Value& parts);
/// The same of a text that begins with its thoughts in tags; nothing thought when it does not.
SplitContent split_tags(std::string_view text);

/// The sources that stand beside an answer.
class Sources {
 public:
  /// Takes `citations` (addresses) and `search_results` (objects) of an answer or chunk.
  void read(const json::Value& citations, const json::Value& search_results);
  bool empty() const { return urls_.empty(); }
  /// The list `annotations` for a text; "" when it names none. Offsets count code points.
  std::string annotations(std::string_view text) const;

 private:
  static constexpr std::size_t kSourcesMax = 256;
  std::vector<std::string> urls_;    // Quoted.
  std::vector<std::string> titles_;  // Quoted.
};

/// The value of `service_tier` as callers know it; empty: as it is.
std::string_view shown_tier(std::string_view tier);

/// What stands in the ids of tool calls that came without one: "call_<stem>_<choice>_<call>", at most the 40 bytes that
/// OpenAI takes back. `answer_id` is the id we give the answer.
std::string call_id_stem(std::string_view answer_id);

/// Whether a tool call is the one that carries an answer asked for in JSON.
bool is_json_tool(const json::Value& call);

}  // namespace turnpike::protocol
