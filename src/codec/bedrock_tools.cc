#include "codec/bedrock_tools.h"

#include <algorithm>

#include "codec/anthropic_schema.h"
#include "codec/bedrock_messages.h"
#include "codec/bedrock_request.h"
#include "codec/json_schema_subset.h"
#include "codec/parts.h"
#include "json/write.h"

namespace turnpike::codec {
namespace {

using domain::Trait;
using protocol::Param;
using protocol::Tool;
using protocol::ToolChoice;

constexpr std::string_view kNoParameters = R"({"type":"object","properties":{}})";
// Stands where Converse wants tools and the call has none; nobody calls it.
constexpr std::string_view kDummy =
    R"({"toolSpec":{"name":"dummy_tool","description":"Not to be called.","inputSchema":{"json":{"type":"object","properties":{}}}}})";

Result<std::string> schema_of(const Tool& tool, bool strict) {
  if (tool.parameters_json.empty()) return std::string(kNoParameters);
  std::string schema(tool.parameters_json);
  if (schema.find("\"$ref\"") != std::string::npos) {
    Result<std::string> flat = gemini_json_schema(schema);
    if (!flat) return flat;
    schema = std::move(*flat);
  }
  if (strict) schema = anthropic_schema(schema);
  json::Document document;
  if (!document.parse(schema) || !document.root().is(json::Kind::Object)) {
    return base::fail(ErrorKind::InvalidRequest, "a schema is an object");
  }
  // Converse asks for an object's schema; callers leave its type out.
  const bool empty = document.root().members().begin() == document.root().members().end();
  if (!document.root().find("type")) schema.insert(1, empty ? R"("type":"object")" : R"("type":"object",)");
  return schema;
}

class ToolWriter {
 public:
  ToolWriter(protocol::ChatRequest& request, const EncodeInput& input, const protocol::ParamPolicy& policy,
             ToolNames& names)
      : request_(request), input_(input), policy_(policy), names_(names) {}

  Result<BedrockTools> write(bool history_has_tools, bool thinks);

 private:
  Status add(const Tool& tool, std::size_t index);
  Status add_native(const Tool& tool, std::size_t index);
  Status add_function(const Tool& tool, std::size_t index);
  /// Drops the choice where dropping was asked for, else refuses it as a parameter that is not taken.
  Status refuse_choice();
  Status settle_choice(bool history_has_tools, bool thinks);
  std::string choice() const;

