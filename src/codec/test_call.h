#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "codec/codec.h"

namespace turnpike::codec {

/// One call on its way to one target, for tests: owns what an EncodeInput only borrows.
struct TestCall {
  TestCall(std::string_view provider, std::string body_in, domain::Operation operation = domain::Operation::Chat,
           std::string_view path_model = {}, std::string_view content_type = {})
      : body(std::move(body_in)) {
    target.provider = provider::find_provider(provider);
    EXPECT_NE(target.provider, nullptr) << provider;
    if (target.provider != nullptr) target.shape = target.provider->shape;
    target.model = "wire-model";
    target.base.path = "/v1";
    credential.kind = credential::Credential::Kind::Key;
    credential.token = base::Secret("sk-secret");
    body.reserve(body.size() + 64);  // parse_call reads past the end.
    Result<protocol::CallRequest> parsed = protocol::parse_call(operation, body, path_model, content_type);
    EXPECT_TRUE(parsed) << parsed.error().message;
    if (parsed) call = std::move(*parsed);
    input = std::make_unique<EncodeInput>(EncodeInput(call, target, credential, {}));
    input->now_s = 1'763'942'400;
  }
  TestCall(const TestCall&) = delete;

  Result<Encoded> encode() const { return codec_of(target, call.operation).encode(*input); }

  std::string body;
  protocol::CallRequest call;
  provider::Target target;
  credential::Credential credential;
  std::unique_ptr<EncodeInput> input;
};

inline std::string body_of(const Encoded& encoded) {
  std::string text;
  for (const std::string_view piece : encoded.body) text += piece;
  return text;
}

}  // namespace turnpike::codec
