#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/stop_reason.h"
#include "json/document.h"
#include "protocol/chat_reply.h"

namespace turnpike::codec {

/// Reads a whole answer of the Messages API.
///
/// Source: `Message` and `BetaMessage` of Anthropic's SDK.
/// Errors: an error object instead of an answer (AC-ERR-2), UpstreamMalformed.
Result<protocol::ChatReply> read_anthropic_reply(std::string_view body, std::string_view label);
/// The same of a parsed one. Views point into the document's text and the reply's own texts.
Result<protocol::ChatReply> read_anthropic_reply(const json::Value& root, std::string_view label);

/// Of a `stop_reason`; an empty one has not ended anything.
StopReason anthropic_stop(std::string_view reason);

/// "standard" is OpenAI's "default".
std::string_view anthropic_tier(std::string_view tier);

/// Under which name of `provider_specific_fields` a content block goes that OpenAI has no place for: server tools and
/// their results, compaction, files made. Empty: it has a place.
std::string_view native_list_of(std::string_view block_type);

/// Collects `provider_specific_fields`: lists by name, and single members.
class NativeFields {
 public:
  void append(std::string_view list, std::string_view json);
  void set(std::string_view name, const json::Value& value);  // Nothing when absent or null.
  /// An object; empty when there is nothing.
  std::string to_json() const;

 private:
  struct Field {
    std::string name;
    std::string json;
    bool list = false;
  };
  std::vector<Field> fields_;
};

/// A citation with the text it stands behind, as LiteLLM shows it.
std::string citation_with_text(const json::Value& citation, std::string_view text);

}  // namespace turnpike::codec
