#include <algorithm>
#include <array>

#include "protocol/media.h"
#include "protocol/openai_fields.h"

namespace turnpike::protocol {
namespace {

using json::Kind;
using json::Value;

enum Part : std::size_t {
  kType,
  kText,
  kCacheControl,
  kImageUrl,
  kInputAudio,
  kFile,
  kVideoUrl,
  kPartRefusal,
  kThinking,
  kSignature,
  kData,
  kPartCount
};
constexpr std::array<std::string_view, kPartCount> kPartNames = {
    "type",      "text",    "cache_control", "image_url", "input_audio", "file",
    "video_url", "refusal", "thinking",      "signature", "data"};

enum Said : std::size_t {
  kRole,
  kContent,
  kName,
  kMessageCache,
  kToolCalls,
  kToolCallId,
  kFunctionCall,
  kReasoningContent,
  kReasoning,
  kThinkingBlocks,
  kRefusal,
  kAudio,
  kImages,
  kIsError,
  kSaidCount
};
constexpr std::array<std::string_view, kSaidCount> kSaidNames = {
    "role",          "content",           "name",      "cache_control",   "tool_calls", "tool_call_id",
    "function_call", "reasoning_content", "reasoning", "thinking_blocks", "refusal",    "audio",
    "images",        "is_error"};
using SaidValues = std::array<Value, kSaidCount>;

Block::Kind kind_of_mime(std::string_view mime) {
  if (mime.starts_with("image/")) return Block::Kind::Image;
  if (mime.starts_with("audio/")) return Block::Kind::Audio;
  if (mime.starts_with("video/")) return Block::Kind::Video;
  return Block::Kind::Document;
}

bool is_thought(const Block& block) {
  return block.kind == Block::Kind::Thinking || block.kind == Block::Kind::RedactedThinking;
}

/// Reads the messages of one call in their order: tool results are matched with the calls before them.
class MessageReader {
 public:
  MessageReader(FieldReader& reader, ChatRequest& request) : reader_(reader), request_(request) {}

  void read(const Value& message, const FieldPath& path);

 private:
  void read_content(const Value& content, const FieldPath& path, std::vector<Block>& out);
  void read_part(const Value& part, const FieldPath& path, std::vector<Block>& out);
  void read_address_of(const Value& value, const FieldPath& path, Media& media);
  void read_image(const Value& value, const FieldPath& path, Block& block);
  void read_audio(const Value& value, const FieldPath& path, Block& block);
  void read_file(const Value& value, const FieldPath& path, Block& block);
  void read_assistant(const SaidValues& said, const FieldPath& path, std::vector<Block>& out);
  void read_thinking(const SaidValues& said, const FieldPath& path, std::vector<Block>& out);
  void read_images(const Value& list, const FieldPath& path, std::vector<Block>& out);
  void read_tool_call(const Value& call, const FieldPath& path, std::vector<Block>& out);
  void read_function_call(const Value& call, const FieldPath& path, std::vector<Block>& out);
  void read_tool_result(const SaidValues& said, const FieldPath& path, std::vector<Block>& out);
  void read_function_result(const SaidValues& said, const FieldPath& path, std::vector<Block>& out);

