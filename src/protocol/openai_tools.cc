#include "protocol/openai_fields.h"

namespace turnpike::protocol {
namespace {

using json::Kind;
using json::Value;

// What `function`, a legacy function and (by other names) `custom` have in common.
void read_function(const Value& function, const FieldPath& path, FieldReader& reader, Tool& tool) {
  tool.name = reader.required_text(function.find("name"), FieldPath(path, "name"));
  tool.description = reader.text(function.find("description"), FieldPath(path, "description"));
  if (tool.kind != Tool::Kind::Function) return;
  tool.parameters_json = reader.object(function.find("parameters"), FieldPath(path, "parameters"));
  tool.strict = reader.flag(function.find("strict"), FieldPath(path, "strict"));
}

void read_tool(const Value& value, const FieldPath& path, FieldReader& reader, Tool& tool) {
  if (!value.is(Kind::Object)) {
    reader.refuse(path, "must be an object");
    return;
  }
  tool.json = value.raw();
  const std::string_view type = reader.text(value.find("type"), FieldPath(path, "type"));
  const Value function = value.find("function");
  const Value custom = value.find("custom");
  tool.cache = reader.cache(value.find("cache_control"), FieldPath(path, "cache_control"));
  if (function.is(Kind::Object) && (type.empty() || type == "function")) {
    const FieldPath at(path, "function");
    read_function(function, at, reader, tool);
    if (!tool.cache.set) tool.cache = reader.cache(function.find("cache_control"), FieldPath(at, "cache_control"));
  } else if (type == "function") {
    // Flat, as the Responses API writes it.
    if (!given(value.find("name"))) {
      reader.refuse(FieldPath(path, "function"), "is required");
      return;
    }
    read_function(value, path, reader, tool);
  } else if (type == "custom" && custom.is(Kind::Object)) {
    tool.kind = Tool::Kind::Custom;
    read_function(custom, FieldPath(path, "custom"), reader, tool);
  } else {
    tool.kind = Tool::Kind::Native;
    tool.name = reader.text(value.find("name"), FieldPath(path, "name"));
  }
}

// The tool that a choice names: {"type":"function","function":{"name"}}, "custom" the same, Anthropic's flat form.
std::string_view read_named(const Value& value, const FieldPath& path, FieldReader& reader) {
  for (const std::string_view key : {"function", "custom"}) {
    const Value inner = value.find(key);
    if (!inner) continue;
    const FieldPath at(path, key);
    return reader.required_text(inner.find("name"), FieldPath(at, "name"));
  }
  return reader.required_text(value.find("name"), FieldPath(path, "name"));
}

bool read_choice_word(std::string_view word, ToolChoice& out) {
  using Kind = ToolChoice::Kind;
  if (word == "auto") {
    out.kind = Kind::Auto;
  } else if (word == "none") {
    out.kind = Kind::None;
  } else if (word == "required" || word == "any") {
    out.kind = Kind::Required;
  } else {
    return false;
  }
  return true;
}

void read_allowed(const Value& allowed, const FieldPath& path, FieldReader& reader, ToolChoice& out) {
  out.kind = ToolChoice::Kind::Allowed;
  const std::string_view mode = reader.text(allowed.find("mode"), FieldPath(path, "mode"));
  if (mode != "required" && mode != "auto" && !mode.empty()) {
    reader.refuse(FieldPath(path, "mode"), "must be auto or required");
  }
  out.must_call = mode == "required";
  const FieldPath tools(path, "tools");
  if (!allowed.find("tools").is(Kind::Array)) reader.refuse(tools, "must be a list of tools");
  std::size_t index = 0;
  for (const Value tool : allowed.find("tools").elements()) {
    out.allowed.push_back(read_named(tool, FieldPath(tools, index++), reader));
  }
}

constexpr std::string_view kChoices =
    "must be none, auto, required, or an object of type function, custom or allowed_tools";

}  // namespace

void read_tools(const Value& list, const FieldPath& path, FieldReader& reader, ChatRequest& request) {
  request.tools.clear();
  request.legacy_functions = false;
  if (!list.is(Kind::Array)) reader.refuse(path, "must be a list of tools");
  std::size_t index = 0;
  for (const Value tool : list.elements()) {
    read_tool(tool, FieldPath(path, index++), reader, request.tools.emplace_back());
    if (reader.failed()) return;
  }
}

void read_functions(const Value& list, const FieldPath& path, FieldReader& reader, ChatRequest& request) {
  request.legacy_functions = true;
  if (!list.is(Kind::Array)) reader.refuse(path, "must be a list of functions");
  std::size_t index = 0;
  for (const Value function : list.elements()) {
    Tool& tool = request.tools.emplace_back();
    tool.json = function.raw();
    read_function(function, FieldPath(path, index++), reader, tool);
    if (reader.failed()) return;
  }
}

void read_tool_choice(const Value& value, const FieldPath& path, FieldReader& reader, ToolChoice& out) {
  out = {};
  if (value.is(Kind::String)) {
    if (!read_choice_word(reader.text(value, path), out)) reader.refuse(path, kChoices);
    return;
  }
  if (!value.is(Kind::Object)) {
    reader.refuse(path, kChoices);
    return;
  }
  const std::string_view type = reader.text(value.find("type"), FieldPath(path, "type"));
  if (type == "allowed_tools") {
    const FieldPath at(path, "allowed_tools");
    // The Responses API writes it flat.
    const Value inner = value.find("allowed_tools");
    read_allowed(inner ? inner : value, inner ? at : path, reader, out);
  } else if (type == "function" || type == "custom" || type == "tool" || type.empty()) {
    out.kind = ToolChoice::Kind::Named;
    out.name = read_named(value, path, reader);
  } else if (!read_choice_word(type, out)) {
    reader.refuse(FieldPath(path, "type"), kChoices);
  }
}

void read_function_call(const Value& value, const FieldPath& path, FieldReader& reader, ToolChoice& out) {
  out = {};
  if (value.is(Kind::Object)) {
    out.kind = ToolChoice::Kind::Named;
    out.name = reader.required_text(value.find("name"), FieldPath(path, "name"));
  } else if (!read_choice_word(reader.text(value, path), out)) {
    reader.refuse(path, "must be none, auto or an object with 'name'");
  }
}

void read_response_format(const Value& value, const FieldPath& path, FieldReader& reader, ResponseFormat& out) {
  using Format = ResponseFormat::Kind;
  out = {};
  if (!value.is(Kind::Object)) {
    reader.refuse(path, "must be an object");
    return;
  }
  const std::string_view type = reader.required_text(value.find("type"), FieldPath(path, "type"));
  if (type == "text") {
    out.kind = Format::Text;
  } else if (type == "json_object") {
    out.schema_json = reader.object(value.find("response_schema"), FieldPath(path, "response_schema"));
    out.kind = out.schema_json.empty() ? Format::JsonObject : Format::JsonSchema;
  } else if (type == "json_schema") {
    out.kind = Format::JsonSchema;
    const FieldPath at(path, "json_schema");
    const Value schema = value.find("json_schema");
    if (reader.object(schema, at).empty()) reader.refuse(at, "is required");
    out.name = reader.text(schema.find("name"), FieldPath(at, "name"));
    out.description = reader.text(schema.find("description"), FieldPath(at, "description"));
    out.schema_json = reader.object(schema.find("schema"), FieldPath(at, "schema"));
    out.strict = reader.flag(schema.find("strict"), FieldPath(at, "strict"));
  } else {
    reader.refuse(FieldPath(path, "type"), "must be text, json_object or json_schema");
  }
}

}  // namespace turnpike::protocol
