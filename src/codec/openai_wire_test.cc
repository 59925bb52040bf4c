// Runs test/wire/openai: one directory per case, its README says what each file is. UPDATE_FIXTURES=1 writes the
// expected files anew; the diff is part of the review.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/text.h"
#include "codec/wire_support.h"
#include "protocol/error_face.h"
#include "protocol/openai_reply.h"
#include "protocol/openai_stream.h"

namespace turnpike::codec::openai_wire_test {
namespace {

namespace fs = std::filesystem;
using domain::Operation;

/// One case and one provider in it.
class Fixture {
 public:
  Fixture(fs::path directory, std::string provider)
      : directory_(std::move(directory)), provider_(std::move(provider)) {}

  void run() {
    SCOPED_TRACE(directory_.string() + ", " + provider_);
    target_.provider = provider::find_provider(provider_);
    ASSERT_NE(target_.provider, nullptr);
    body_ = read_file(directory_ / "caller.json");
    operation_ = body_.find("\"prompt\"") != std::string::npos  ? Operation::Completion
                 : body_.find("\"input\"") != std::string::npos ? Operation::Embedding
                                                                : Operation::Chat;
    TestCall call(provider_, body_, operation_);
    call.credential.token = base::Secret("sk-fixture");
    shown_model_ = call.call.model;
    include_usage_ = call.call.include_usage;
    const auto encoded = call.encode();
    ASSERT_TRUE(encoded);
    expect_file(file("request.http"), request_text(*encoded));
    for (const auto& entry : fs::directory_iterator(directory_)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(provider_ + ".reply.")) continue;
      const std::string reply = read_file(entry.path());
      if (name.ends_with(".sse")) {
        follow(reply);
      } else if (name == provider_ + ".reply.json") {
        answer(reply);
      } else {
        // "<provider>.reply.<status>.json"
        const std::string_view status = std::string_view(name).substr(provider_.size() + 7, 3);
        refuse(static_cast<int>(base::parse_unsigned(status).value_or(0)), reply);
      }
    }
  }

 private:
  fs::path file(std::string_view what) const { return directory_ / (provider_ + "." + std::string(what)); }

  Followed follow_parts(const Parts& parts) const {
    protocol::StreamOptions options;
    options.operation = operation_;
    options.shown_model = shown_model_;
    options.include_usage = include_usage_;
    options.fallback_id = kFixtureId;
    options.created_s = kFixtureTime;
    options.provider_label = target_.provider->label;
    protocol::OpenAiStream stream(options);
    return codec::follow(stream, parts);
  }

  void follow(const std::string& reply) {
    const Followed whole = follow_parts({reply});
    expect_file(file("caller.sse"), whole.events);
    expect_file(file("usage.json"), usage_text(whole.usage));
    expect_same_however_cut(reply, whole, [this](const Parts& parts) { return follow_parts(parts); });
    const std::string event = whole.events.substr(0, whole.events.find("\n\n"));
    EXPECT_TRUE(event.starts_with("data: ") && event.find('\n') == std::string::npos) << event;
  }

  void answer(const std::string& reply) {
    protocol::ReplyOptions options;
    options.operation = operation_;
    options.shown_model = shown_model_;
    options.provider_label = target_.provider->label;
    options.fallback_id = kFixtureId;
    std::string scratch;
    std::vector<std::string_view> pieces;
    const auto facts = protocol::read_reply(options, reply, scratch, pieces);
    std::string out;
    for (const std::string_view piece : pieces) out += piece;
    expect_file(file("caller.json"), facts ? out : protocol::openai_error_body(facts.error()) + "\n");
    expect_file(file("usage.json"), usage_text(facts ? facts->usage : std::nullopt));
  }

  void refuse(int status, const std::string& reply) {
    const Error error = protocol::read_error(status, reply, target_.provider->label, "");
    expect_file(file("caller.json"), std::to_string(protocol::status_of(error)) + " " +
                                         std::string(domain::kind_name(error.kind)) + "\n" +
                                         protocol::openai_error_body(error) + "\n");
  }

  fs::path directory_;
  std::string provider_;
  provider::Target target_;
  std::string body_;
  Operation operation_ = Operation::Chat;
  std::string shown_model_;
  bool include_usage_ = false;
};

TEST(WireFixtures, OpenAi) {
  const fs::path root = fs::path(TURNPIKE_SOURCE_DIR) / "test" / "wire" / "openai";
  std::size_t run = 0;
  for (const auto& directory : fs::directory_iterator(root)) {
    if (!directory.is_directory()) continue;
    for (const auto& entry : fs::directory_iterator(directory.path())) {
      const std::string name = entry.path().filename().string();
      const std::size_t reply = name.find(".reply.");
      if (reply == std::string::npos) continue;
      Fixture(directory.path(), name.substr(0, reply)).run();
      ++run;
    }
  }
  EXPECT_GE(run, 15U);
}

}  // namespace
}  // namespace turnpike::codec::openai_wire_test
