// Feeds bodies to the reading of chats and to the writing of every dialect: what is accepted can be looked at whole,
// and what is written for a provider is JSON.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "codec/codec.h"
#include "json/document.h"
#include "protocol/chat_request_dump.h"
#include "protocol/param_path.h"

namespace {

using namespace turnpike;

void require(bool truth) {
  if (!truth) std::abort();
}

/// An exact copy with the padding that parsers are promised.
struct Body {
  explicit Body(std::string_view text) : bytes(new char[text.size() + 64]()), view(bytes.get(), text.size()) {
    std::copy(text.begin(), text.end(), bytes.get());
  }
  std::unique_ptr<char[]> bytes;
  std::string_view view;
};

// One provider of each shape.
constexpr std::string_view kProviders[] = {"openai", "azure",    "anthropic",   "gemini",       "vertex_ai", "bedrock",
                                           "cohere", "ollama",   "watsonx",     "mistral",      "deepseek",  "xai",
                                           "groq",   "moonshot", "hosted_vllm", "fireworks_ai", "deepinfra"};

void read(std::string_view body) {
  protocol::ChatSources sources;
  sources.body = body;
  sources.defaults_json = R"({"temperature":0.5,"tools":[{"type":"function","function":{"name":"d"}}],"x":1})";
  auto request = protocol::parse_openai_chat(sources);
  if (!request) {
    require(!request.error().message.empty());
    return;
  }
  protocol::ChatRequest moved = std::move(*request);
  require(!protocol::dump_messages(moved).empty());
  require(!protocol::dump_params(moved).empty());
  protocol::ParamPolicy policy;
  policy.drop = true;
  require(protocol::fit_params(moved, {protocol::Param::Temperature}, policy, "P", "m").has_value());
  require(moved.given.without({protocol::Param::Temperature}).empty());
}

void cut(std::string_view body) {
  for (const std::string_view path : {"messages[*].content", "tools[0].function.strict", "a.b[1]", "[", "..", "x"}) {
    json::Document document;
    if (!document.parse(body)) return;
    const std::string rest = protocol::without_path(document.root(), path);
    json::Document again;
    require(again.parse(rest).has_value());
  }
}

void encode(std::string_view body, std::string_view name, bool modify) {
  auto call = protocol::parse_call(domain::Operation::Chat, body, {});
  if (!call) return;
  provider::Target target;
  target.provider = provider::find_provider(name);
  require(target.provider != nullptr);
  target.shape = target.provider->shape;
  target.model = "wire-model";
  target.modify_params = modify;
  target.drop_unsupported = true;
  credential::Credential credential;
  codec::EncodeInput input(*call, target, credential, {});
  const codec::Codec& codec = codec::codec_of(target);
  codec.urls_to_fetch(input);
  const auto encoded = codec.encode(input);
  if (!encoded) {
    require(!encoded.error().message.empty());
    return;
  }
  std::string sent;
  for (const std::string_view piece : encoded->body) sent += piece;
  json::Document document;
  require(document.parse(sent).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Body body({reinterpret_cast<const char*>(data) + 1, size - 1});
  read(body.view);
  cut(body.view);
  encode(body.view, kProviders[data[0] % std::size(kProviders)], (data[0] & 0x80) != 0);
  return 0;
}
