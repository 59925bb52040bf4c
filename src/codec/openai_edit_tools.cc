#include "codec/openai_edit.h"
#include "protocol/edits.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using provider::Quirk;
using provider::Quirks;

constexpr Quirks kOfTools = {Quirk::NoStrict, Quirk::NoAdditional, Quirk::InlineRefs};

json::Range whole(const Value::Pair& pair) {
  return {pair.key.range().begin, pair.value.range().end};
}

/// Writes a schema with what its `$ref`s name put in their places.
///
/// Limits: a definition inside itself, and what would grow beyond `kBytesMax`, becomes a schema that takes anything.
class Inliner {
 public:
  explicit Inliner(const Value& schema) : root_(schema) {}
  std::string run() {
    write(root_, 0);
    return std::move(out_);
  }

 private:
  static constexpr std::size_t kBytesMax = 1 << 20;
  static constexpr int kDepthMax = 16;  // Definitions inside of definitions.

  // "#/$defs/City": a walk down from the root.
  Value named(std::string_view pointer) const {
    if (!pointer.starts_with("#/")) return {};
    Value at = root_;
    pointer.remove_prefix(2);
    while (at) {
      const std::size_t slash = pointer.find('/');
      at = at.find(pointer.substr(0, slash));
      if (slash == std::string_view::npos) break;
      pointer.remove_prefix(slash + 1);
    }
    return at;
  }

  void write(const Value& value, int depth) {
    if (out_.size() > kBytesMax) {
      out_ += "{}";
      return;
    }
    if (value.is(Kind::Object)) {
      write_object(value, depth);
    } else if (value.is(Kind::Array)) {
      out_ += '[';
      bool first = true;
      for (const Value element : value.elements()) {
        if (!std::exchange(first, false)) out_ += ',';
        write(element, depth);
      }
      out_ += ']';
    } else {
      out_ += value.raw();
    }
  }

  void write_object(const Value& object, int depth) {
    if (const Value ref = object.find("$ref"); ref.is(Kind::String)) {
      const Value meant = named(ref.inner());
      if (meant && depth < kDepthMax) {
        write(meant, depth + 1);
      } else {
        out_ += "{}";
      }
      return;
    }
    out_ += '{';
    bool first = true;
    for (const Value::Pair& pair : object.members()) {
      const std::string_view key = pair.key.inner();
      if (depth == 0 && (key == "$defs" || key == "definitions")) continue;
      if (!std::exchange(first, false)) out_ += ',';
      out_.append(pair.key.raw()).append(":");
      write(pair.value, depth);
    }
    out_ += '}';
  }

  Value root_;
  std::string out_;
};

class ToolsEditor {
 public:
  ToolsEditor(const Quirks& quirks, const Suspects& suspects)
      : quirks_(quirks), cut_marks_(suspects.cache_marks && !quirks.has(Quirk::KnowsMarks)) {}

  void edit(const Value& tools) {
    for (const Value tool : tools.elements()) edit_tool(tool);
  }
  protocol::Edits& edits() { return edits_; }

 private:
  void edit_tool(const Value& object) {
    protocol::Remover remover(edits_);
    for (const Value::Pair& pair : object.members()) {
      const std::string_view key = pair.key.inner();
      if ((key == "cache_control" && cut_marks_) || (key == "strict" && quirks_.has(Quirk::NoStrict))) {
        remover.remove(whole(pair));
        continue;
      }
      remover.keep(whole(pair));
      if (key == "function") edit_tool(pair.value);
      if (key == "parameters") edit_schema(pair.value);
    }
    remover.finish();
  }

  void edit_schema(const Value& schema) {
    if (quirks_.has(Quirk::InlineRefs) && schema.raw().find("\"$ref\"") != std::string_view::npos) {
      edits_.replace(schema.range(), Inliner(schema).run());
    } else if (quirks_.has(Quirk::NoAdditional)) {
      cut_additional(schema);
    }
  }

  void cut_additional(const Value& value) {
    for (const Value element : value.elements()) cut_additional(element);
    protocol::Remover remover(edits_);
    for (const Value::Pair& pair : value.members()) {
      if (pair.key.inner() == "additionalProperties") {
        remover.remove(whole(pair));
        continue;
      }
      remover.keep(whole(pair));
      cut_additional(pair.value);
    }
    remover.finish();
  }

  const Quirks& quirks_;
  bool cut_marks_;
  protocol::Edits edits_;
};

bool may_change(std::string_view tools, const Quirks& quirks, const Suspects& suspects) {
  const auto holds = [&](std::string_view word) { return tools.find(word) != std::string_view::npos; };
  if (suspects.cache_marks && !quirks.has(Quirk::KnowsMarks)) return true;
  if (!quirks.any(kOfTools)) return false;
  return (quirks.has(Quirk::NoStrict) && holds("\"strict\"")) ||
         (quirks.has(Quirk::NoAdditional) && holds("\"additionalProperties\"")) ||
         (quirks.has(Quirk::InlineRefs) && holds("\"$ref\""));
}

}  // namespace

std::optional<std::string> edited_tools(std::string_view tools, const EncodeInput& input, const Suspects& suspects) {
  const Quirks& quirks = input.target.provider->quirks;
  json::Document document;
  if (quirks.has(Quirk::KnowsAll) || !may_change(tools, quirks, suspects) || !document.parse(tools)) {
    return std::nullopt;
  }
  ToolsEditor editor(quirks, suspects);
  editor.edit(document.root());
  if (editor.edits().empty()) return std::nullopt;
  std::string edited;
  editor.edits().apply(tools, edited);
  return edited;
}

}  // namespace turnpike::codec
