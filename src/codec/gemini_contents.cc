#include <algorithm>

#include "base/text.h"
#include "codec/gemini_request.h"

namespace turnpike::codec {
namespace {

using json::Kind;
using json::Value;
using json::Writer;
using protocol::Block;
using protocol::ChatRequest;
using protocol::Media;
using protocol::Message;
using protocol::Role;

constexpr std::string_view kFilesHost = "https://generativelanguage.googleapis.com/";

// Google's names where the usual ones differ, and what has no name.
std::string mime_of(const Media& media, Block::Kind kind) {
  if (!media.mime.empty()) return std::string(media.mime);
  if (media.format == "pcm16") return "audio/l16";
  if (!media.format.empty()) return "audio/" + std::string(media.format);
  switch (kind) {
    case Block::Kind::Image:
      return "image/jpeg";
    case Block::Kind::Audio:
      return "audio/wav";
    case Block::Kind::Video:
      return "video/mp4";
    default:
      return "application/pdf";
  }
}

std::string_view resolution_of(std::string_view detail) {
  if (detail == "low") return "MEDIA_RESOLUTION_LOW";
  if (detail == "medium") return "MEDIA_RESOLUTION_MEDIUM";
  if (detail == "high") return "MEDIA_RESOLUTION_HIGH";
  if (detail == "ultra_high") return "MEDIA_RESOLUTION_ULTRA_HIGH";
  return {};
}

bool is_media(const Block& block) {
  return block.kind == Block::Kind::Image || block.kind == Block::Kind::Audio || block.kind == Block::Kind::Document ||
         block.kind == Block::Kind::Video;
}

// A part in Google's own words inside an OpenAI message: the members Google knows; empty when there are none.
std::string own_part(const Block& block) {
  constexpr std::string_view kNames[] = {"executableCode", "codeExecutionResult", "inlineData",    "fileData",
                                         "functionCall",   "functionResponse",    "videoMetadata", "thoughtSignature"};
  json::Document document;
  if (!document.parse(block.json)) return {};
  std::string part;
  Writer writer(part);
  bool any = false;
  writer.begin_object();
  for (const std::string_view name : kNames) {
    if (const Value value = document.root().find(name)) {
      writer.key(name).raw(value.raw());
      any = true;
    }
  }
  writer.end_object();
  return any ? part : std::string();
}

tl::unexpected<Error> refuse(std::string_view what) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = "messages";
  error.message = std::string(what) + " cannot be sent to a model of Google's";
  return base::fail(std::move(error));
}

/// What a tool returned, as `response`: an object as it is, anything else under `output` or `error`.
void write_response(const Block& result, Writer& body) {
  std::string text;
  for (const Block& part : result.parts) text += part.text;
  json::Document document;
  if (!result.is_error && document.parse(text) && document.root().is(Kind::Object)) {
    body.raw(base::trim(text));
    return;
  }
  body.begin_object().key(result.is_error ? "error" : "output").string(text).end_object();
}

// The signature of an assistant's text, which stands beside the message: clients that keep it send it back.
std::string text_signature(const Message& message) {
  if (message.json.find("thought_signatures") == std::string_view::npos) return {};
  json::Document document;
  if (!document.parse(message.json)) return {};
  for (const Value signature : document.root().find("provider_specific_fields").find("thought_signatures").elements()) {
    return signature.text().value_or("");
  }
  return {};
}

/// Writes `contents` one message after the other; neighbours of one role share a content.
class ContentWriter {
 public:
  ContentWriter(const GeminiCall& call, const ChatRequest& request, Writer& body)
      : call_(call), request_(request), body_(body) {}

  Status write(const std::vector<std::string>& system_texts);

 private:
  enum class Open : std::uint8_t { Nothing, User, Model, Results };

  void open(Open what);
  Status write_user(const Message& message);
  Status write_assistant(const Message& message);
  Status write_results(std::size_t first, std::size_t end);
  Status write_media(const Block& block);
  void write_text(std::string_view text, std::string_view signature = {}, bool thought = false);
  void write_call(const Block& block, bool first_of_content);
  Status write_own(const Block& block) {
    const std::string part = own_part(block);
    if (part.empty()) return refuse("a part of type \"" + std::string(block.name) + "\"");
    body_.raw(part);
    return {};
  }

