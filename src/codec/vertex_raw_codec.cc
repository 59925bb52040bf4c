#include "codec/codecs.h"
#include "codec/openai_codec.h"

namespace turnpike::codec {
namespace {

/// Mistral and AI21 on Vertex AI: the makers' own bodies under `rawPredict`.
class VertexRawCodec final : public OpenAiCodec {
 public:
  Result<Encoded> encode(const EncodeInput& input) const override {
    provider::Target target = input.target;
    target.provider = maker_of(target.base.path);
    target.model = bare_name(target.model);
    EncodeInput own(input.call, target, input.credential, input.traits);
    own.overrides_json = input.overrides_json;
    own.ask_usage = input.ask_usage;
    own.traceparent = input.traceparent;
    own.forward_fields = input.forward_fields;
    own.now_s = input.now_s;
    own.fetched = input.fetched;
    Result<Encoded> encoded = OpenAiCodec::encode(own);
    if (encoded) encoded->path = target.base.path + (input.call.stream ? ":streamRawPredict" : ":rawPredict");
    return encoded;
  }

 private:
  // What its models take and how they spell it is the same as at the maker's.
  static const provider::Provider* maker_of(std::string_view path) {
    const bool ai21 = path.find("/publishers/ai21/") != std::string_view::npos;
    return provider::find_provider(ai21 ? "ai21" : "mistral");
  }
  /// "mistralai/mistral-large@2407" -> "mistral-large"; the address has the rest.
  static std::string bare_name(std::string_view model) {
    model = model.substr(model.rfind('/') + 1);
    return std::string(model.substr(0, model.find('@')));
  }
};

}  // namespace

const Codec& vertex_raw_codec() {
  static const VertexRawCodec codec;
  return codec;
}

}  // namespace turnpike::codec
