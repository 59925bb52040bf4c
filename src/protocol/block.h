#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace turnpike::protocol {

/// A breakpoint for the provider's prompt cache, right behind what carries it.
struct CacheMark {
  bool set = false;
  std::string_view ttl;  // "5m", "1h"; empty: the provider's own.
};

/// Content that is no text. Exactly one of `base64`, `url` and `file_id` says where it is.
struct Media {
  std::string_view mime;     // "image/png"; empty: nobody said.
  std::string_view base64;   // Without "data:<mime>;base64,".
  std::string_view url;      // http, https, gs or s3.
  std::string_view file_id;  // In the provider's own store.
  std::string_view name;     // Of a file.
  std::string_view detail;   // Images: "low", "high", "auto", "medium", "ultra_high".
  std::string_view format;   // Audio: "wav", "mp3", "pcm16", ...
};

/// One piece of a message, asked or answered: the union of what the dialects can say. All texts are un-escaped views
/// into the message's JSON or into the `Texts` of the request or reply that holds the block.
struct Block {
  enum class Kind : std::uint8_t {
    Text,
    Image,
    Audio,
    Document,
    Video,
    Thinking,          // `text` is what was thought (may be empty with a signature), `signature` the provider's seal.
    RedactedThinking,  // `text` is the opaque data.
    ToolUse,           // `id`, `name`, `text` the arguments as JSON text (free text if `custom`).
    ToolResult,        // `id` of the call it answers, `parts` what came back.
    Refusal,
    Native,  // A part of one provider's dialect, as written in `json`.
  };
  Kind kind = Kind::Text;
  bool is_error = false;  // ToolResult: the tool failed.
  bool custom = false;    // ToolUse, ToolResult: of a custom (free text) tool.
  std::string_view text;
  std::string_view signature;  // Thinking; ToolUse and Text of Gemini.
  std::string_view id;
  std::string_view name;
  Media media;
  std::vector<Block> parts;
  CacheMark cache;
  std::string_view json;  // The part as written, where one object was this block: for members that have no field here.
};

}  // namespace turnpike::protocol