  protocol::ChatRequest& request_;
  const EncodeInput& input_;
  const protocol::ParamPolicy& policy_;
  ToolNames& names_;
  BedrockTools out_;
  std::string tools_;
};

Status ToolWriter::add_function(const Tool& tool, std::size_t index) {
  const domain::ModelTraits& traits = input_.traits;
  const bool strict =
      tool.strict == true && traits.has(Trait::NativeStructuredOutput) && !traits.lacks(Trait::StrictTools);
  Result<std::string> schema = schema_of(tool, strict);
  if (!schema) {
    const std::string path = "tools[" + std::to_string(index) + "].function.parameters";
    return refuse_param(input_, path, "cannot take " + path + ": " + schema.error().message);
  }
  std::string& out = tools_;
  out.append(out.empty() ? "" : ",").append("{\"toolSpec\":{\"name\":").append(json::quoted(names_.sent(tool.name)));
  out.append(",\"description\":").append(json::quoted(tool.description.empty() ? tool.name : tool.description));
  out.append(",\"inputSchema\":{\"json\":").append(*schema).append("}");
  if (strict) out += ",\"strict\":true";
  out += "}}";
  append_cache_point(out, tool.cache, traits);
  return {};
}

/// Converse's own tools as they are; a maker's own ("computer_20250124" of Claude) go to its model unseen.
Status ToolWriter::add_native(const Tool& tool, std::size_t index) {
  json::Document document;
  if (document.parse(tool.json)) {
    const json::Value root = document.root();
    for (const std::string_view own : {"toolSpec", "systemTool", "cachePoint"}) {
      if (!root.find(own)) continue;
      tools_.append(tools_.empty() ? "" : ",").append("{").append(json::quoted(own)).append(":");
      tools_.append(root.find(own).raw()).append("}");
      return {};
    }
    if (bedrock_maker(input_.target) == BedrockMaker::Anthropic && root.find("type").is(json::Kind::String)) {
      out_.foreign.push_back(tool.json);
      return {};
    }
  }
  const std::string path = "tools[" + std::to_string(index) + "].type";
  return refuse_param(input_, path, "has no tool like " + path);
}

Status ToolWriter::add(const Tool& tool, std::size_t index) {
  switch (tool.kind) {
    case Tool::Kind::Function:
      return add_function(tool, index);
    case Tool::Kind::Native:
      return add_native(tool, index);
    case Tool::Kind::Custom:
      break;
  }
  const std::string path = "tools[" + std::to_string(index) + "].type";
  return refuse_param(input_, path, "has no custom tools (" + path + ")");
}

Status ToolWriter::refuse_choice() {
  return protocol::fit_params(request_, protocol::ParamSet::all().without({Param::ToolChoice}), policy_,
                              input_.target.provider->label, input_.target.model);
}

/// Converse cannot forbid its tools; Claude forces none while it thinks.
Status ToolWriter::settle_choice(bool history_has_tools, bool thinks) {
  using Kind = ToolChoice::Kind;
  ToolChoice& choice = request_.tool_choice;
  if (choice.kind == Kind::None) {
    if (history_has_tools) return refuse_choice();
    request_.tools.clear();
    choice = {};
    return {};
  }
  if (choice.kind == Kind::Allowed) {
    std::erase_if(request_.tools, [&](const Tool& tool) { return !allows(choice, tool); });
    choice.kind = choice.must_call ? Kind::Required : Kind::Auto;
  }
  const bool forced = choice.kind == Kind::Required || choice.kind == Kind::Named;
  if (forced && thinks && bedrock_maker(input_.target) == BedrockMaker::Anthropic) return refuse_choice();
  return {};
}

std::string ToolWriter::choice() const {
  const ToolChoice& choice = request_.tool_choice;
  if (input_.traits.lacks(Trait::ToolChoice)) return {};
  switch (choice.kind) {
    case ToolChoice::Kind::Required:
      return "{\"any\":{}}";
    case ToolChoice::Kind::Named:
      return "{\"tool\":{\"name\":" + json::quoted(names_.sent(choice.name)) + "}}";
    case ToolChoice::Kind::Auto:
      return "{\"auto\":{}}";
    default:
      return {};
  }
}

Result<BedrockTools> ToolWriter::write(bool history_has_tools, bool thinks) {
  if (Status settled = settle_choice(history_has_tools, thinks); !settled)
    return base::fail(std::move(settled.error()));
  for (std::size_t i = 0; i < request_.tools.size(); ++i) {
    if (Status added = add(request_.tools[i], i); !added) return base::fail(std::move(added.error()));
  }
  if (request_.given.has(Param::WebSearchOptions) && bedrock_maker(input_.target) == BedrockMaker::Amazon) {
    tools_.append(tools_.empty() ? "" : ",").append(R"({"systemTool":{"name":"nova_grounding"}})");
  }
  if (tools_.empty() && history_has_tools) {
    if (!policy_.modify) {
      return refuse_param(input_, "tools",
                          "wants tools where the conversation has tool calls; modify_params puts a dummy in");
    }
    tools_ = kDummy;
  }
  if (tools_.empty()) return out_;
  out_.config = "{\"tools\":[" + tools_ + "]";
  if (const std::string chosen = choice(); !chosen.empty() && !request_.tools.empty()) {
    out_.config.append(",\"toolChoice\":").append(chosen);
  }
  out_.config += "}";
  return out_;
}

}  // namespace

Result<BedrockTools> bedrock_tools(protocol::ChatRequest& request, const EncodeInput& input,
                                   const protocol::ParamPolicy& policy, ToolNames& names, bool history_has_tools,
                                   bool thinks) {
  return ToolWriter(request, input, policy, names).write(history_has_tools, thinks);
}

}  // namespace turnpike::codec
