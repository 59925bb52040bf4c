#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "credential/credential.h"
#include "domain/model_traits.h"
#include "json/splice.h"
#include "protocol/call_request.h"
#include "protocol/chat_event.h"
#include "protocol/chat_reply.h"
#include "protocol/chat_request.h"
#include "protocol/openai_reply.h"
#include "protocol/openai_write.h"
#include "protocol/reply_stream.h"
#include "provider/target.h"

namespace turnpike::codec {

/// A file that the gateway has fetched because the provider takes bytes only.
struct FetchedMedia {
  std::string mime;
  std::string base64;
};
using FetchedByUrl = std::unordered_map<std::string, FetchedMedia>;

/// Everything an encoder may look at. Pure: time and secrets come in here.
struct EncodeInput {
  EncodeInput(const protocol::CallRequest& call_in, const provider::Target& target_in,
              const credential::Credential& credential_in, const domain::ModelTraits& traits_in)
      : call(call_in), target(target_in), credential(credential_in), traits(traits_in) {}

  const protocol::CallRequest& call;
  const provider::Target& target;
  const credential::Credential& credential;
  domain::ModelTraits traits;
  std::string_view overrides_json;        // A request fallback's own parameters.
  bool ask_usage = true;                  // Add stream_options.include_usage to streams, where a shape has it.
  std::string_view traceparent;           // Forwarded when not empty.
  std::string_view forward_fields;        // Further rendered lines.
  std::int64_t now_s = 0;                 // Unix seconds, for signatures.
  const FetchedByUrl* fetched = nullptr;  // Null: nothing was fetched.
};

/// A request ready to be sent; the pieces point into the caller's body and into this object, which may be moved.
struct Encoded {
  std::string_view method = "POST";
  std::string path;    // With query.
  std::string fields;  // Rendered header lines.
  std::unique_ptr<json::Splice> splice;
  std::unique_ptr<std::string> text;
  std::vector<std::string_view> body;
  protocol::AnswerTerms terms;
  protocol::AnswerQuirks quirks;       // Of an answer in OpenAI's own shape.
  std::optional<http::Origin> origin;  // Where it goes, when not to the target's own.
  // What the answer is read by, of operations that write no text.
  bool base64_vectors = false;              // What the caller wants embeddings in.
  std::vector<std::string_view> documents;  // To come back with what is ranked.
  std::size_t results_max = 0;              // Of a ranking; 0: all.
  std::string answer_format;                // Of a transcript: response_format.
  std::vector<Encoded> more;                // Further requests whose answers make one with the first's.

  void set_body(std::string json) {
    text = std::make_unique<std::string>(std::move(json));
    body = {*text};
  }
};

/// An answer that is an error: what its codec may look at.
struct Refusal {
  int status = 0;
  std::string_view body;
  std::string_view label;        // The provider's, for messages.
  std::string_view retry_after;  // Header `retry-after`.
  std::string_view error_type;   // Header `x-amzn-errortype`.
  std::int64_t now_s = 0;
};

/// One wire dialect, both ways. Stateless; one object per shape.
///
/// Errors: of `encode`: InvalidRequest naming the parameter the target does not take; Internal never.
class Codec {
 public:
  virtual ~Codec() = default;

  virtual Result<Encoded> encode(const EncodeInput& input) const = 0;

  /// A whole 2xx answer as the caller gets it, appended to `pieces`; `scratch` owns what was made and must live as long
  /// as the pieces, unchanged. Errors: as protocol::read_reply.
  virtual Result<protocol::ReplyFacts> read_reply(const protocol::ReplyOptions& options, const Encoded& request,
                                                  std::string_view body, std::string& scratch,
                                                  std::vector<std::string_view>& pieces) const = 0;
  /// The answers to `request` and to each of `request.more`, in their order, as one.
  virtual Result<protocol::ReplyFacts> read_replies(const protocol::ReplyOptions& options, const Encoded& request,
                                                    std::span<const std::string_view> bodies, std::string& scratch,
                                                    std::vector<std::string_view>& pieces) const {
    return read_reply(options, request, bodies.front(), scratch, pieces);
  }
  /// Follows a streamed 2xx answer.
  virtual std::unique_ptr<protocol::ReplyStream> follow(protocol::StreamOptions options,
                                                        const Encoded& request) const = 0;
  virtual Error read_error(const Refusal& refusal) const = 0;

  /// What a reply that could not be read (cut off, an error in a 200) says it used, and the text of it for counting.
  virtual std::optional<domain::Usage> usage_of_part(std::string_view body) const = 0;
  virtual std::string text_of_part(std::string_view body) const = 0;

  /// The header field of the caller's that this dialect knows and wants in `forward_fields`, a list of words; empty:
  /// none.
  virtual std::string_view caller_field() const { return {}; }

  /// The http(s) URLs in the call that this target cannot fetch itself.
  virtual std::vector<std::string> urls_to_fetch(const EncodeInput& input) const {
    static_cast<void>(input);
    return {};
  }
};

/// The codec that a target's shape asks for; never null for a target the router gave out.
const Codec& codec_of(const provider::Target& target);
/// The one for an operation, which may have a dialect of its own there (op_table.cc).
const Codec& codec_of(const provider::Target& target, domain::Operation operation);

}  // namespace turnpike::codec
