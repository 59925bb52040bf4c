#include <algorithm>

#include "base/hash.h"
#include "base/text.h"
#include "codec/openai_edit.h"
#include "json/write.h"
#include "protocol/edits.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using provider::Quirk;
using provider::Quirks;

// A signature of Gemini's travels behind the id of the call it belongs to.
constexpr std::string_view kSignatureMark = "__thought__";
constexpr std::size_t kIdBytesMax = 40;  // OpenAI's limit.

json::Range whole(const Value::Pair& pair) {
  return {pair.key.range().begin, pair.value.range().end};
}

bool is_nine(std::string_view id) {
  constexpr std::size_t kLength = 9;
  return id.size() == kLength && std::all_of(id.begin(), id.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
         });
}

bool says_nothing(const Value& value) {
  if (!value || value.is(Kind::Null)) return true;
  if (value.is(Kind::String)) return value.inner().empty();
  return value.is(Kind::Array) && value.elements().empty();
}

bool is_type(const Value& part, std::string_view type) {
  return part.find("type").inner() == type;
}

class MessagesEditor {
 public:
  MessagesEditor(const EncodeInput& input, bool by_words)
      : quirks_(input.target.provider->quirks),
        modify_(input.target.modify_params),
        inline_images_(quirks_.has(Quirk::InlineImages) && input.traits.listed &&
                       !input.traits.has(domain::Trait::Vision)),
        by_words_(by_words) {}

  void edit(const Value& messages) {
    protocol::Remover remover(edits_);
    Value last;
    for (const Value message : messages.elements()) {
      if (has(Quirk::MistralParts) && is_empty_answer(message)) {
        remover.remove(message.range());
        continue;
      }
      remover.keep(message.range());
      if (last) part_tool_from_user(last, message);
      edit_message(message);
      last = message;
    }
    remover.finish();
    if (!last) return;
    if (has(Quirk::MistralParts) && role_of(last) == "assistant" && !last.find("prefix")) {
      edits_.insert(last.range().end - 1, ",\"prefix\":true");
    }
    if (by_words_) {
      edits_.insert(messages.range().end - 1,
                    R"(,{"role":"user","content":"Please select a tool to handle the current issue."})");
    }
  }
  protocol::Edits& edits() { return edits_; }

 private:
  bool has(Quirk quirk) const { return quirks_.has(quirk); }
  static std::string_view role_of(const Value& message) { return message.find("role").inner(); }

  static bool is_empty_answer(const Value& message) {
    return role_of(message) == "assistant" && says_nothing(message.find("content")) &&
           says_nothing(message.find("tool_calls"));
  }

  // Mistral's older models want an answer between a tool's and the next question.
  void part_tool_from_user(const Value& before, const Value& message) {
    if (!modify_ || !has(Quirk::MistralParts)) return;
    if (role_of(before) != "tool" || role_of(message) != "user") return;
    edits_.insert(message.range().begin, R"({"role":"assistant","content":"OK."},)");
  }

  bool refused(std::string_view role, std::string_view key, const Value& value) const {
    if (key == "cache_control") return !has(Quirk::KnowsMarks);
    if (key == "thinking_blocks" || key == "provider_specific_fields") return true;
    if (key == "reasoning_content" || key == "reasoning_details" || key == "reasoning") {
      return !has(Quirk::ReasoningBack);
    }
    if (has(Quirk::KnowsDeveloper)) return has(Quirk::NoNulls) && value.is(Kind::Null) && key != "content";
    if (key == "annotations" || key == "images") return true;
    if (key == "name" && has(Quirk::NoNames)) return role != "tool" || says_nothing(value);
    if (key == "tool_calls" && has(Quirk::MistralParts) && says_nothing(value)) return true;
    if (!value.is(Kind::Null) || key == "content") return false;
    return has(Quirk::NoNulls) || key == "name" || key == "refusal" || key == "audio" || key == "function_call";
  }

  // Mistral refuses every member it does not know.
  static bool known_to_mistral(std::string_view key) {
    constexpr std::string_view kKnown[] = {"role", "content", "tool_calls", "tool_call_id", "name", "prefix"};
    return std::find(std::begin(kKnown), std::end(kKnown), key) != std::end(kKnown);
  }

  void edit_message(const Value& message) {
    const std::string_view role = role_of(message);
    protocol::Remover remover(edits_);
    for (const Value::Pair& pair : message.members()) {
      const std::string_view key = pair.key.inner();
      if (refused(role, key, pair.value) || (has(Quirk::MistralParts) && !known_to_mistral(key))) {
        remover.remove(whole(pair));
        continue;
      }
      remover.keep(whole(pair));
      if (key == "role" && role == "developer" && !has(Quirk::KnowsDeveloper)) {
        edits_.replace(pair.value.range(), "\"system\"");
      } else if (key == "content") {
        edit_content(role, pair.value);
      } else if (key == "tool_calls") {
        for (const Value call : pair.value.elements()) edit_call(call);
      } else if (key == "tool_call_id") {
        edit_id(pair.value);
      }
    }
    remover.finish();
    if (modify_ && has(Quirk::ReasoningDue) && !says_nothing(message.find("tool_calls")) &&
        says_nothing(message.find("reasoning_content"))) {
      // The caller has not kept it, and without it the provider refuses the turn.
      edits_.insert(message.range().end - 1, ",\"reasoning_content\":\" \"");
    }
  }