  const GeminiCall& call_;
  const ChatRequest& request_;
  Writer& body_;
  Open open_ = Open::Nothing;
  bool text_seen_ = false;  // In the open content of a user.
  bool called_ = false;     // A function, in the open content of the model.
  const Message* last_assistant_ = nullptr;
};

void ContentWriter::open(Open what) {
  if (open_ == what) return;
  // Vertex refuses a turn of pictures alone.
  if (open_ == Open::User && !text_seen_) write_text(" ");
  if (open_ != Open::Nothing) body_.end_array().end_object();
  // The model calls functions only behind a user's turn.
  const bool first = open_ == Open::Nothing;
  if (first && what == Open::Model && call_.input.target.modify_params) {
    body_.raw(R"({"role":"user","parts":[{"text":"."}]})");
  }
  open_ = what;
  text_seen_ = false;
  called_ = false;
  if (what == Open::Nothing) return;
  body_.begin_object().key("role").string(what == Open::Model ? "model" : "user").key("parts").begin_array();
}

void ContentWriter::write_text(std::string_view text, std::string_view signature, bool thought) {
  body_.begin_object().key("text").string(text);
  if (thought) body_.key("thought").boolean(true);
  if (!signature.empty()) body_.key("thoughtSignature").string(signature);
  body_.end_object();
  text_seen_ = true;
}

Status ContentWriter::write_media(const Block& block) {
  const Media& media = block.media;
  const std::string mime = mime_of(media, block.kind);
  if (media.base64.empty() && media.url.empty() && media.file_id.empty()) return refuse("audio of an earlier answer");
  body_.begin_object();
  if (!media.base64.empty()) {
    body_.key("inlineData").begin_object().key("mimeType").string(mime);
    body_.key("data").string(media.base64).end_object();
  } else {
    std::string address(media.url);
    if (address.empty()) {
      // "files/abc" of the Files API is named by its whole address.
      const bool short_form = media.file_id.starts_with("files/");
      address = (short_form ? std::string(kFilesHost) + "v1beta/" : std::string()) + std::string(media.file_id);
    }
    body_.key("fileData").begin_object().key("mimeType").string(mime).key("fileUri").string(address).end_object();
  }
  const std::string_view resolution = resolution_of(media.detail);
  if (call_.model.third() && !resolution.empty()) {
    body_.key("mediaResolution").begin_object().key("level").string(resolution).end_object();
  }
  body_.end_object();
  return {};
}

Status ContentWriter::write_user(const Message& message) {
  for (const Block& block : message.blocks) {
    if (block.kind == Block::Kind::Text && block.text.empty()) continue;
    open(Open::User);
    if (block.kind == Block::Kind::Text) {
      write_text(block.text);
    } else if (is_media(block)) {
      if (Status written = write_media(block); !written) return written;
    } else if (Status written = write_own(block); !written) {
      return written;
    }
  }
  return {};
}

void ContentWriter::write_call(const Block& block, bool first_of_content) {
  std::string_view signature = block.signature;
  if (signature.empty() && first_of_content && call_.model.wants_signatures()) signature = kNoSignature;
  body_.begin_object().key("functionCall").begin_object();
  // Vertex AI v1 does not know ids.
  if (!call_.vertex && !block.id.empty()) body_.key("id").string(block.id);
  body_.key("name").string(block.name).key("args");
  if (block.custom) {
    body_.begin_object().key("input").string(block.text).end_object();
  } else {
    body_.raw(block.text.empty() ? "{}" : block.text);
  }
  body_.end_object();
  if (!signature.empty()) body_.key("thoughtSignature").string(signature);
  body_.end_object();
}

Status ContentWriter::write_assistant(const Message& message) {
  last_assistant_ = &message;
  // One signature among parallel calls is enough; whose it is was the model's choice.
  const bool signed_already = std::any_of(message.blocks.begin(), message.blocks.end(), [](const Block& block) {
    return block.kind == Block::Kind::ToolUse && !block.signature.empty();
  });
  std::string signature = text_signature(message);
  for (const Block& block : message.blocks) {
    switch (block.kind) {
      case Block::Kind::Text:
      case Block::Kind::Refusal:
        if (block.text.empty() && block.signature.empty()) continue;
        open(Open::Model);
        write_text(block.text, block.signature.empty() ? signature : block.signature);
        signature.clear();
        break;
      case Block::Kind::Thinking:
        // Its signature may be another provider's, which Google refuses as corrupted; none is needed here.
        if (block.text.empty()) continue;
        open(Open::Model);
        write_text(block.text, {}, true);
        break;
      case Block::Kind::ToolUse:
        open(Open::Model);
        write_call(block, !called_ && !signed_already);
        called_ = true;
        break;
      case Block::Kind::Image:
      case Block::Kind::Audio:
      case Block::Kind::Document:
      case Block::Kind::Video:
        open(Open::Model);
        if (Status written = write_media(block); !written) return written;
        break;
      case Block::Kind::Native:
        open(Open::Model);
        if (Status written = write_own(block); !written) return written;
        break;
      case Block::Kind::RedactedThinking:  // Nobody else can read it.
      case Block::Kind::ToolResult:
        break;
    }
  }
  return {};
}

// Google wants the answers to one turn's calls in one content, in the order of the calls.
Status ContentWriter::write_results(std::size_t first, std::size_t end) {
  const auto place_of_call = [this](std::string_view id) {
    std::size_t at = 0;
    if (last_assistant_ == nullptr) return at;
    for (const Block& block : last_assistant_->blocks) {
      if (block.kind == Block::Kind::ToolUse && block.id == id) break;
      ++at;
    }
    return at;
  };
  struct Placed {
    std::size_t call;
    std::size_t message;
    const Block* block;
    bool operator<(const Placed& other) const {
      return call != other.call ? call < other.call : message < other.message;
    }
  };
  std::vector<Placed> results;
  for (std::size_t i = first; i < end; ++i) {
    for (const Block& block : request_.messages[i].blocks) {
      if (block.kind == Block::Kind::ToolResult) results.push_back({place_of_call(block.id), i, &block});
    }
  }
  std::sort(results.begin(), results.end());
  open(Open::Results);
  for (const Placed& result : results) {
    body_.begin_object().key("functionResponse").begin_object();
    if (!call_.vertex && !result.block->id.empty()) body_.key("id").string(result.block->id);
    body_.key("name").string(result.block->name).key("response");
    write_response(*result.block, body_);
    body_.end_object().end_object();
  }
  for (const Placed& result : results) {
    for (const Block& part : result.block->parts) {
      if (!is_media(part)) continue;
      if (Status written = write_media(part); !written) return written;
    }
  }
  return {};
}

Status ContentWriter::write(const std::vector<std::string>& system_texts) {
  for (const std::string& text : system_texts) {
    open(Open::User);
    write_text(text);
  }
  const std::vector<Message>& messages = request_.messages;
  bool any = !system_texts.empty();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    Status written;
    switch (messages[i].role) {
      case Role::System:
      case Role::Developer:
        continue;
      case Role::User:
        written = write_user(messages[i]);
        break;
      case Role::Assistant:
        written = write_assistant(messages[i]);
        break;
      case Role::Tool: {
        std::size_t end = i + 1;
        while (end < messages.size() && messages[end].role == Role::Tool) ++end;
        written = write_results(i, end);
        i = end - 1;
        break;
      }
    }
    if (!written) return written;
    any |= open_ != Open::Nothing;
  }
  if (!any) {
    open(Open::User);
    write_text(".");
  }
  open(Open::Nothing);
  return {};
}

