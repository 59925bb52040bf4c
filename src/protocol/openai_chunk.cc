#include "protocol/openai_chunk.h"

#include <algorithm>

#include "json/write.h"
#include "protocol/openai_error.h"

namespace turnpike::protocol {
namespace {

using json::Kind;
using json::Value;

// A value that says something: no null, no "", [] or {}.
bool says_something(const Value& value) {
  switch (value.kind()) {
    case Kind::Null:
      return false;
    case Kind::String:
      return !value.inner().empty();
    case Kind::Array:
      return !value.elements().empty();
    case Kind::Object:
      return !(value.members().begin() == value.members().end());
    case Kind::Bool:
    case Kind::Number:
      return true;
  }
  return false;
}

bool absent(const Value& value) {
  return !value || value.is(Kind::Null);
}

json::Range whole(const Value::Pair& pair) {
  return {pair.key.range().begin, pair.value.range().end};
}

// The id of a tool call as the provider wrote it; "" for null, absent and Mistral's "null".
std::string_view id_of(const Value& entry) {
  const std::string_view id = entry.find("id").inner();
  return id == "null" ? std::string_view() : id;
}

}  // namespace

StreamChoices::StreamChoices(domain::Operation operation, std::string_view answer_id, bool count_text,
                             AnswerQuirks quirks)
    : operation_(operation), call_id_stem_(call_id_stem(answer_id)), count_text_(count_text), quirks_(quirks) {}

void StreamChoices::note_text(const Value& text) {
  note_bytes(text.inner());
}

void StreamChoices::note_bytes(std::string_view bytes) {
  text_bytes_ += bytes.size();
  if (!count_text_ || raw_text_.size() >= kTextKeptMax) return;
  std::string_view kept = bytes.substr(0, kTextKeptMax - raw_text_.size());
  if (kept.size() < bytes.size()) {
    // Not inside an escape, the longest of which is a pair of surrogates.
    constexpr std::size_t kEscapeBytesMax = 12;
    const std::size_t tail = kept.size() - std::min(kept.size(), kEscapeBytesMax);
    kept = kept.substr(0, std::min(kept.find('\\', tail), kept.size()));
  }
  raw_text_ += kept;
}

StreamChoices::Choice* StreamChoices::choice_of(std::uint64_t index) {
  for (Choice& choice : choices_) {
    if (choice.index == index) return &choice;
  }
  if (choices_.size() >= kChoicesMax) return nullptr;
  Choice& choice = choices_.emplace_back();
  choice.index = index;
  return &choice;
}

// The latest call that the provider numbers `index`; the number of calls when there is none.
std::size_t StreamChoices::last_call_at(const Choice& choice, std::uint64_t index) {
  for (std::size_t i = choice.calls.size(); i > 0; --i) {
    if (choice.calls[i - 1].provider_index == index) return i - 1;
  }
  return choice.calls.size();
}

// The call an entry belongs to, made when it is a new one. Ids count more than indices: some providers give parallel
// calls index 0 all alike, some give no index at all.
std::size_t StreamChoices::find_call(const Value& entry, Choice& choice, bool& fresh) {
  auto& calls = choice.calls;
  const std::string_view id = id_of(entry);
  const auto index = entry.find("index").whole();
  fresh = false;
  if (!id.empty()) {
    for (std::size_t i = calls.size(); i > 0; --i) {
      if (calls[i - 1].id == id) return i - 1;
    }
  } else if (!calls.empty()) {
    if (!index) return calls.size() - 1;
    if (const std::size_t at = last_call_at(choice, *index); at < calls.size()) return at;
  }
  fresh = true;
  ToolCall& call = calls.emplace_back();
  call.id = id.empty()
                ? "call_" + call_id_stem_ + "_" + std::to_string(choice.index) + "_" + std::to_string(calls.size() - 1)
                : std::string(id);
  call.provider_index = index.value_or(calls.size() - 1);
  return calls.size() - 1;
}

// Custom tools have no arguments to look after: they are only counted.
bool StreamChoices::custom_calls_pass(const Value& list, Choice& choice) {
  for (const Value entry : list.elements()) {
    bool fresh = false;
    choice.calls[find_call(entry, choice, fresh)].has_arguments = true;
    note_text(entry.find("custom").find("input"));
  }
  return true;
}

// Whether the list can go out as it is. Leaves the choice as the list makes it only when it says yes.
bool StreamChoices::tool_calls_comply(const Value& list, Choice& choice, bool finishing) {
  std::size_t known = choice.calls.size();
  for (const Value entry : list.elements()) {
    if (entry.find("custom")) return custom_calls_pass(list, choice);
    const auto index = entry.find("index").whole();
    const Value function = entry.find("function");
    const Value arguments = function.find("arguments");
    if (!index || *index > known || !function.is(Kind::Object) || !arguments.is(Kind::String)) return false;
    if (finishing && arguments.inner().empty()) return false;
    if (*index == known) {
      if (id_of(entry).empty() || entry.find("type").inner() != "function" || function.find("name").inner().empty()) {
        return false;
      }
      ++known;
    } else if (*index >= choice.calls.size() || last_call_at(choice, *index) != *index || entry.find("id") ||
               entry.find("type") || function.find("name")) {
      return false;
    }
  }
  for (const Value entry : list.elements()) {
    bool fresh = false;
    ToolCall& call = choice.calls[find_call(entry, choice, fresh)];
    const Value arguments = entry.find("function").find("arguments");
    if (!arguments.inner().empty()) call.has_arguments = true;
    note_text(arguments);
    if (fresh) note_text(entry.find("function").find("name"));
  }
  return true;
}

std::string StreamChoices::rewrite_tool_calls(const Value& list, Choice& choice, bool finishing) {
  std::string text;
  json::Writer writer(text);
  writer.begin_array();
  for (const Value entry : list.elements()) {
    if (!entry.is(Kind::Object) || choice.calls.size() >= kCallsMax) continue;
    bool fresh = false;
    const std::size_t at = find_call(entry, choice, fresh);
    ToolCall& call = choice.calls[at];
    const Value function = entry.find("function");
    const Value arguments = function.find("arguments");
    std::string quoted_arguments = "\"\"";
    if (arguments.is(Kind::String)) {
      quoted_arguments = arguments.raw();
      note_text(arguments);
    } else if (!absent(arguments)) {
      quoted_arguments = json::quoted(arguments.raw());
      note_bytes(arguments.raw());
    }
    if (quoted_arguments.size() > 2) call.has_arguments = true;
    if (finishing && !call.has_arguments) {
      quoted_arguments = "\"{}\"";
      call.has_arguments = true;
    }
    writer.begin_object().key("index").number(static_cast<std::uint64_t>(at));
    if (fresh) {
      writer.key("id").raw("\"" + call.id + "\"");
      const Value type = entry.find("type");
      writer.key("type").raw(type.is(Kind::String) && says_something(type) ? type.raw() : "\"function\"");
    }
    writer.key("function").begin_object();
    if (fresh) {
      const Value name = function.find("name");
      writer.key("name").raw(name.is(Kind::String) ? name.raw() : "\"\"");
      note_text(name);
    }
    writer.key("arguments").raw(quoted_arguments).end_object();
    // What else the entry says (signatures, custom tools) travels on.
    for (const Value::Pair& pair : entry.members()) {
      const std::string_view key = pair.key.inner();
      if (key == "index" || key == "id" || key == "type" || key == "function" || pair.value.is(Kind::Null)) continue;
      writer.raw(pair.key.raw());
      text += ':';
      text += pair.value.raw();
    }
    writer.end_object();
  }
  writer.end_array();
  return text;
}

std::optional<std::string> StreamChoices::split_content(const Value& content, Choice& choice, bool finishing) {
  if (content.is(Kind::Array)) {
    const SplitContent split = split_parts(content);
    return content_members(split.thinking, split.text, false);
  }
  if (!content.is(Kind::String) || (!quirks_.think_tags && !quirks_.cites)) return std::nullopt;
  const std::string text = content.text().value_or("");
  std::optional<std::string> members;
  std::string_view shown = text;
  std::string made;
  if (quirks_.think_tags && !(choice.tags.passed() && !finishing)) {
    const ThinkTags::Pieces pieces = choice.tags.feed(text);
    const std::string thinking(pieces.thinking);
    made = pieces.text;
    if (finishing) {
      const ThinkTags::Pieces rest = choice.tags.finish();
      made += rest.text;
      members = content_members(json::quoted(thinking + std::string(rest.thinking)), json::quoted(made), false);
    } else {
      members = content_members(json::quoted(thinking), json::quoted(made), false);
    }
    if (made == text) members.reset();
    shown = made;
  }
  if (quirks_.cites && choice.cited.size() < kTextKeptMax) choice.cited += shown;
  return members;
}

std::string StreamChoices::owed_arguments(Choice& choice, std::size_t count) {
  std::string calls;
  for (std::size_t i = 0; i < count; ++i) {
    if (choice.calls[i].has_arguments) continue;
    choice.calls[i].has_arguments = true;
    calls += calls.empty() ? "" : ",";
    calls += "{\"index\":" + std::to_string(i) + ",\"function\":{\"arguments\":\"{}\"}}";
  }
  return calls;
}

std::string StreamChoices::owed_members(Choice& choice, bool content_here) {
  std::string members;
  if (quirks_.think_tags && !content_here) {
    const ThinkTags::Pieces rest = choice.tags.finish();
    members = content_members(json::quoted(rest.thinking), json::quoted(rest.text), false);
    if (quirks_.cites) choice.cited += rest.text;
  }
  if (quirks_.cites) {
    if (const std::string list = sources_.annotations(choice.cited); !list.empty()) {
      if (!members.empty()) members += ',';
      members += "\"annotations\":" + list;
    }
  }
  return members;
}

std::optional<std::string> StreamChoices::content_of_tool(const Value& list, Choice& choice) {
  if (!quirks_.json_tool) return std::nullopt;
  for (const Value call : list.elements()) choice.by_tool |= is_json_tool(call);
  if (!choice.by_tool) return std::nullopt;
  std::string text = "\"";
  for (const Value call : list.elements()) {
    const Value arguments = call.find("function").find("arguments");
    note_text(arguments);
    if (arguments.is(Kind::Object)) {
      const std::string quoted = json::quoted(arguments.raw());
      text.append(quoted, 1, quoted.size() - 2);
    } else {
      text += arguments.inner();
    }
  }
  return text + '"';
}

bool StreamChoices::edit_delta(const Value& delta, Choice& choice, bool finishing, Edits& edits, bool& content) {
  Remover remover(edits);
  bool role_here = false;
  bool says = false;
  bool content_here = false;
  const bool has_reasoning_content = static_cast<bool>(delta.find("reasoning_content"));
  for (const Value::Pair& pair : delta.members()) {
    const std::string_view key = pair.key.inner();
    if (key == "role") {
      if (choice.role_sent) {
        remover.remove(whole(pair));
        continue;
      }
      role_here = true;
      if (pair.value.inner() != "assistant") edits.replace(pair.value.range(), "\"assistant\"");
      remover.keep(whole(pair));
      continue;
    }
    if (key == "content" && choice.by_tool) {
      remover.remove(whole(pair));
      continue;
    }
    if (key == "content" && says_something(pair.value)) {
      if (const auto members = split_content(pair.value, choice, finishing)) {
        note_text(pair.value);
        for (const Value part : pair.value.elements()) note_text(part.find("text"));
        content_here = finishing;
        if (members->empty()) {
          remover.remove(whole(pair));
          continue;
        }
        says = true;
        remover.keep(whole(pair));
        edits.replace(whole(pair), *members);
        continue;
      }
    }
    if (key == "tool_calls" && pair.value.is(Kind::Array)) {
      if (const auto text = content_of_tool(pair.value, choice)) {
        if (text->size() == 2) {
          remover.remove(whole(pair));
          continue;
        }
        says = true;
        remover.keep(whole(pair));
        edits.replace(whole(pair), "\"content\":" + *text);
        continue;
      }
    }
    remover.keep(whole(pair));
    if (!says_something(pair.value)) continue;
    says = true;
    if (key == "tool_calls" && pair.value.is(Kind::Array)) {
      if (!tool_calls_comply(pair.value, choice, finishing)) {
        edits.replace(pair.value.range(), rewrite_tool_calls(pair.value, choice, finishing));
      }
    } else if (key == "content" || key == "reasoning_content" || key == "refusal") {
      note_text(pair.value);
      for (const Value part : pair.value.elements()) note_text(part.find("text"));
    } else if (key == "reasoning" && pair.value.is(Kind::String) && !has_reasoning_content) {
      note_text(pair.value);
      edits.replace(pair.key.range(), "\"reasoning_content\"");
    } else if (key == "function_call") {
      note_text(pair.value.find("arguments"));
    }
  }
  remover.finish();
  std::string front;
  if (!choice.role_sent && !role_here) front = "\"role\":\"assistant\"";
  if (finishing && quirks_.any()) {
    if (const std::string owed = owed_members(choice, content_here); !owed.empty()) {
      front += (front.empty() ? "" : ",") + owed;
      says = true;
    }
  }
  if (!front.empty()) edits.insert(delta.range().begin + 1, front + (remover.kept_any() ? "," : ""));
  content = says;
  return says || role_here;
}

StreamChoices::Fate StreamChoices::edit_one(const Value& element, std::uint64_t position, Edits& edits,
                                            Outcome& outcome) {
  Value index_value;
  Value delta;
  Value finish;
  Value text;
  Value logprobs;
  Value specific;
  bool repeated = false;
  for (const Value::Pair& pair : element.members()) {
    const std::string_view key = pair.key.inner();
    if (key == "message") repeated = true;
    if (key == "index") index_value = pair.value;
    if (key == "delta") delta = pair.value;
    if (key == "finish_reason") finish = pair.value;
    if (key == "text") text = pair.value;
    if (key == "logprobs") logprobs = pair.value;
    if (key == "provider_specific_fields") specific = pair.value;
  }
  const auto index = index_value.whole();
  Choice* const found = choice_of(index.value_or(position));
  if (found == nullptr || found->finished) return Fate::Drop;
  Choice& choice = *found;

  const std::string word = finish.text().value_or("");
  const FinishReason reason = finish_reason_of(word);
  if (reason.broke_off) {
    outcome.broke_off = finish.inner();
    return Fate::Drop;
  }
  const bool finishing = !reason.shown.empty();
  const std::size_t front = element.range().begin + 1;
  Edits planned;  // Of this choice; thrown away when it is dropped.
  bool content = false;
  bool says = !absent(logprobs);
  std::string added;
  if (operation_ == domain::Operation::Completion) {
    if (absent(text)) {
      if (text) {
        planned.replace(text.range(), "\"\"");
      } else {
        added += "\"text\":\"\",";
      }
    } else {
      content = says_something(text);
      says |= content;
      note_text(text);
    }
  } else if (delta.is(Kind::Object)) {
    const std::size_t calls_before = choice.calls.size();
    says |= edit_delta(delta, choice, finishing, planned, content);
    if (finishing) {
      if (const std::string owed = owed_arguments(choice, calls_before); !owed.empty()) {
        if (!outcome.before.empty()) outcome.before += ',';
        outcome.before += "{\"index\":" + std::to_string(choice.index) + ",\"delta\":{\"tool_calls\":[" + owed +
                          "]},\"finish_reason\":null}";
      }
    }
  } else {
    std::string empty = choice.role_sent ? "" : "\"role\":\"assistant\"";
    if (finishing && quirks_.any()) {
      if (const std::string owed = owed_members(choice, false); !owed.empty())
        empty += (empty.empty() ? "" : ",") + owed;
    }
    empty = "{" + empty + "}";
    if (delta) {
      planned.replace(delta.range(), empty);
    } else {
      added.append("\"delta\":").append(empty).append(",");
    }
  }
  if (!says && !finishing) return Fate::Drop;
  if (repeated) {
    // Perplexity says the whole text again in every chunk.
    Remover remover(planned);
    for (const Value::Pair& pair : element.members()) {
      pair.key.inner() == "message" ? remover.remove(whole(pair)) : remover.keep(whole(pair));
    }
    remover.finish();
  }

  if (!index) {
    if (index_value) {
      planned.replace(index_value.range(), std::to_string(choice.index));
    } else {
      added += "\"index\":" + std::to_string(choice.index) + ",";
    }
  }
  if (!finish) {
    added += "\"finish_reason\":null,";
  } else if (!finishing) {
    if (!finish.is(Kind::Null)) planned.replace(finish.range(), "null");
  } else if (choice.by_tool && reason.shown == "tool_calls") {
    planned.replace(finish.range(), "\"stop\"");
  } else if (reason.native) {
    std::string shown = json::quoted(reason.shown);
    if (!specific) {
      shown += ",\"provider_specific_fields\":{\"native_finish_reason\":";
      shown += finish.raw();
      shown += '}';
    }
    planned.replace(finish.range(), shown);
  }
  if (!added.empty()) {
    if (element.members().begin() == element.members().end()) added.pop_back();
    planned.insert(front, added);
  }
  edits.merge(planned);
  choice.role_sent = true;
  if (finishing) {
    choice.finished = true;
    const bool stopped = choice.by_tool && reason.shown == "tool_calls";
    if (finish_reason_.empty()) finish_reason_ = stopped ? "stop" : reason.shown;
  }
  outcome.content |= content || finishing;
  return Fate::Keep;
}

StreamChoices::Outcome StreamChoices::edit(const Value& choices, Edits& edits) {
  Outcome outcome;
  Remover remover(edits);
  std::uint64_t position = 0;
  for (const Value element : choices.elements()) {
    if (element.is(Kind::Object) && edit_one(element, position, edits, outcome) == Fate::Keep) {
      remover.keep(element.range());
      outcome.any_left = true;
    } else {
      remover.remove(element.range());
    }
    ++position;
  }
  if (outcome.any_left) remover.finish();
  return outcome;
}

bool StreamChoices::all_finished(std::uint64_t asked) const {
  for (const Choice& choice : choices_) {
    if (!choice.finished) return false;
  }
  return !choices_.empty() && choices_.size() >= asked;
}

std::vector<std::string> StreamChoices::finish_rest() {
  std::vector<std::string> elements;
  for (Choice& choice : choices_) {
    if (choice.finished) continue;
    choice.finished = true;
    const std::string_view reason = choice.calls.empty() ? "stop" : "tool_calls";
    if (finish_reason_.empty()) finish_reason_ = reason;
    const std::string index = "{\"index\":" + std::to_string(choice.index);
    if (const std::string calls = owed_arguments(choice, choice.calls.size()); !calls.empty()) {
      elements.push_back(index + ",\"delta\":{\"tool_calls\":[" + calls + "]},\"finish_reason\":null}");
    }
    if (quirks_.any()) {
      if (const std::string owed = owed_members(choice, false); !owed.empty()) {
        const std::string_view role = choice.role_sent ? "" : "\"role\":\"assistant\",";
        elements.push_back(index + ",\"delta\":{" + std::string(role) + owed + "},\"finish_reason\":null}");
        choice.role_sent = true;
      }
    }
    std::string element = index;
    if (operation_ == domain::Operation::Completion) {
      element += ",\"text\":\"\"";
    } else {
      element += choice.role_sent ? ",\"delta\":{}" : ",\"delta\":{\"role\":\"assistant\"}";
      choice.role_sent = true;
    }
    element.append(",\"finish_reason\":\"").append(reason).append("\"}");
    elements.push_back(std::move(element));
  }
  return elements;
}

}  // namespace turnpike::protocol
