#include "codec/openai_messages.h"

#include "protocol/edits.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;

/// Edits one member of the body: a list of messages or of tools.
class ListEditor {
 public:
  explicit ListEditor(const MessageRules& rules) : rules_(rules) {}

  void edit_list(const Value& list) {
    for (const Value element : list.elements()) edit_object(element);
  }
  protocol::Edits& edits() { return edits_; }

 private:
  bool refused(std::string_view key, const Value& value) const {
    if (key == "cache_control") return rules_.cut_cache_marks;
    return rules_.cut_nulls && value.is(Kind::Null) && (key == "name" || key == "function_call");
  }

  // A message, a part, a tool, a tool's function.
  void edit_object(const Value& object) {
    protocol::Remover remover(edits_);
    for (const Value::Pair& pair : object.members()) {
      const std::string_view key = pair.key.inner();
      const json::Range whole{pair.key.range().begin, pair.value.range().end};
      if (refused(key, pair.value)) {
        remover.remove(whole);
        continue;
      }
      remover.keep(whole);
      if (key == "content" || key == "tool_calls") edit_list(pair.value);
      if (key == "function") edit_object(pair.value);
      if (key == "image_url" && rules_.image_objects && pair.value.is(Kind::String)) {
        edits_.insert(pair.value.range().begin, "{\"url\":");
        edits_.insert(pair.value.range().end, "}");
      }
    }
    remover.finish();
  }

  const MessageRules& rules_;
  protocol::Edits edits_;
};

// Most bodies hold nothing to edit, and are not read again.
bool may_break(std::string_view text, const MessageRules& rules) {
  const auto holds = [&](std::string_view word) { return text.find(word) != std::string_view::npos; };
  return (rules.cut_cache_marks && holds("\"cache_control\"")) || (rules.cut_nulls && holds("null")) ||
         (rules.image_objects && holds("\"image_url\""));
}

}  // namespace

void edit_messages(const protocol::CallRequest& call, const MessageRules& rules, json::Splice& splice) {
  for (const std::string_view name : {"messages", "tools"}) {
    const json::Member* member = call.scan.find(name);
    if (member == nullptr || member->kind != Kind::Array) continue;
    const std::string_view text = member->value.in(call.body);
    json::Document document;
    if (!may_break(text, rules) || !document.parse(text)) continue;
    ListEditor editor(rules);
    editor.edit_list(document.root());
    if (editor.edits().empty()) continue;
    std::string edited;
    editor.edits().apply(text, edited);
    splice.replace(member->value, std::move(edited));
  }
}

}  // namespace turnpike::codec