  void edit_content(std::string_view role, const Value& content) {
    if (!content.is(Kind::Array)) return;
    const bool of_tool = role == "tool" && has(Quirk::ToolTextOnly);
    if ((has(Quirk::FlatContent) || of_tool) && flatten(content)) return;
    if (of_tool) {
      edits_.replace(content.range(), json::quoted(content.raw()));
      return;
    }
    protocol::Remover remover(edits_);
    for (const Value part : content.elements()) {
      const bool thought = is_type(part, "thinking") || is_type(part, "redacted_thinking");
      if (thought && !has(Quirk::MistralParts)) {
        remover.remove(part.range());
        continue;
      }
      remover.keep(part.range());
      edit_part(part);
    }
    remover.finish();
  }

  // One string of a list of texts; false when something else is among them. Escapes stay as they were written.
  bool flatten(const Value& content) {
    std::string text = "\"";
    for (const Value part : content.elements()) {
      const Value inner = part.find("text");
      if (!is_type(part, "text") || !inner.is(Kind::String)) return false;
      text += inner.inner();
    }
    edits_.replace(content.range(), text + '"');
    return true;
  }

  void edit_part(const Value& part) {
    if (has(Quirk::MistralParts) && respell(part)) return;
    if (has(Quirk::VideoParts) && is_type(part, "file") && name_video(part)) return;
    protocol::Remover remover(edits_);
    for (const Value::Pair& pair : part.members()) {
      const std::string_view key = pair.key.inner();
      if ((key == "cache_control" && !has(Quirk::KnowsMarks)) || key == "provider_specific_fields") {
        remover.remove(whole(pair));
        continue;
      }
      remover.keep(whole(pair));
      if (key == "image_url") edit_image(pair.value);
    }
    remover.finish();
  }

  void edit_image(const Value& image) {
    const Value url = image.is(Kind::String) ? image : image.find("url");
    if (!url.is(Kind::String)) return;
    if (inline_images_ && url.inner().find('#') == std::string_view::npos) {
      edits_.insert(url.range().end - 1, "#transform=inline");
    }
    if (has(Quirk::ImageObjects) && image.is(Kind::String)) {
      edits_.insert(image.range().begin, "{\"url\":");
      edits_.insert(image.range().end, "}");
    }
  }

  // Files and audio in Mistral's words.
  bool respell(const Value& part) {
    const auto one = [&](std::string_view type, std::string_view key, const Value& value) {
      std::string text = "{\"type\":\"";
      text.append(type).append("\",\"").append(key).append("\":").append(value.raw()).append("}");
      edits_.replace(part.range(), text);
      return true;
    };
    if (const Value file = part.find("file"); is_type(part, "file") && file) {
      if (const Value id = file.find("file_id"); !says_nothing(id)) return one("file", "file_id", id);
      if (const Value data = file.find("file_data"); !says_nothing(data)) {
        return one("document_url", "document_url", data);
      }
    }
    if (const Value data = part.find("input_audio").find("data"); is_type(part, "input_audio") && data) {
      return one("input_audio", "input_audio", data);
    }
    return false;
  }

  bool name_video(const Value& part) {
    const Value file = part.find("file");
    const Value data = file.find("file_data") ? file.find("file_data") : file.find("file_id");
    const bool video = data.inner().starts_with("data:video/") || file.find("format").inner().starts_with("video/");
    if (!video) return false;
    edits_.replace(part.range(), "{\"type\":\"video_url\",\"video_url\":{\"url\":" + std::string(data.raw()) + "}}");
    return true;
  }

  void edit_call(const Value& call) {
    protocol::Remover remover(edits_);
    for (const Value::Pair& pair : call.members()) {
      const std::string_view key = pair.key.inner();
      const bool foreign = key == "cache_control" || key == "provider_specific_fields" || key == "index";
      if (foreign || (has(Quirk::NoNulls) && pair.value.is(Kind::Null))) {
        remover.remove(whole(pair));
        continue;
      }
      remover.keep(whole(pair));
      if (key == "id") edit_id(pair.value);
    }
    remover.finish();
  }

  void edit_id(const Value& id) {
    const auto text = id.text();
    if (!text || text->empty()) return;
    const std::string fit = tool_id_for(*text, has(Quirk::NineCharIds));
    if (fit != *text) edits_.replace(id.range(), json::quoted(fit));
  }

  const Quirks& quirks_;
  bool modify_;
  bool inline_images_;
  bool by_words_;
  protocol::Edits edits_;
};

constexpr Quirks kAlwaysRead = {Quirk::NineCharIds, Quirk::MistralParts};

