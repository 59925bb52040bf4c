#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/call_record.h"
#include "json/document.h"
#include "protocol/answer_quirks.h"
#include "protocol/edits.h"
#include "protocol/think_tags.h"

namespace turnpike::protocol {

/// The choices of one stream: what callers have been told of each so far, and the edits that make the next chunk's
/// choices keep the rules (spec providers 2.6, AC-OAI-1, AC-OAI-3): one role, one finish, tool calls counted from 0
/// with id and name once, no empty deltas.
class StreamChoices {
 public:
  /// `answer_id` is ours, for tool calls that have no id of their own.
  StreamChoices(domain::Operation operation, std::string_view answer_id, bool count_text, AnswerQuirks quirks = {});

  /// What became of a chunk's choices.
  struct Outcome {
    bool any_left = false;       // False: nothing of them is worth sending.
    bool content = false;        // Text, tool call, reasoning, refusal or a finish is among what is left.
    std::string before;          // `choices` elements that must be sent in a chunk of their own first; usually empty.
    std::string_view broke_off;  // The provider's finish reason that says it failed; a view into the chunk.
  };
  /// Plans the edits of `choices` (an array) into `edits`.
  Outcome edit(const json::Value& choices, Edits& edits);
  /// What the text may name as [1]; of the chunk that is edited next.
  Sources& sources() { return sources_; }

  bool any() const { return !choices_.empty(); }
  /// All that have begun are finished, and that is as many as were asked for.
  bool all_finished(std::uint64_t asked) const;
  /// `choices` elements that finish what [DONE] left unfinished, one string each; marks them finished.
  std::vector<std::string> finish_rest();

  const std::string& finish_reason() const { return finish_reason_; }
  /// Output text as the provider escaped it, the first `kTextKeptMax` bytes.
  const std::string& raw_text() const { return raw_text_; }
  std::uint64_t text_bytes() const { return text_bytes_; }
  /// The length of all text without escapes, when `kept` is that of `raw_text`.
  std::uint64_t unescaped_bytes(std::uint64_t kept) const {
    return raw_text_.size() >= text_bytes_ || raw_text_.empty() ? kept : text_bytes_ * kept / raw_text_.size();
  }

 private:
  static constexpr std::size_t kTextKeptMax = 64 * 1024;
  static constexpr std::size_t kChoicesMax = 4096;  // Text completions have one for each prompt, times n.
  static constexpr std::size_t kCallsMax = 1024;

  struct ToolCall {
    std::string id;
    std::uint64_t provider_index = 0;
    bool has_arguments = false;
  };
  struct Choice {
    std::uint64_t index = 0;
    bool role_sent = false;
    bool finished = false;
    bool by_tool = false;  // Its content came as arguments of the JSON tool.
    std::vector<ToolCall> calls;
    ThinkTags tags;
    std::string cited;  // The text so far, where sources may be named in it.
  };
  enum class Fate : std::uint8_t { Keep, Drop };

  /// Null when there are too many.
  Choice* choice_of(std::uint64_t index);
  Fate edit_one(const json::Value& element, std::uint64_t position, Edits& edits, Outcome& outcome);
  /// Whether the delta says anything; plans its edits. `finishing`: this chunk ends the choice.
  bool edit_delta(const json::Value& delta, Choice& choice, bool finishing, Edits& edits, bool& content);
  /// Members that take the place of `content`, where it is a list of parts or may hold thoughts; nothing: as it is.
  std::optional<std::string> split_content(const json::Value& content, Choice& choice, bool finishing);
  /// Members that a choice still owes when it ends: text held back, the sources it has named.
  std::string owed_members(Choice& choice, bool content_here);
  /// The delta's `tool_calls` of those among the first `count` calls that never got a byte of arguments: callers parse
  /// them as JSON. Empty: there are none.
  static std::string owed_arguments(Choice& choice, std::size_t count);
  /// The content that stands in the arguments of the JSON tool, quoted; nothing when these are calls like any other.
  std::optional<std::string> content_of_tool(const json::Value& list, Choice& choice);
  bool tool_calls_comply(const json::Value& list, Choice& choice, bool finishing);
  static std::size_t last_call_at(const Choice& choice, std::uint64_t index);
  bool custom_calls_pass(const json::Value& list, Choice& choice);
  std::string rewrite_tool_calls(const json::Value& list, Choice& choice, bool finishing);
  std::size_t find_call(const json::Value& entry, Choice& choice, bool& fresh);
  void note_text(const json::Value& text);
  void note_bytes(std::string_view bytes);

  domain::Operation operation_;
  std::string call_id_stem_;
  bool count_text_;
  AnswerQuirks quirks_;
  Sources sources_;
  std::vector<Choice> choices_;
  std::string finish_reason_;
  std::string raw_text_;
  std::uint64_t text_bytes_ = 0;
};

}  // namespace turnpike::protocol
