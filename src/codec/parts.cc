#include "codec/parts.h"

#include <algorithm>

namespace turnpike::codec {
namespace {

std::string_view kind_of(const protocol::Block& block) {
  using Kind = protocol::Block::Kind;
  switch (block.kind) {
    case Kind::Text:
      return "text";
    case Kind::Image:
      return "images";
    case Kind::Audio:
      return "audio";
    case Kind::Document:
      return "documents";
    case Kind::Video:
      return "video";
    case Kind::Thinking:
    case Kind::RedactedThinking:
      return "thinking";
    case Kind::ToolUse:
    case Kind::ToolResult:
      return "tool calls";
    case Kind::Refusal:
      return "refusals";
    case Kind::Native:
      break;
  }
  return "content of this type";
}

}  // namespace

std::string media_url(const protocol::Media& media) {
  if (!media.url.empty()) return std::string(media.url);
  std::string url = "data:";
  url.append(media.mime.empty() ? "application/octet-stream" : media.mime).append(";base64,").append(media.base64);
  return url;
}

bool allows(const protocol::ToolChoice& choice, const protocol::Tool& tool) {
  return choice.kind != protocol::ToolChoice::Kind::Allowed ||
         std::find(choice.allowed.begin(), choice.allowed.end(), tool.name) != choice.allowed.end();
}

void write_function(const protocol::Tool& tool, json::Writer& writer) {
  writer.begin_object().key("type").string("function").key("function").begin_object();
  writer.key("name").string(tool.name);
  if (!tool.description.empty()) writer.key("description").string(tool.description);
  writer.key("parameters");
  writer.raw(tool.parameters_json.empty() ? R"({"type":"object","properties":{}})" : tool.parameters_json);
  writer.end_object().end_object();
}

tl::unexpected<Error> refuse_part(const EncodeInput& input, const protocol::Block& block, std::size_t position) {
  const std::string param = "messages[" + std::to_string(position) + "].content";
  return refuse_param(input, param, "takes no " + std::string(kind_of(block)) + " here (" + param + ")");
}

tl::unexpected<Error> refuse_empty_messages() {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.message = "'messages' must hold a message that is no system message and not empty";
  error.param = "messages";
  return base::fail(std::move(error));
}

tl::unexpected<Error> refuse_param(const EncodeInput& input, std::string_view param, std::string_view why) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.message = std::string(input.target.provider->label) + " " + std::string(why);
  error.param = param;
  return base::fail(std::move(error));
}

}  // namespace turnpike::codec
