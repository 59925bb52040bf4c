#include "codec/chat_codec.h"
#include "json/document.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using protocol::ChatRequest;
using protocol::Param;
using protocol::ToolChoice;

bool thinks(const ChatRequest& request) {
  const auto kind = request.thinking.kind;
  if (kind != protocol::Thinking::Kind::Unset) return kind != protocol::Thinking::Kind::Disabled;
  const std::string_view effort = request.reasoning_effort;
  return !effort.empty() && effort != "none" && effort != "disable";
}

// A tool's parameters are an object: any other schema becomes the one member of an object.
std::string_view parameters_for(ChatRequest& request, protocol::AnswerTerms& terms) {
  const std::string_view schema_json = request.response_format.schema_json;
  json::Document document;
  if (schema_json.empty() || !document.parse(schema_json) || !document.root().is(Kind::Object)) {
    return R"({"type":"object","additionalProperties":true,"properties":{}})";
  }
  const Value schema = document.root();
  const Value type = schema.find("type");
  if (type.is(Kind::String) && type.inner() != "object") {
    std::string wrapped = R"({"type":"object","properties":{"values":)";
    wrapped.append(schema_json).append(R"(},"required":["values"],"additionalProperties":false})");
    return request.texts.keep(std::move(wrapped));
  }
  const Value properties = schema.find("properties");
  terms.unwrap_json = !properties.find("values") && !properties.find("properties");
  return schema_json;
}

}  // namespace

void use_json_tool(ChatRequest& request, protocol::AnswerTerms& terms) {
  terms.json_tool = true;
  protocol::Tool tool;
  tool.name = protocol::kJsonTool;
  tool.description = request.response_format.description;
  tool.parameters_json = parameters_for(request, terms);
  request.response_format = {};
  request.given.clear(Param::ResponseFormat);

  const bool alone = request.tools.empty() || request.tool_choice.kind == ToolChoice::Kind::None;
  const bool chosen = request.tool_choice.kind == ToolChoice::Kind::Named && !request.tools.empty();
  if (thinks(request)) {
    request.tool_choice = {};
    request.tool_choice.kind = ToolChoice::Kind::Auto;
  } else if (alone) {
    request.tool_choice = {};
    request.tool_choice.kind = ToolChoice::Kind::Named;
    request.tool_choice.name = protocol::kJsonTool;
  } else if (!chosen) {
    request.tool_choice = {};
    request.tool_choice.kind = ToolChoice::Kind::Required;
  }
  request.given.set(Param::ToolChoice);
  request.tools.push_back(tool);
  request.given.set(Param::Tools);
}

}  // namespace turnpike::codec
