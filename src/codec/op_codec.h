#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "codec/codec.h"
#include "json/document.h"

namespace turnpike::codec {

/// What the reader of an operation's answer may look at.
struct OperationAnswer {
  const protocol::ReplyOptions& options;
  const Encoded& request;
  std::span<const std::string_view> bodies;  // One, or one for each of `request.more` besides.
};

/// One operation in a dialect that is not OpenAI's: a pure pair of functions, one row of op_table.cc. The request is
/// written anew (path, fields, body, `more`), the answer too, in the shape callers know.
struct OperationDialect {
  Status (*encode)(const EncodeInput& input, Encoded& out);
  /// Appends the caller's body to `out`. Errors of the provider inside a 200 have been looked for already.
  Result<protocol::ReplyFacts> (*decode)(const OperationAnswer& answer, std::string& out);
};

class OperationCodec : public Codec {
 public:
  /// `errors`: whose error answers these are.
  constexpr OperationCodec(OperationDialect dialect, provider::Shape errors) : dialect_(dialect), errors_(errors) {}

  Result<Encoded> encode(const EncodeInput& input) const override;
  Result<protocol::ReplyFacts> read_reply(const protocol::ReplyOptions& options, const Encoded& request,
                                          std::string_view body, std::string& scratch,
                                          std::vector<std::string_view>& pieces) const override;
  Result<protocol::ReplyFacts> read_replies(const protocol::ReplyOptions& options, const Encoded& request,
                                            std::span<const std::string_view> bodies, std::string& scratch,
                                            std::vector<std::string_view>& pieces) const override;
  std::unique_ptr<protocol::ReplyStream> follow(protocol::StreamOptions options, const Encoded& request) const override;
  Error read_error(const Refusal& refusal) const override;
  std::optional<domain::Usage> usage_of_part(std::string_view body) const override;
  std::string text_of_part(std::string_view) const override { return {}; }

 private:
  OperationDialect dialect_;
  provider::Shape errors_;
};

/// How many requests one call may become where a provider takes its texts in small numbers.
constexpr std::size_t kRequestsMax = 256;

/// Header lines and the proof of our right to call, as the provider's row says.
void operation_fields(const EncodeInput& input, Encoded& out);

/// Splits `count` items into requests of at most `each`; `write` makes one of them, from `begin` to `end`.
/// Errors: InvalidRequest when they would be more than kRequestsMax, and those of `write`.
Status split_requests(const EncodeInput& input, std::size_t count, std::size_t each, Encoded& out,
                      const std::function<Status(std::size_t begin, std::size_t end, Encoded& out)>& write);

/// An answer that cannot be read.
tl::unexpected<Error> unreadable_answer(const OperationAnswer& answer, std::string_view why);
tl::unexpected<Error> refuse_param(std::string_view param, std::string message);

/// Writes a list of embeddings as OpenAI does: numbers, or base64 where the caller asked for it.
class EmbeddingList {
 public:
  EmbeddingList(const OperationAnswer& answer, std::string& out);
  /// One vector, a JSON list of numbers. False when it is none.
  bool add(const json::Value& vector);
  /// Ends the list. A usage that nobody said is owed: see ReplyFacts.
  Result<protocol::ReplyFacts> finish(std::optional<domain::Usage> usage);

 private:
  const OperationAnswer& answer_;
  std::string& out_;
  std::uint64_t count_ = 0;
};

// op_embedding.cc, op_bedrock.cc, op_google.cc
extern const OperationDialect kCohereEmbedding, kOllamaEmbedding, kBedrockEmbedding, kGeminiEmbedding, kVertexEmbedding;
// op_rerank.cc
extern const OperationDialect kCohereRerank, kPlainRerank, kVoyageRerank, kTeiRerank, kFoundryRerank, kBedrockRerank,
    kVertexRerank;
// op_image.cc
extern const OperationDialect kGoogleImage, kBedrockImage;
// op_audio.cc
extern const OperationDialect kDeepgramTranscription;

}  // namespace turnpike::codec
