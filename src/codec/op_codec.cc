#include "codec/op_codec.h"

#include "codec/chat_codec.h"
#include "codec/op_request.h"
#include "json/write.h"
#include "protocol/answer_error.h"
#include "protocol/operation_reply.h"
#include "protocol/pass_stream.h"

namespace turnpike::codec {
namespace {

const Codec& codec_of_shape(provider::Shape shape) {
  provider::Target target;
  target.shape = shape;
  return codec_of(target);
}

/// How Cohere and AWS write an error: nothing but a message.
bool is_lone_message(const json::Value& object) {
  if (!object.find("message").is(json::Kind::String)) return false;
  const auto members = object.members();
  return ++members.begin() == members.end();
}

}  // namespace

Result<Encoded> OperationCodec::encode(const EncodeInput& input) const {
  if (input.call.stream) {
    return refuse_param("stream", "litellm.UnsupportedParamsError: " + std::string(input.target.provider->label) +
                                      " does not stream this operation: 'stream' must be false");
  }
  Encoded encoded;
  note_operation(input, encoded);
  encoded.fields.clear();  // Each dialect writes its own.
  if (Status made = dialect_.encode(input, encoded); !made) return base::fail(std::move(made.error()));
  return encoded;
}

Result<protocol::ReplyFacts> OperationCodec::read_reply(const protocol::ReplyOptions& options, const Encoded& request,
                                                        std::string_view body, std::string& scratch,
                                                        std::vector<std::string_view>& pieces) const {
  const std::string_view bodies[] = {body};
  return read_replies(options, request, bodies, scratch, pieces);
}

Result<protocol::ReplyFacts> OperationCodec::read_replies(const protocol::ReplyOptions& options, const Encoded& request,
                                                          std::span<const std::string_view> bodies,
                                                          std::string& scratch,
                                                          std::vector<std::string_view>& pieces) const {
  // AC-ERR-2: an error object in a 200.
  for (const std::string_view body : bodies) {
    json::Document document;
    if (!document.parse(body)) continue;
    if (!protocol::holds_error(document.root()) && !is_lone_message(document.root())) continue;
    Refusal refusal;
    refusal.status = 200;
    refusal.body = body;
    refusal.label = options.provider_label;
    return base::fail(read_error(refusal));
  }
  constexpr std::size_t kBeyondSmall = 64;
  scratch.clear();
  scratch.reserve(kBeyondSmall);  // Never in the string's own small buffer: its owner may move.
  Result<protocol::ReplyFacts> facts = dialect_.decode({options, request, bodies}, scratch);
  if (facts) pieces.push_back(scratch);
  return facts;
}

std::unique_ptr<protocol::ReplyStream> OperationCodec::follow(protocol::StreamOptions options, const Encoded&) const {
  return std::make_unique<protocol::PassStream>(std::move(options));
}

Error OperationCodec::read_error(const Refusal& refusal) const {
  return codec_of_shape(errors_).read_error(refusal);
}

std::optional<domain::Usage> OperationCodec::usage_of_part(std::string_view body) const {
  std::string ignored;
  const protocol::ReplyOptions options;
  const Encoded request;
  const std::string_view bodies[] = {body};
  const Result<protocol::ReplyFacts> facts = dialect_.decode({options, request, bodies}, ignored);
  if (!facts) return std::nullopt;
  if (facts->usage || facts->images == 0) return facts->usage;
  domain::Usage made;
  made.set(domain::Unit::Images, facts->images);
  return made;
}

void operation_fields(const EncodeInput& input, Encoded& out) {
  using provider::AuthScheme;
  out.fields = common_fields(input, false);
  const bool bearer = input.credential.kind == credential::Credential::Kind::Bearer;
  switch (bearer ? AuthScheme::Bearer : input.target.provider->auth) {
    case AuthScheme::Bearer:
      return add_bearer(out.fields, input);
    case AuthScheme::RawAuthorization:
      return add_key(out.fields, "Authorization", input);
    case AuthScheme::ApiKeyHeader:
      return add_key(out.fields, input.target.provider->auth_header, input);
    case AuthScheme::None:
      return;
  }
}

Status split_requests(const EncodeInput& input, std::size_t count, std::size_t each, Encoded& out,
                      const std::function<Status(std::size_t begin, std::size_t end, Encoded& out)>& write) {
  if (count > kRequestsMax * each) {
    return refuse_param("input", "litellm.BadRequestError: " + std::string(input.target.provider->label) +
                                     " takes at most " + std::to_string(each) +
                                     " of these at a time, and a call may be "
                                     "split into " +
                                     std::to_string(kRequestsMax) + " requests: " + std::to_string(count) +
                                     " are too many");
  }
  for (std::size_t begin = 0; begin < count; begin += each) {
    Encoded next;
    if (Status made = write(begin, std::min(begin + each, count), begin == 0 ? out : next); !made) return made;
    if (begin > 0) out.more.push_back(std::move(next));
  }
  return {};
}

tl::unexpected<Error> unreadable_answer(const OperationAnswer& answer, std::string_view why) {
  constexpr std::size_t kShownMax = 500;
  return base::fail(ErrorKind::UpstreamMalformed,
                    "litellm.APIError: " + std::string(answer.options.provider_label) +
                        "Exception - the answer cannot be read: " + std::string(why),
                    protocol::mask_secrets(answer.bodies.front().substr(0, kShownMax)));
}

tl::unexpected<Error> refuse_param(std::string_view param, std::string message) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.param = param;
  error.message = std::move(message);
  return base::fail(std::move(error));
}

EmbeddingList::EmbeddingList(const OperationAnswer& answer, std::string& out) : answer_(answer), out_(out) {
  std::size_t room = 256;
  for (const std::string_view body : answer.bodies) room += body.size();
  out_.reserve(room);
  out_ += R"({"object":"list","data":[)";
}

bool EmbeddingList::add(const json::Value& vector) {
  if (!vector.is(json::Kind::Array)) return false;
  out_ += count_ == 0 ? R"({"object":"embedding","index":)" : R"(,{"object":"embedding","index":)";
  out_ += std::to_string(count_++);
  out_ += R"(,"embedding":)";
  if (answer_.request.base64_vectors) {
    const std::optional<std::string> base64 = protocol::vector_as_base64(vector);
    if (!base64) return false;
    out_ += *base64;
  } else {
    out_ += vector.raw();
  }
  out_.push_back('}');
  return true;
}

Result<protocol::ReplyFacts> EmbeddingList::finish(std::optional<domain::Usage> usage) {
  if (count_ == 0) return unreadable_answer(answer_, "it holds no embedding");
  out_ += R"(],"model":)";
  json::append_string(out_, answer_.options.shown_model);
  protocol::ReplyFacts facts;
  if (usage && !usage->empty()) {
    out_ += ",\"usage\":" + protocol::usage_json(domain::Operation::Embedding, *usage) + "}";
    facts.usage = std::move(usage);
  } else {
    facts.owes_usage = true;
  }
  return facts;
}

}  // namespace turnpike::codec
