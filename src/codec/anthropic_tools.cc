#include "codec/anthropic_tools.h"

#include <algorithm>

#include "codec/anthropic_media.h"
#include "codec/anthropic_schema.h"
#include "codec/parts.h"

namespace turnpike::codec {
namespace {

using domain::ModelTraits;
using domain::Trait;
using json::Kind;
using json::Value;
using protocol::ChatRequest;
using protocol::Tool;
using protocol::ToolChoice;

constexpr std::string_view kAnyObject = R"({"type":"object","properties":{}})";

// The API wants an object at the top, said so, and no alternatives there.
void write_input_schema(json::Writer& writer, std::string_view parameters) {
  writer.key("input_schema");
  json::Document document;
  if (parameters.empty() || !document.parse(parameters)) {
    writer.raw(kAnyObject);
    return;
  }
  const Value root = document.root();
  const bool alternatives = root.find("anyOf") || root.find("oneOf") || root.find("allOf");
  if (root.find("type").inner() == "object" && !alternatives) {
    writer.raw(parameters);
    return;
  }
  writer.begin_object().key("type").string("object");
  for (const Value::Pair& pair : root.members()) {
    const std::string key = pair.key.text().value_or("");
    if (key != "type" && key != "anyOf" && key != "oneOf" && key != "allOf") writer.key(key).raw(pair.value.raw());
  }
  writer.end_object();
}

void write_function(json::Writer& writer, const Tool& tool, const ModelTraits& traits, ToolNames& names) {
  // Strict tools came with structured outputs; older models refuse the word.
  const bool strict = tool.strict == true && (traits.has(Trait::NativeStructuredOutput) || !traits.listed);
  writer.begin_object().key("name").string(names.sent(tool.name));
  if (!tool.description.empty()) writer.key("description").string(tool.description);
  if (strict && !tool.parameters_json.empty()) {
    write_input_schema(writer, anthropic_schema(tool.parameters_json));
  } else {
    write_input_schema(writer, tool.parameters_json);
  }
  if (strict) writer.key("strict").boolean(true);
  write_cache_mark(writer, tool.cache);
  writer.end_object();
}

// As written, but for a frame of OpenAI's that clients put around Anthropic's own types.
void write_native(json::Writer& writer, const Tool& tool, AnthropicBetas& betas) {
  json::Document document;
  if (document.parse(tool.json)) betas.add_for_tool(document.root());
  writer.raw(tool.json);
}

// {"search_context_size", "user_location": {"type": "approximate", "approximate": {...}}}
void write_web_search(json::Writer& writer, std::string_view options) {
  struct Size {
    std::string_view size;
    std::uint64_t searches;
  };
  static constexpr Size kSizes[] = {{"low", 1}, {"medium", 5}, {"high", 10}};
  json::Document document;
  writer.begin_object().key("type").string("web_search_20250305").key("name").string("web_search");
  if (document.parse(options)) {
    const Value root = document.root();
    const Value place = root.find("user_location").find("approximate");
    if (place.is(Kind::Object)) {
      writer.key("user_location").begin_object().key("type").string("approximate");
      for (const std::string_view field : {"city", "region", "country", "timezone"}) {
        if (const auto text = place.find(field).text()) writer.key(field).string(*text);
      }
      writer.end_object();
    }
    for (const Size& size : kSizes) {
      if (size.size == root.find("search_context_size").inner()) writer.key("max_uses").number(size.searches);
    }
  }
  writer.end_object();
}

bool searches_already(const ChatRequest& request) {
  return std::any_of(request.tools.begin(), request.tools.end(),
                     [](const Tool& tool) { return tool.kind == Tool::Kind::Native && tool.name == "web_search"; });
}

std::string_view choice_word(const ToolChoice& choice) {
  switch (choice.kind) {
    case ToolChoice::Kind::Unset:
      return {};
    case ToolChoice::Kind::Auto:
      return "auto";
    case ToolChoice::Kind::None:
      return "none";
    case ToolChoice::Kind::Required:
      return "any";
    case ToolChoice::Kind::Named:
      return "tool";
    case ToolChoice::Kind::Allowed:
      return choice.must_call ? "any" : "auto";
  }
  return {};
}

void write_choice(json::Writer& writer, const ChatRequest& request, ToolNames& names) {
  std::string_view word = choice_word(request.tool_choice);
  if (word.empty() && request.parallel_tool_calls) word = "auto";
  if (word.empty()) return;
  writer.key("tool_choice").begin_object().key("type").string(word);
  if (word == "tool") writer.key("name").string(names.sent(request.tool_choice.name));
  if (word != "none" && request.parallel_tool_calls) {
    writer.key("disable_parallel_tool_use").boolean(!*request.parallel_tool_calls);
  }
  writer.end_object();
}

Status refuse_custom(std::size_t index) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = "tools[" + std::to_string(index) + "].type";
  error.code = "unsupported_parameter";
  error.message = "'" + error.param + "': tools of type custom are not taken by this provider";
  return base::fail(std::move(error));
}

}  // namespace

Status write_anthropic_tools(json::Writer& writer, const ChatRequest& request, const ModelTraits& traits, bool stand_in,
                             ToolNames& names, AnthropicBetas& betas) {
  const bool searches = !request.web_search_options_json.empty() && !searches_already(request);
  if (request.tools.empty() && !searches && !stand_in) return {};
  writer.key("tools").begin_array();
  for (std::size_t index = 0; index < request.tools.size(); ++index) {
    const Tool& tool = request.tools[index];
    if (!allows(request.tool_choice, tool)) continue;
    if (tool.kind == Tool::Kind::Custom) return refuse_custom(index);
    if (tool.kind == Tool::Kind::Native) {
      write_native(writer, tool, betas);
    } else {
      write_function(writer, tool, traits, names);
    }
  }
  if (searches) write_web_search(writer, request.web_search_options_json);
  if (request.tools.empty() && stand_in) {
    writer.begin_object().key("name").string("dummy_tool");
    writer.key("description").string("Stands in for tools of earlier turns; not to be called.");
    writer.key("input_schema").raw(kAnyObject).end_object();
  }
  writer.end_array();
  if (!request.tools.empty()) write_choice(writer, request, names);
  return {};
}

}  // namespace turnpike::codec