std::vector<std::string> system_texts(const ChatRequest& request) {
  std::vector<std::string> texts;
  for (const Message& message : request.messages) {
    if (message.role != Role::System && message.role != Role::Developer) continue;
    std::string text;
    for (const Block& block : message.blocks) text += block.text;
    if (!text.empty()) texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace

bool gemini_needs_bytes(const Media& media, const GeminiCall& call) {
  if (media.url.empty() || media.url.starts_with("gs://") || media.url.starts_with(kFilesHost)) return false;
  if (media.url.starts_with("http://")) return true;
  // Videos are named by the address of their page.
  for (const std::string_view host : {"https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/"}) {
    if (media.url.starts_with(host)) return false;
  }
  return media.mime.empty() || !call.model.fetches_urls();
}

Status write_gemini_contents(const GeminiCall& call, ChatRequest& request, Writer& body) {
  const std::vector<std::string> texts = system_texts(request);
  const bool apart = !call.input.traits.lacks(domain::Trait::SystemMessages);
  if (apart && !texts.empty()) {
    body.key("systemInstruction").begin_object().key("parts").begin_array();
    for (const std::string& text : texts) body.begin_object().key("text").string(text).end_object();
    body.end_array().end_object();
  }
  body.key("contents").begin_array();
  ContentWriter writer(call, request, body);
  if (Status written = writer.write(apart ? std::vector<std::string>() : texts); !written) return written;
  body.end_array();
  return {};
}

}  // namespace turnpike::codec