// Most bodies hold nothing to edit, and are not read again.
bool may_change(const EncodeInput& input, const Suspects& found, bool by_words) {
  const Quirks& quirks = input.target.provider->quirks;
  if (by_words || quirks.any(kAlwaysRead) || found.own_fields || found.tool_id || found.thinking) return true;
  if (found.cache_marks && !quirks.has(Quirk::KnowsMarks)) return true;
  if ((found.nulls && quirks.has(Quirk::NoNulls)) || (found.bare_images && quirks.has(Quirk::ImageObjects)))
    return true;
  if (quirks.has(Quirk::KnowsDeveloper)) return false;
  if (found.developer || found.annotations) return true;
  return (found.texts && quirks.has(Quirk::FlatContent)) || (found.names && quirks.has(Quirk::NoNames)) ||
         (found.images && quirks.has(Quirk::InlineImages)) || (found.videos && quirks.has(Quirk::VideoParts)) ||
         (found.tools && quirks.has(Quirk::ToolTextOnly)) ||
         (found.tools && quirks.has(Quirk::ReasoningDue) && input.target.modify_params);
}

}  // namespace

namespace {

/// Whether a colon and a string stand behind a key.
bool is_string_behind(std::string_view behind_key) {
  const std::string_view colon = base::trim(behind_key.substr(0, 16));
  return colon.starts_with(':') && base::trim(colon.substr(1)).starts_with('"');
}

bool is_foreign_id(std::string_view behind_key) {
  const std::size_t quote = behind_key.find('"');
  if (quote == std::string_view::npos) return false;
  const std::string_view id = behind_key.substr(quote + 1, kIdBytesMax + 1);
  const std::size_t end = id.find_first_of("\"\\");
  if (end == std::string_view::npos || id[end] == '\\') return true;  // Long, or to be read with its escapes.
  return id.substr(0, end).find(kSignatureMark) != std::string_view::npos;
}

}  // namespace

Suspects suspects_in(std::string_view body) {
  Suspects found;
  for (std::size_t at = body.find('"'); at != std::string_view::npos; at = body.find('"', at + 1)) {
    const std::string_view rest = body.substr(at + 1);
    if (rest.empty()) break;
    switch (rest[0]) {
      case 'a':
        found.annotations |= rest.starts_with("annotations\"");
        break;
      case 'c':
        found.cache_marks |= rest.starts_with("cache_control\"");
        break;
      case 'd':
        found.developer |= rest.starts_with("developer\"");
        found.videos |= rest.starts_with("data:video/");
        break;
      case 'i':
        if (constexpr std::string_view kKey = "image_url\""; rest.starts_with(kKey)) {
          found.images = true;
          found.bare_images |= is_string_behind(rest.substr(kKey.size()));
        }
        break;
      case 'n':
        found.names |= rest.starts_with("name\"");
        break;
      case 'p':
        found.own_fields |= rest.starts_with("provider_specific_fields\"");
        break;
      case 'r':
        found.thinking |= rest.starts_with("reasoning_content\"") || rest.starts_with("reasoning_details\"");
        break;
      case 't':
        found.texts |= rest.starts_with("text\"");
        found.tools |= rest.starts_with("tool");
        found.thinking |= rest.starts_with("thinking_blocks\"");
        if (constexpr std::string_view kKey = "tool_call_id\""; rest.starts_with(kKey)) {
          found.tool_id |= is_foreign_id(rest.substr(kKey.size()));
        }
        break;
      case 'v':
        found.videos |= rest.starts_with("video/");
        break;
      case ':':
      case ' ': {
        const std::size_t value = rest.find_first_not_of(": \t\r\n");
        found.nulls |= value != std::string_view::npos && rest.substr(value).starts_with("null");
        break;
      }
      default:
        break;
    }
  }
  return found;
}

std::string tool_id_for(std::string_view id, bool nine) {
  id = id.substr(0, id.find(kSignatureMark));
  constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  constexpr std::size_t kNine = 9;
  constexpr std::size_t kHexKept = 24;
  if (nine && !is_nine(id)) {
    std::string fit;
    const base::Sha256 hash = base::sha256(id);
    for (std::size_t i = 0; i < kNine; ++i) fit += kDigits[static_cast<unsigned char>(hash[i]) % kDigits.size()];
    return fit;
  }
  if (id.size() > kIdBytesMax) return "call_" + base::sha256_hex(id).substr(0, kHexKept);
  return std::string(id);
}

std::optional<std::string> edited_messages(std::string_view messages, const EncodeInput& input,
                                           const Suspects& suspects) {
  const provider::Provider& row = *input.target.provider;
  if (row.quirks.has(Quirk::KnowsAll)) return std::nullopt;
  const json::Member* choice = input.call.scan.find("tool_choice");
  const bool by_words =
      row.quirks.has(Quirk::ChoiceInWords) && choice != nullptr && choice->value.in(input.call.body) == "\"required\"";
  json::Document document;
  if (!may_change(input, suspects, by_words) || !document.parse(messages)) return std::nullopt;
  MessagesEditor editor(input, by_words);
  editor.edit(document.root());
  if (editor.edits().empty()) return std::nullopt;
  std::string edited;
  editor.edits().apply(messages, edited);
  return edited;
}

}  // namespace turnpike::codec
