#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/block.h"
#include "protocol/chat_reply.h"
#include "protocol/media.h"
#include "protocol/openai_write.h"

namespace turnpike::protocol {

/// The parts of an answer that look the same whole and streamed, appended as JSON.
void append_annotation(std::string& out, const Citation& citation);
void append_image(std::string& out, const Media& media, std::uint64_t index);
/// LiteLLM's block of a message's `thinking_blocks`; an empty signature is left out.
void append_thinking(std::string& out, std::string_view thought, std::string_view signature);
void append_redacted_thinking(std::string& out, std::string_view data);
/// `{"native_finish_reason":"..."}` behind its name; nothing when there is none.
void append_native_finish(std::string& out, std::string_view native_finish);

/// The caller's own word for a tool that was sent under another name.
std::string_view callers_name(const AnswerTerms& terms, std::string_view sent_name);

/// Ids for the calls of one answer whose provider gives none: "call_" and 28 hexadecimal digits, made of the answer's
/// own id, so that the same answer gets the same ids.
class CallIds {
 public:
  explicit CallIds(std::string_view answer_id);
  /// The id a caller sees: the provider's or a made one, with the signature that must come back with it.
  std::string shown(std::string_view id, std::uint64_t choice, std::uint64_t tool, std::string_view signature) const;

 private:
  std::string stem_;
};

/// An answer asked for with the JSON tool may be wrapped in one more object, {"values": ...} or {"properties": ...}, by
/// models that mistake the schema for the data: what is inside is the answer.
std::string_view unwrap_json_answer(std::string_view arguments);
/// Whether the front of such an answer looks like a wrapper: No and Yes are final, Maybe waits for more.
enum class Wrapped : std::uint8_t { No, Maybe, Yes };
Wrapped looks_wrapped(std::string_view front);

}  // namespace turnpike::protocol
