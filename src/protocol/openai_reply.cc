#include "protocol/openai_reply.h"

#include <algorithm>

#include "base/text.h"
#include "json/write.h"
#include "protocol/answer_error.h"
#include "protocol/edits.h"

namespace turnpike::protocol {
namespace {

using json::Kind;
using json::Value;

std::string text_of(const Value& value) {
  return value.text().value_or("");
}

void append_text(const Value& value, std::string& out) {
  if (auto text = value.text()) out += *text;
}

// All that the model wrote in one choice: what a local count has to count.
void append_output(const Value& choice, std::string& out) {
  append_text(choice.find("text"), out);
  const Value message = choice.find("message");
  for (const std::string_view name : {"content", "reasoning_content", "reasoning", "refusal"}) {
    append_text(message.find(name), out);
  }
  for (const Value part : message.find("content").elements()) append_text(part.find("text"), out);
  for (const Value call : message.find("tool_calls").elements()) {
    append_text(call.find("function").find("name"), out);
    append_text(call.find("function").find("arguments"), out);
  }
}

bool said_nothing(const Value& value) {
  return !value || value.is(Kind::Null) || value.raw() == "\"\"" || value.raw() == "\"null\"";
}

// Arguments are text, ids are there.
void edit_calls(const Value& calls, std::string_view answer_id, std::uint64_t choice, Edits& edits) {
  std::size_t at = 0;
  for (const Value call : calls.elements()) {
    const Value given = call.find("id");
    const Value function = call.find("function");
    if (function && !call.find("type")) edits.insert(call.range().begin + 1, "\"type\":\"function\",");
    if (function && said_nothing(given)) {
      const std::string id =
          "\"call_" + call_id_stem(answer_id) + "_" + std::to_string(choice) + "_" + std::to_string(at) + "\"";
      if (given) {
        edits.replace(given.range(), id);
      } else {
        edits.insert(call.range().begin + 1, "\"id\":" + id + ",");
      }
    }
    ++at;
    const Value arguments = function.find("arguments");
    if (arguments.is(Kind::Null) || (arguments && arguments.raw() == "\"\"")) {
      edits.replace(arguments.range(), "\"{}\"");
    } else if (arguments.is(Kind::Object)) {
      edits.replace(arguments.range(), json::quoted(arguments.raw()));
    }
  }
}

bool carries_json(const Value& calls, const AnswerQuirks& quirks) {
  if (!quirks.json_tool) return false;
  std::size_t count = 0;
  bool found = false;
  for (const Value call : calls.elements()) {
    ++count;
    found |= is_json_tool(call);
  }
  return found && count == 1;
}

// The one call is the content.
void unwrap_json(const Value& message, Edits& edits) {
  Remover remover(edits);
  for (const Value::Pair& pair : message.members()) {
    const json::Range whole{pair.key.range().begin, pair.value.range().end};
    if (pair.key.inner() == "content") {
      remover.remove(whole);
      continue;
    }
    remover.keep(whole);
    if (pair.key.inner() != "tool_calls") continue;
    for (const Value call : pair.value.elements()) {
      const Value arguments = call.find("function").find("arguments");
      const std::string text =
          arguments.is(Kind::String) ? std::string(arguments.raw()) : json::quoted(arguments.raw());
      edits.replace(whole, "\"content\":" + text);
    }
  }
  remover.finish();
}

// Names what a message holds as callers know it.
void edit_message(const Value& message, const ReplyOptions& options, std::uint64_t index, const Sources& sources,
                  Edits& edits) {
  enum : std::size_t { kContent, kReasoning, kReasoningContent, kCalls, kAnnotations, kCount };
  static constexpr std::array<std::string_view, kCount> kNames = {"content", "reasoning", "reasoning_content",
                                                                  "tool_calls", "annotations"};
  std::array<Value, kCount> found;
  message.find_each(kNames, found);
  const Value& content = found[kContent];
  bool thought = static_cast<bool>(found[kReasoningContent]);
  if (found[kReasoning].is(Kind::String) && !thought) {
    for (const Value::Pair& pair : message.members()) {
      if (pair.key.inner() == "reasoning") edits.replace(pair.key.range(), "\"reasoning_content\"");
    }
    thought = true;
  }
  if (found[kCalls] && carries_json(found[kCalls], options.quirks)) return unwrap_json(message, edits);
  if (found[kCalls]) edit_calls(found[kCalls], options.fallback_id, index, edits);

  SplitContent split;
  if (content.is(Kind::Array)) {
    split = split_parts(content);
  } else if (options.quirks.think_tags && content.is(Kind::String) && !thought) {
    if (const std::string text = text_of(content); base::trim(text).starts_with("<think>")) split = split_tags(text);
  }
  if (!split.text.empty()) {
    std::string members = split.text;
    if (!thought && split.thinking.size() > 2) members += ",\"reasoning_content\":" + split.thinking;
    edits.replace(content.range(), members);
  }
  if (sources.empty() || found[kAnnotations] || !content) return;
  const std::string text =
      split.text.empty() ? text_of(content)
                         : json::unescape(std::string_view(split.text).substr(1, split.text.size() - 2)).value_or("");
  if (const std::string list = sources.annotations(text); !list.empty()) {
    edits.insert(content.range().end, ",\"annotations\":" + list);
  }
}

// Normalises what is said at the end of a choice and what its message holds.
std::optional<Error> edit_choice(const Value& choice, const ReplyOptions& options, const Sources& sources,
                                 Edits& edits) {
  const Value message = choice.find("message");
  if (const Value reason = choice.find("finish_reason"); reason.is(Kind::String)) {
    const std::string word = text_of(reason);
    const FinishReason meant = finish_reason_of(word);
    if (meant.broke_off) return broke_off_error(word, options.provider_label);
    if (meant.shown == "tool_calls" && carries_json(message.find("tool_calls"), options.quirks)) {
      edits.replace(reason.range(), "\"stop\"");
    } else if (meant.shown.empty()) {
      const bool called = !message.find("tool_calls").elements().empty();
      edits.replace(reason.range(), called ? "\"tool_calls\"" : "\"stop\"");
    } else if (meant.native) {
      std::string text = json::quoted(meant.shown);
      if (!choice.find("provider_specific_fields")) {
        text += ",\"provider_specific_fields\":{\"native_finish_reason\":" + std::string(reason.raw()) + "}";
      }
      edits.replace(reason.range(), text);
    }
  }
  if (message) edit_message(message, options, choice.find("index").whole().value_or(0), sources, edits);
  return std::nullopt;
}

constexpr std::string_view kSpaces = " \t\r\n";

/// The inside of the string that begins at `at` (behind its quote), as far as it goes.
std::string_view string_at(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
  return text.substr(at, std::min(end, text.size()) - at);
}

}  // namespace

std::string text_of_part(std::string_view part) {
  static constexpr std::string_view kNames[] = {"content", "reasoning_content", "reasoning", "text", "arguments"};
  std::string out;
  for (std::size_t at = part.find('"'); at != std::string_view::npos; at = part.find('"', at)) {
    const std::string_view name = string_at(part, ++at);
    at += name.size() + 1;
    const std::size_t colon = at < part.size() ? part.find_first_not_of(kSpaces, at) : std::string_view::npos;
    if (colon == std::string_view::npos || part[colon] != ':') continue;
    at = part.find_first_not_of(kSpaces, colon + 1);
    if (at == std::string_view::npos || part[at] != '"') continue;
    const std::string_view value = string_at(part, ++at);
    at += value.size() + 1;
    if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames)) continue;
    // An escape may have been cut in two.
    const std::size_t escape = value.find('\\', value.size() - std::min<std::size_t>(value.size(), 12));
    out += json::unescape(value).value_or(
        json::unescape(value.substr(0, std::min(escape, value.size()))).value_or(std::string()));
  }
  return out;
}

