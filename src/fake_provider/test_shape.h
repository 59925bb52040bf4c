#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "codec/test_call.h"
#include "fake_provider/route.h"
#include "fake_provider/shape.h"
#include "json/scan.h"

namespace turnpike::fake_provider {

inline Route route_to(const Shape& shape, AskKind kind) {
  Route route;
  route.shape = &shape;
  route.kind = kind;
  return route;
}

inline Ask ask_for(const Route& route, std::string body, const Script& script = {}) {
  body.append(json::kJsonPadding, '\0');
  auto ask =
      parse_ask(route, "application/json", std::string_view(body).substr(0, body.size() - json::kJsonPadding), script);
  EXPECT_TRUE(ask) << (ask ? "" : ask.error().message);
  return ask ? *ask : Ask();
}

/// A provider of ours that calls one of the shapes: what the gateway's own codec sends, and how it reads the answers.
struct Vendor {
  const char* name;
  const char* provider;  // A row of our catalogue.
  const char* model;
  provider::Shape shape;
  const char* base;  // The path in front of the shape's own.
};

using Codec = provider::Shape;
inline constexpr Vendor kVendors[] = {
    {"openai", "openai", "wire-model", Codec::OpenAi, "/v1"},
    {"azure", "azure", "wire-model", Codec::AzureOpenAi, ""},
    {"watsonx", "watsonx", "ibm/granite", Codec::Watsonx, ""},
    {"anthropic", "anthropic", "wire-model", Codec::Anthropic, ""},
    {"gemini", "gemini", "gemini-2.5-flash", Codec::Gemini, "/v1beta"},
    {"vertex", "vertex_ai", "gemini-2.5-flash", Codec::VertexGemini, "/v1/projects/p/locations/us-central1"},
    {"vertex_claude", "vertex_ai", "claude-x", Codec::AnthropicVertex, "/v1/projects/p/locations/us-central1"},
    {"vertex_mistral", "vertex_ai", "mistral-x", Codec::OpenAiVertex,
     "/v1/projects/p/locations/us-central1/publishers/mistralai/models/mistral-x"},
    {"bedrock", "bedrock", "us.amazon.nova-x-v1:0", Codec::BedrockConverse, ""},
    {"bedrock_claude", "bedrock", "anthropic.claude-x-v1:0", Codec::AnthropicBedrock, ""},
    {"cohere", "cohere", "command-x", Codec::Cohere, ""},
    {"ollama", "ollama", "llama-x", Codec::Ollama, ""},
};

/// A call of the gateway's on its way to the scripted provider.
class VendorCall {
 public:
  VendorCall(const Vendor& vendor, std::string body, domain::Operation operation = domain::Operation::Chat,
             const char* model = nullptr)
      : call_(vendor.provider, std::move(body), operation) {
    call_.target.model = model != nullptr ? model : vendor.model;
    call_.target.shape = vendor.shape;
    call_.target.base.path = vendor.base;
    call_.target.api_version = "2025-02-06";
    if (vendor.shape == Codec::BedrockConverse || vendor.shape == Codec::AnthropicBedrock) {
      call_.target.params.emplace_back("aws_region_name", base::Secret("us-east-1"));
      call_.credential.kind = credential::Credential::Kind::Aws;
      call_.credential.access_key_id = base::Secret("AKIDEXAMPLE");
      call_.credential.secret_access_key = base::Secret("secret");
    }
    Result<codec::Encoded> encoded = call_.encode();
    EXPECT_TRUE(encoded) << (encoded ? "" : encoded.error().message);
    if (encoded) encoded_ = std::move(*encoded);
  }

  const codec::Codec& codec() const { return codec::codec_of(call_.target, call_.call.operation); }
  const codec::Encoded& encoded() const { return encoded_; }
  std::string_view label() const { return call_.target.provider->label; }
  domain::Operation operation() const { return call_.call.operation; }

  std::optional<Route> route(const codec::Encoded& request) const {
    http::Request arrived;
    arrived.method = http::Method::Post;
    for (const std::string_view line : base::split(request.fields, '\n')) {
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos) continue;
      arrived.fields.push_back({line.substr(0, colon), base::trim(line.substr(colon + 1))});
    }
    return route_of(arrived, std::string_view(request.path).substr(0, request.path.find('?')));
  }
  /// What the provider makes of the first request.
  Ask ask(const Script& script) const { return ask(encoded_, script); }
  Ask ask(const codec::Encoded& request, const Script& script) const {
    const auto found = route(request);
    EXPECT_TRUE(found) << request.path;
    return found ? ask_for(*found, codec::body_of(request), script) : Ask();
  }

 private:
  codec::TestCall call_;
  codec::Encoded encoded_;
};

inline std::string chat(const std::string& rest = {}) {
  return R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + rest + "}";
}

}  // namespace turnpike::fake_provider
