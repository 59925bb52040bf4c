#include <algorithm>
#include <array>

#include "codec/gemini_request.h"
#include "codec/json_schema_subset.h"
#include "codec/parts.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using json::Writer;
using protocol::ChatRequest;
using protocol::Tool;
using protocol::ToolChoice;

constexpr std::array<std::string_view, 14> kOwnTools = {
    "googleSearch", "googleSearchRetrieval", "enterpriseWebSearch", "codeExecution", "urlContext",
    "googleMaps",   "computerUse",           "fileSearch",          "retrieval",     "functionDeclarations",
    "mcpServers",   "exaAiSearch",           "parallelAiSearch",    "vertexAiSearch"};

tl::unexpected<Error> refuse(std::string param, std::string message) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = std::move(param);
  error.message = std::move(message);
  return base::fail(std::move(error));
}

/// A tool that Google runs: its member of `tools[]` and what stands there.
struct OwnTool {
  std::string name;
  std::string json = "{}";
};

// In Google's words ({"googleSearch":{}}, also google_search), or in the words of others for the same thing.
std::optional<OwnTool> own_tool(const Tool& tool) {
  json::Document document;
  if (!document.parse(tool.json)) return std::nullopt;
  for (const Value::Pair& pair : document.root().members()) {
    const std::string name = camel_case(pair.key.inner());
    if (std::find(kOwnTools.begin(), kOwnTools.end(), name) != kOwnTools.end()) {
      return OwnTool{name, std::string(pair.value.raw())};
    }
  }
  const std::string type = document.root().find("type").text().value_or("");
  const auto begins = [&type](std::string_view word) { return type.starts_with(word); };
  if (begins("web_search") || begins("google_search")) return OwnTool{"googleSearch"};
  if (begins("code_interpreter") || begins("code_execution")) return OwnTool{"codeExecution"};
  if (begins("web_fetch") || begins("url_context")) return OwnTool{"urlContext"};
  return std::nullopt;
}

// A list of names that must be called is said in `toolConfig`.
bool declared(const ToolChoice& choice, const Tool& tool) {
  return choice.must_call || allows(choice, tool);
}

Status write_declaration(const GeminiCall& call, const Tool& tool, std::size_t index, Writer& body) {
  body.begin_object().key("name").string(tool.name);
  if (!tool.description.empty()) body.key("description").string(tool.description);
  if (!tool.parameters_json.empty()) {
    const bool as_json_schema = call.model.takes_json_schema();
    Result<std::string> schema =
        as_json_schema ? gemini_json_schema(tool.parameters_json) : gemini_schema(tool.parameters_json, false);
    if (!schema) {
      const std::string param = "tools[" + std::to_string(index) + "].function.parameters";
      return refuse(param, "'" + param + "': " + schema.error().message);
    }
    // A function without parameters must not have the schema of an object without properties.
    const bool says_something = as_json_schema || schema->find("\"properties\"") != std::string::npos;
    if (says_something) body.key(as_json_schema ? "parametersJsonSchema" : "parameters").raw(*schema);
  }
  body.end_object();
  return {};
}

void write_choice(const ToolChoice& choice, Writer& body) {
  const auto write = [&body](std::string_view mode, const std::vector<std::string_view>& names) {
    body.key("toolConfig").begin_object().key("functionCallingConfig").begin_object().key("mode").string(mode);
    if (!names.empty()) {
      body.key("allowedFunctionNames").begin_array();
      for (const std::string_view name : names) body.string(name);
      body.end_array();
    }
    body.end_object().end_object();
  };
  switch (choice.kind) {
    case ToolChoice::Kind::Unset:
      break;
    case ToolChoice::Kind::Auto:
      write("AUTO", {});
      break;
    case ToolChoice::Kind::None:
      write("NONE", {});
      break;
    case ToolChoice::Kind::Required:
      write("ANY", {});
      break;
    case ToolChoice::Kind::Named:
      write("ANY", {choice.name});
      break;
    case ToolChoice::Kind::Allowed:
      // Names may be listed for ANY only; else the others are not declared at all.
      if (choice.must_call) {
        write("ANY", choice.allowed);
      } else {
        write("AUTO", {});
      }
      break;
  }
}

}  // namespace

Status write_gemini_tools(const GeminiCall& call, const ChatRequest& request, Writer& body) {
  std::vector<std::pair<std::size_t, const Tool*>> functions;
  std::vector<OwnTool> own;
  for (std::size_t i = 0; i < request.tools.size(); ++i) {
    const Tool& tool = request.tools[i];
    if (tool.kind == Tool::Kind::Function) {
      if (declared(request.tool_choice, tool)) functions.emplace_back(i, &tool);
      continue;
    }
    if (auto native = tool.kind == Tool::Kind::Native ? own_tool(tool) : std::nullopt) {
      const auto same = [&native](const OwnTool& other) { return other.name == native->name; };
      if (std::none_of(own.begin(), own.end(), same)) own.push_back(std::move(*native));
    } else if (!call.drop) {
      const std::string param = "tools[" + std::to_string(i) + "].type";
      return refuse(param,
                    "'" + param + "': Google's models have no tool of this type; set drop_params to leave it out");
    }
  }
  const auto searches = [](const OwnTool& tool) { return tool.name == "googleSearch"; };
  if (!request.web_search_options_json.empty() && std::none_of(own.begin(), own.end(), searches)) {
    own.push_back({"googleSearch"});
  }
  if (functions.empty() && own.empty()) return {};
  body.key("tools").begin_array();
  if (!functions.empty()) {
    body.begin_object().key("functionDeclarations").begin_array();
    for (const auto& [index, tool] : functions) {
      if (Status written = write_declaration(call, *tool, index, body); !written) return written;
    }
    body.end_array().end_object();
  }
  for (const OwnTool& tool : own) body.begin_object().key(tool.name).raw(tool.json).end_object();
  body.end_array();
  const auto says_how = [](const ChatRequest::Extra& extra) { return camel_case(extra.key) == "toolConfig"; };
  const bool own_words = std::any_of(request.extras.begin(), request.extras.end(), says_how);
  if (!functions.empty() && !own_words) write_choice(request.tool_choice, body);
  return {};
}

}  // namespace turnpike::codec