std::optional<domain::Usage> usage_of_reply(std::string_view body) {
  json::Document document;
  if (!document.parse(body) || !document.root().is(Kind::Object)) return std::nullopt;
  return read_usage(document.root().find("usage"));
}

Result<ReplyFacts> read_reply(const ReplyOptions& options, std::string_view body, std::string& scratch,
                              std::vector<std::string_view>& pieces) {
  json::Document document;
  if (auto parsed = document.parse(body); !parsed) {
    return unreadable_answer(options.provider_label, parsed.error().message, body);
  }
  const Value root = document.root();
  if (!root.is(Kind::Object)) return unreadable_answer(options.provider_label, "it is no JSON object", body);
  if (holds_error(root)) return base::fail(read_error(0, body, options.provider_label, {}));
  const bool embedding = options.operation == domain::Operation::Embedding;
  enum : std::size_t { kResults, kId, kModel, kUsage, kServiceTier, kGroq, kCount };
  const std::array<std::string_view, kCount> names = {
      embedding ? "data" : "choices", "id", "model", "usage", "service_tier", "x_groq"};
  std::array<Value, kCount> found;
  root.find_each(names, found);
  const Value& results = found[kResults];
  if (!results.is(Kind::Array)) {
    return unreadable_answer(options.provider_label, embedding ? "it has no 'data'" : "it has no 'choices'", body);
  }

  ReplyFacts facts;
  Edits edits;
  const std::size_t front = root.range().begin + 1;
  facts.id = text_of(found[kId]);
  facts.service_tier = text_of(found[kServiceTier]);
  if (const std::string_view tier = shown_tier(facts.service_tier); !tier.empty()) {
    edits.replace(found[kServiceTier].range(), json::quoted(tier));
  }
  if (facts.id.empty() && !options.fallback_id.empty() && !embedding) {
    facts.id = options.fallback_id;
    if (const Value& id = found[kId]) {
      edits.replace(id.range(), json::quoted(options.fallback_id));
    } else {
      edits.insert(front, "\"id\":" + json::quoted(options.fallback_id) + ",");
    }
  }
  if (const Value& model = found[kModel]) {
    facts.model = text_of(model);
    edits.replace(model.range(), json::quoted(options.shown_model));
  } else {
    edits.insert(front, "\"model\":" + json::quoted(options.shown_model) + ",");
  }

  const Value& usage = found[kUsage];
  facts.usage = read_usage(usage);
  if (!facts.usage) facts.usage = read_usage(found[kGroq].find("usage"));
  if (facts.usage && usage) {
    if (const auto shown = shown_usage(options.operation, usage, *facts.usage)) edits.replace(usage.range(), *shown);
  }
  if (!embedding) {
    Sources sources;
    if (options.quirks.cites) sources.read(root.find("citations"), root.find("search_results"));
    bool first = true;
    for (const Value choice : results.elements()) {
      if (first) {
        facts.finish_reason = finish_reason_of(text_of(choice.find("finish_reason"))).shown;
        const bool by_tool = carries_json(choice.find("message").find("tool_calls"), options.quirks);
        if (by_tool && facts.finish_reason == "tool_calls") facts.finish_reason = "stop";
      }
      first = false;
      if (auto error = edit_choice(choice, options, sources, edits)) return base::fail(std::move(*error));
      if (!facts.usage || facts.usage->output_unsaid) append_output(choice, facts.text_for_count);
    }
  }

  edits.owned_pieces(body, scratch, pieces);
  return facts;
}

Result<ReplyFacts> read_reply(domain::Operation operation, std::string_view body, std::string_view shown_model,
                              std::string& scratch, std::vector<std::string_view>& pieces) {
  ReplyOptions options;
  options.operation = operation;
  options.shown_model = shown_model;
  options.provider_label = "OpenAI";
  return read_reply(options, body, scratch, pieces);
}

}  // namespace turnpike::protocol
