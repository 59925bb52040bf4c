// Runs test/wire/openai: one directory per case, its README says what each file is. UPDATE_FIXTURES=1 writes the
// expected files anew; the diff is part of the review.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/text.h"
#include "codec/wire_support.h"
#include "protocol/error_face.h"
#include "protocol/openai_reply.h"
#include "protocol/openai_stream.h"

namespace turnpike::codec {
namespace {

namespace fs = std::filesystem;
using domain::Operation;

constexpr std::string_view kId = "chatcmpl-0199f2c0-0000-7000-8000-000000000001";
constexpr std::int64_t kCreated = 1763942400;

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

  std::pair<std::string, std::optional<domain::Usage>> stream(const std::vector<std::string_view>& parts) const {
    protocol::StreamOptions options;
    options.operation = operation_;
    options.shown_model = shown_model_;
    options.include_usage = include_usage_;
    options.fallback_id = kId;
    options.created_s = kCreated;
    options.provider_label = target_.provider->label;
    protocol::OpenAiStream decoder(options);
    std::string out;
    std::vector<std::string_view> pieces;
    Status status;
    for (const std::string_view part : parts) {
      // From memory that dies at once: nothing may point into an earlier read.
      const auto copy = std::make_unique<std::string>(part);
      status = decoder.feed(*copy, pieces);
      for (const std::string_view piece : pieces) out += piece;
      pieces.clear();
      if (!status) break;
    }
    if (status && !decoder.done()) {
      status = decoder.finish(pieces);
      for (const std::string_view piece : pieces) out += piece;
    }
    if (!status) out += protocol::broken_stream_events(status.error());
    if (status && decoder.owes_usage()) out += decoder.last_events({});
    return {out, decoder.usage()};
  }

  void follow(const std::string& reply) {
    const auto [whole, usage] = stream({reply});
    expect_file(file("caller.sse"), whole);
    expect_file(file("usage.json"), usage_text(usage));
    const std::string_view bytes = reply;
    for (std::size_t cut = 1; cut < reply.size(); ++cut) {
      ASSERT_EQ(stream({bytes.substr(0, cut), bytes.substr(cut)}).first, whole) << "cut at " << cut;
    }
    std::vector<std::string_view> single;
    for (std::size_t at = 0; at < reply.size(); ++at) single.push_back(bytes.substr(at, 1));
    ASSERT_EQ(stream(single).first, whole) << "byte by byte";
    const std::string event = whole.substr(0, whole.find("\n\n"));
    EXPECT_TRUE(event.starts_with("data: ") && event.find('\n') == std::string::npos) << event;
  }

  void answer(const std::string& reply) {
    protocol::ReplyOptions options;
    options.operation = operation_;
    options.shown_model = shown_model_;
    options.provider_label = target_.provider->label;
    options.fallback_id = kId;
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
}  // namespace turnpike::codec
