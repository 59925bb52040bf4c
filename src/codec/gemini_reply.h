#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/usage.h"
#include "json/document.h"
#include "protocol/chat_event.h"
#include "protocol/chat_reply.h"
#include "protocol/texts.h"

namespace turnpike::codec {

/// `usageMetadata` as units. Thoughts are added to the candidates unless the total shows that they are counted there
/// already; what tools fed back to the model is input.
/// Nothing when it says nothing or what nobody believes.
std::optional<domain::Usage> read_gemini_usage(const json::Value& usage_metadata);

/// What a `finishReason` means; `called`: the candidate has called a function.
struct GeminiFinish {
  protocol::Finish finish = protocol::Finish::Stop;
  bool native = false;   // OpenAI has no word for it.
  bool botched = false;  // The model wrote a call nobody can read: an answer only if it said something else besides.
};
GeminiFinish gemini_finish(std::string_view reason, bool called);

/// An error of Google's: a body with `error`, also inside a list. Its RetryInfo is the wait unless a header says one.
Error read_gemini_error(int status, std::string_view body, std::string_view label, std::string_view retry_after,
                        std::int64_t now_s);

/// The text of a candidate so far, to turn byte offsets within a part into characters of the whole.
class GeminiText {
 public:
  enum class Kind : std::uint8_t { Text, Thought, Other };
  /// `joins`: a piece of the same kind goes on with the part before it, as in a stream.
  void add(Kind kind, std::string_view text, bool joins);
  std::uint64_t characters(std::uint64_t part, std::uint64_t byte) const;

 private:
  struct Part {
    Kind kind;
    std::size_t begin;
  };
  std::vector<Part> parts_;
  std::string text_;
};

/// Reads GenerateContentResponses, one or the fragments of a stream, as events. Views in them point into the JSON and
/// into the `texts` given.
///
/// Source: npm @google/genai (GenerateContentResponse); spec providers-google 4 and 5.
class GeminiReader {
 public:
  GeminiReader(std::string_view label, bool stream) : label_(label), stream_(stream) {}

  /// Errors: an `error` object (mapped); UpstreamInternal for an answer that is nothing but a botched function call.
  Status take(const json::Value& root, protocol::Texts& texts, std::vector<protocol::ChatEvent>& out);

  /// Every candidate seen has its finish, or the prompt was blocked.
  bool ended() const;
  const std::optional<domain::Usage>& usage() const { return usage_; }
  std::string_view service_tier() const { return tier_; }

 private:
  struct Candidate {
    std::uint32_t tools = 0;
    bool finished = false;
    GeminiText text;
    std::set<std::string> cited;  // Supports that have been given out; some repeat them with every fragment.
  };

  Status take_candidate(const json::Value& value);
  void take_part(const json::Value& part, std::uint32_t choice, Candidate& candidate);
  void take_call(const json::Value& call, std::string_view signature, std::uint32_t choice, Candidate& candidate);
  void take_media(const json::Value& blob, std::string_view signature, std::uint32_t choice);
  void take_grounding(const json::Value& grounding, std::uint32_t choice, Candidate& candidate);
  Status take_finish(const json::Value& value, std::uint32_t choice, Candidate& candidate);
  void take_usage(const json::Value& usage_metadata);
  protocol::ChatEvent& add(protocol::ChatEvent::Kind kind, std::uint32_t choice);
  void add_native(std::uint32_t choice, std::string_view name, std::string_view json);
  std::string_view text(const json::Value& value);

  std::string label_;
  bool stream_;
  bool started_ = false;
  bool blocked_ = false;  // The prompt.
  bool said_ = false;     // Something, by any candidate.
  std::map<std::uint32_t, Candidate> candidates_;
  std::optional<domain::Usage> usage_;
  std::map<std::uint32_t, std::uint64_t> searches_;  // Of the web, by candidate; billed beside the tokens.
  std::string tier_;
  // Of the call under way.
  protocol::Texts* texts_ = nullptr;
  std::vector<protocol::ChatEvent>* out_ = nullptr;
};

/// The events of one whole answer as a reply.
void fold_events(const std::vector<protocol::ChatEvent>& events, protocol::ChatReply& reply);

}  // namespace turnpike::codec