  struct Call {
    std::string_view id;
    std::string_view name;
    bool custom = false;
  };
  FieldReader& reader_;
  ChatRequest& request_;
  std::vector<Call> calls_;  // Of the assistant messages so far.
  std::size_t functions_called_ = 0;
};

// An image's `url` and the like: a string by itself or inside an object.
void MessageReader::read_address_of(const Value& value, const FieldPath& path, Media& media) {
  const bool inside = value.is(Kind::Object);
  const FieldPath inner(path, "url");
  const FieldPath& at = inside ? inner : path;
  const std::string_view address = reader_.required_text(inside ? value.find("url") : value, at);
  if (!reader_.failed() && !read_address(address, media)) {
    reader_.refuse(at, "must be an http(s), gs or s3 address or a base64 data URI");
  }
}

void MessageReader::read_image(const Value& value, const FieldPath& path, Block& block) {
  block.kind = Block::Kind::Image;
  read_address_of(value, path, block.media);
  block.media.detail = reader_.text(value.find("detail"), FieldPath(path, "detail"));
  const std::string_view mime = reader_.text(value.find("format"), FieldPath(path, "format"));
  if (!mime.empty()) block.media.mime = usual_mime(mime);
  if (block.media.mime.empty()) block.media.mime = mime_of_name(block.media.url);
}

void MessageReader::read_audio(const Value& value, const FieldPath& path, Block& block) {
  block.kind = Block::Kind::Audio;
  Media& media = block.media;
  media.format = reader_.text(value.find("format"), FieldPath(path, "format"));
  const std::string_view data = reader_.required_text(value.find("data"), FieldPath(path, "data"));
  if (!data.starts_with("data:")) {
    media.base64 = data;
    return;
  }
  if (!read_address(data, media)) reader_.refuse(FieldPath(path, "data"), "must be base64");
  constexpr std::string_view kAudioMime = "audio/";
  if (media.format.empty() && media.mime.starts_with(kAudioMime)) media.format = media.mime.substr(kAudioMime.size());
}

void MessageReader::read_file(const Value& value, const FieldPath& path, Block& block) {
  if (!value.is(Kind::Object)) reader_.refuse(path, "must be an object");
  Media& media = block.media;
  media.name = reader_.text(value.find("filename"), FieldPath(path, "filename"));
  const std::string_view data = reader_.text(value.find("file_data"), FieldPath(path, "file_data"));
  const std::string_view id = reader_.text(value.find("file_id"), FieldPath(path, "file_id"));
  if (!data.empty()) {
    // What is no address is base64 without its frame.
    if (!read_address(data, media)) {
      if (data.starts_with("data:")) reader_.refuse(FieldPath(path, "file_data"), "must be a base64 data URI");
      media.base64 = data;
    }
  } else if (id.empty()) {
    reader_.refuse(path, "must have 'file_data' or 'file_id'");
  } else if (!read_address(id, media)) {
    media.file_id = id;
  }
  const std::string_view mime = reader_.text(value.find("format"), FieldPath(path, "format"));
  if (!mime.empty()) media.mime = usual_mime(mime);
  if (media.mime.empty()) media.mime = mime_of_name(media.name);
  if (media.mime.empty()) media.mime = mime_of_name(media.url);
  block.kind = kind_of_mime(media.mime);
}

void MessageReader::read_part(const Value& part, const FieldPath& path, std::vector<Block>& out) {
  Block& block = out.emplace_back();
  if (part.is(Kind::String)) {
    block.text = reader_.text(part, path);
    return;
  }
  if (!part.is(Kind::Object)) {
    reader_.refuse(path, "must be an object");
    return;
  }
  std::array<Value, kPartCount> said;
  part.find_each(kPartNames, said);
  block.json = part.raw();
  block.cache = reader_.cache(said[kCacheControl], FieldPath(path, "cache_control"));
  const std::string_view type = reader_.required_text(said[kType], FieldPath(path, "type"));
  const auto path_to = [&](Part field) { return FieldPath(path, kPartNames[field]); };
  if (type == "text") {
    block.text = reader_.required_text(said[kText], path_to(kText));
  } else if (type == "image_url") {
    read_image(said[kImageUrl], path_to(kImageUrl), block);
  } else if (type == "input_audio") {
    read_audio(said[kInputAudio], path_to(kInputAudio), block);
  } else if (type == "file") {
    read_file(said[kFile], path_to(kFile), block);
  } else if (type == "video_url") {
    block.kind = Block::Kind::Video;
    read_address_of(said[kVideoUrl], path_to(kVideoUrl), block.media);
    if (block.media.mime.empty()) block.media.mime = mime_of_name(block.media.url);
  } else if (type == "refusal") {
    block.kind = Block::Kind::Refusal;
    block.text = reader_.required_text(said[kPartRefusal], path_to(kPartRefusal));
  } else if (type == "thinking") {
    block.kind = Block::Kind::Thinking;
    block.text = reader_.text(said[kThinking], path_to(kThinking));
    block.signature = reader_.text(said[kSignature], path_to(kSignature));
  } else if (type == "redacted_thinking") {
    block.kind = Block::Kind::RedactedThinking;
    block.text = reader_.text(said[kData], path_to(kData));
  } else {
    block.kind = Block::Kind::Native;
    block.name = type;
  }
}

void MessageReader::read_content(const Value& content, const FieldPath& path, std::vector<Block>& out) {
  if (content.is(Kind::String)) {
    out.emplace_back().text = reader_.text(content, path);
    return;
  }
  if (!content.is(Kind::Array)) {
    reader_.refuse(path, "must be a string or a list of parts");
    return;
  }
  std::size_t index = 0;
  for (const Value part : content.elements()) read_part(part, FieldPath(path, index++), out);
}

void MessageReader::read_thinking(const SaidValues& said, const FieldPath& path, std::vector<Block>& out) {
  const FieldPath blocks(path, "thinking_blocks");
  if (given(said[kThinkingBlocks])) {
    if (!said[kThinkingBlocks].is(Kind::Array)) reader_.refuse(blocks, "must be a list");
    std::size_t index = 0;
    for (const Value block : said[kThinkingBlocks].elements()) {
      const FieldPath at(blocks, index++);
      read_part(block, at, out);
      if (!is_thought(out.back())) reader_.refuse(at, "must be of type thinking or redacted_thinking");
    }
    if (!out.empty()) return;  // They say what `reasoning_content` repeats.
  }
  std::string_view thought = reader_.text(said[kReasoningContent], FieldPath(path, "reasoning_content"));
  if (thought.empty()) thought = reader_.text(said[kReasoning], FieldPath(path, "reasoning"));
  if (thought.empty()) return;
  Block& block = out.emplace_back();
  block.kind = Block::Kind::Thinking;
  block.text = thought;
}

void MessageReader::read_images(const Value& list, const FieldPath& path, std::vector<Block>& out) {
  std::size_t index = 0;
  for (const Value image : list.elements()) {
    Block& block = out.emplace_back();
    block.json = image.raw();
    read_image(image.find("image_url"), FieldPath(FieldPath(path, index++), "image_url"), block);
  }
}

void MessageReader::read_tool_call(const Value& call, const FieldPath& path, std::vector<Block>& out) {
  Block& block = out.emplace_back();
  block.kind = Block::Kind::ToolUse;
  block.json = call.is(Kind::Object) ? call.raw() : std::string_view();
  const SignedId id = split_signed_id(reader_.required_text(call.find("id"), FieldPath(path, "id")));
  block.id = id.id;
  block.signature = id.signature;
  block.custom = call.find("custom").is(Kind::Object);
  const std::string_view key = block.custom ? "custom" : "function";
  const Value named = call.find(key);
  const FieldPath at(path, key);
  block.name = reader_.required_text(named.find("name"), FieldPath(at, "name"));
  if (block.custom) {
    block.text = reader_.text(named.find("input"), FieldPath(at, "input"));
  } else {
    const Value arguments = named.find("arguments");
    block.text = arguments_object(
        arguments.is(Kind::Object) ? arguments.raw() : reader_.text(arguments, FieldPath(at, "arguments")),
        reader_.made());
  }
  calls_.push_back({block.id, block.name, block.custom});
}

// The older form has no ids: results follow their call.
void MessageReader::read_function_call(const Value& call, const FieldPath& path, std::vector<Block>& out) {
  Block& block = out.emplace_back();
  block.kind = Block::Kind::ToolUse;
  block.id = reader_.made().keep("call_function_" + std::to_string(functions_called_++));
  block.name = reader_.required_text(call.find("name"), FieldPath(path, "name"));
  block.text = arguments_object(reader_.text(call.find("arguments"), FieldPath(path, "arguments")), reader_.made());
  calls_.push_back({block.id, block.name, false});
}

void MessageReader::read_assistant(const SaidValues& said, const FieldPath& path, std::vector<Block>& out) {
  std::vector<Block> content;
  if (given(said[kContent])) read_content(said[kContent], FieldPath(path, "content"), content);
  for (const Block& block : content) {
    if (is_thought(block)) out.push_back(block);
  }
  if (out.empty()) read_thinking(said, path, out);
  for (const Block& block : content) {
    const bool empty = block.kind == Block::Kind::Text && block.text.empty();
    if (!is_thought(block) && !empty) out.push_back(block);
  }

  if (const std::string_view refusal = reader_.text(said[kRefusal], FieldPath(path, "refusal")); !refusal.empty()) {
    Block& block = out.emplace_back();
    block.kind = Block::Kind::Refusal;
    block.text = refusal;
  }
  if (given(said[kAudio])) {
    Block& block = out.emplace_back();
    block.kind = Block::Kind::Audio;
    block.id = reader_.required_text(said[kAudio].find("id"), FieldPath(FieldPath(path, "audio"), "id"));
  }
  read_images(said[kImages], FieldPath(path, "images"), out);

  const FieldPath calls(path, "tool_calls");
  if (given(said[kToolCalls]) && !said[kToolCalls].is(Kind::Array)) reader_.refuse(calls, "must be a list");
  std::size_t index = 0;
  for (const Value call : said[kToolCalls].elements()) read_tool_call(call, FieldPath(calls, index++), out);
  if (given(said[kFunctionCall]) && index == 0) {
    read_function_call(said[kFunctionCall], FieldPath(path, "function_call"), out);
  }
}

void MessageReader::read_tool_result(const SaidValues& said, const FieldPath& path, std::vector<Block>& out) {
  const FieldPath at(path, "tool_call_id");
  Block& block = out.emplace_back();
  block.kind = Block::Kind::ToolResult;
  block.id = split_signed_id(reader_.required_text(said[kToolCallId], at)).id;
  const auto call = std::find_if(calls_.rbegin(), calls_.rend(), [&](const Call& made) { return made.id == block.id; });
  if (call == calls_.rend()) {
    reader_.refuse(at, "answers no tool call of an earlier message");
    return;
  }
  block.name = call->name;
  block.custom = call->custom;
  block.is_error = reader_.flag(said[kIsError], FieldPath(path, "is_error")).value_or(false);
  if (given(said[kContent])) read_content(said[kContent], FieldPath(path, "content"), block.parts);
}

void MessageReader::read_function_result(const SaidValues& said, const FieldPath& path, std::vector<Block>& out) {
  const FieldPath at(path, "name");
  Block& block = out.emplace_back();
  block.kind = Block::Kind::ToolResult;
  block.name = reader_.required_text(said[kName], at);
  const auto call =
      std::find_if(calls_.rbegin(), calls_.rend(), [&](const Call& made) { return made.name == block.name; });
  if (call == calls_.rend()) {
    reader_.refuse(at, "answers no function call of an earlier message");
    return;
  }
  block.id = call->id;
  if (given(said[kContent])) read_content(said[kContent], FieldPath(path, "content"), block.parts);
}

void MessageReader::read(const Value& value, const FieldPath& path) {
  if (!value.is(Kind::Object)) {
    reader_.refuse(path, "must be an object");
    return;
  }
  SaidValues said;
  value.find_each(kSaidNames, said);
  Message& message = request_.messages.emplace_back();
  message.json = value.raw();
  message.name = reader_.text(said[kName], FieldPath(path, "name"));
  message.cache = reader_.cache(said[kMessageCache], FieldPath(path, "cache_control"));
  const FieldPath role_path(path, "role");
  const std::string_view role = reader_.required_text(said[kRole], role_path);
  const FieldPath content_path(path, "content");
  if (role == "assistant") {
    message.role = Role::Assistant;
    read_assistant(said, path, message.blocks);
  } else if (role == "tool") {
    message.role = Role::Tool;
    read_tool_result(said, path, message.blocks);
  } else if (role == "function") {
    message.role = Role::Tool;
    read_function_result(said, path, message.blocks);
  } else if (role == "user" || role == "system" || role == "developer") {
    message.role = role == "user" ? Role::User : role == "system" ? Role::System : Role::Developer;
    if (!given(said[kContent])) reader_.refuse(content_path, "is required");
    read_content(said[kContent], content_path, message.blocks);
  } else {
    reader_.refuse(role_path, "must be one of system, developer, user, assistant, tool, function");
  }
}

}  // namespace

void read_messages(const Value& list, const FieldPath& path, FieldReader& reader, ChatRequest& request) {
  if (!list.is(Kind::Array)) {
    reader.refuse(path, "must be a list of messages");
    return;
  }
  constexpr std::size_t kUsual = 8;
  request.messages.reserve(kUsual);
  MessageReader messages(reader, request);
  std::size_t index = 0;
  for (const Value message : list.elements()) {
    messages.read(message, FieldPath(path, index++));
    if (reader.failed()) return;
  }
}

}  // namespace turnpike::protocol
