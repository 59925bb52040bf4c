// The provider inside of a program, over the loopback.
#include "fake_provider/provider.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "base/clock.h"
#include "http/loopback.h"

namespace turnpike::fake_provider::provider_test {
namespace {

using http::loopback::Peer;

class Running {
 public:
  Running() {
    http::Server::Options options;
    options.port = 0;
    auto server = http::Server::listen(
        *threads_, options, [this](http::Exchange& exchange) { return provider.handle(exchange); },
        [](int status, std::string_view message) { return error_body(status, "", message); });
    EXPECT_TRUE(server);
    if (server) server_ = std::move(*server);
  }
  ~Running() { server_->abort_all(); }

  Peer connect() const { return Peer::connect(server_->port()); }
  /// What comes of one POST on a connection of its own.
  std::string post(const std::string& path, const std::string& fields, const std::string& body) const {
    Peer peer = connect();
    peer.send("POST " + path + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + fields +
              "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    return peer.read_to_end();
  }
  std::string chat(const std::string& path, const std::string& rest = {}) const {
    return post(path, "Authorization: Bearer k\r\n",
                R"({"model":"m","messages":[{"role":"user","content":"hi"}])" + rest + "}");
  }
  /// Calls end behind the last byte that a caller reads.
  FullStatement account_of(std::uint64_t ended) const {
    for (;;) {
      FullStatement account = provider.account();
      if (account.calls - account.open() >= ended) return account;
      std::this_thread::yield();
    }
  }

  /// Also those of callers who are gone whose call has not ended.
  std::size_t connections() const { return server_->counters().connections_open.load(); }

  Provider provider{1, 100};

 private:
  std::unique_ptr<net::IoThreads> threads_ = net::IoThreads::start(1);
  std::unique_ptr<http::Server> server_;
};

Script script_of(std::string_view directives) {
  Script script;
  EXPECT_TRUE(apply_list(script, directives));
  return script;
}

TEST(Provider, FollowsTheScriptOfALabelAndAccountsForItUnderIt) {
  Running running;
  running.provider.set_script("east", script_of("tokens=3,prompt_tokens=10"));
  running.provider.set_script("west", script_of("fault=overloaded"));
  EXPECT_TRUE(running.chat("/fake/label=east/v1/chat/completions").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(running.chat("/fake/label=east/v1/messages").starts_with("HTTP/1.1 200 "));
  EXPECT_TRUE(running.chat("/fake/label=west/v1/messages").starts_with("HTTP/1.1 529 "));
  EXPECT_TRUE(running.chat("/fake/label=west/v1beta/models/g:generateContent").starts_with("HTTP/1.1 503 "));
  EXPECT_TRUE(running.chat("/v1/chat/completions").starts_with("HTTP/1.1 200 "));
  const FullStatement account = running.account_of(5);
  EXPECT_EQ(account.whole, 3U);
  ASSERT_EQ(account.by_label.size(), 2U);
  EXPECT_EQ(account.by_label.at("east").served.calls, 2U);
  EXPECT_EQ(account.by_label.at("east").served.prompt, 20U);
  EXPECT_EQ(account.by_label.at("east").served.completion, 6U);
  EXPECT_EQ(account.by_label.at("west").errors, 2U);
  EXPECT_EQ(account.by_label.at("west").by_status.at(529), 1U);
  ASSERT_EQ(account.answers.size(), 3U);
  EXPECT_EQ(account.answers[0].label, "east");
  running.provider.reset();
  EXPECT_EQ(running.provider.account().calls, 0U);
  EXPECT_TRUE(running.chat("/fake/label=west/v1/messages").starts_with("HTTP/1.1 529 ")) << "scripts stay";
}

TEST(Provider, AccountsForWhatABrokenStreamHadSent) {
  Running running;
  const std::string stream = R"(,"stream":true,"fake":{"tokens":9,"prompt_tokens":10,)";
  // The role comes first, then a token per event.
  running.chat("/v1/chat/completions", stream + R"("cut_after":4})");
  running.chat("/v1/messages", stream + R"("error_after":3})");
  running.chat("/v1/chat/completions", stream + R"("fault":"error_in_200"})");
  const FullStatement account = running.account_of(3);
  EXPECT_EQ(account.broken, 3U);
  EXPECT_EQ(account.served.calls, 0U);
  EXPECT_EQ(account.unfinished.calls, 2U) << "an error alone is no beginning of an answer";
  EXPECT_EQ(account.unfinished.prompt, 20U);
  EXPECT_EQ(account.unfinished.completion, 4U);
}

TEST(Provider, StandsStillWhereTheScriptSaysAndSeesTheCallerLeave) {
  const struct {
    const char* directives;
    const char* rest;
    const char* comes;   // The last that comes before the silence.
    const char* absent;  // What would come without the fault.
  } cases[] = {
      {"fault=stalled_start", R"(,"stream":true)", "\r\n\r\n", "data:"},
      {"fault=stalled", R"(,"stream":true)", "\"content\":", "[DONE]"},
      {"fault=stalled_start", "", "\r\n\r\n", "choices"},
      {"fault=stalled", "", R"("choices":[)", "usage"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.directives) + c.rest);
    Running running;
    {
      Peer peer = running.connect();
      const std::string body = R"({"model":"m","messages":[])" + std::string(c.rest) + "}";
      peer.send("POST /fake/" + std::string(c.directives) +
                "/v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body);
      const std::string come = peer.read_until(c.comes);
      EXPECT_TRUE(come.starts_with("HTTP/1.1 200 ")) << come;
      EXPECT_EQ(come.find(c.absent), std::string::npos) << come;
      EXPECT_EQ(running.provider.account().open(), 1U);
    }
    EXPECT_EQ(running.account_of(1).aborted, 1U);
  }
}

TEST(Provider, AWaitEndsWithItsCaller) {
  Running running;
  for (const char* const directives : {"latency_ms=60000", "slow_first_ms=60000", "token_ms=60000"}) {
    {
      const std::string body = R"({"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]})";
      Peer peer = running.connect();
      peer.send(std::string("POST /fake/") + directives +
                "/v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body);
      while (running.provider.account().open() == 0) std::this_thread::yield();
    }
    const auto until = base::monotonic_now() + std::chrono::seconds(20);
    while (running.connections() != 0 && base::monotonic_now() < until) std::this_thread::yield();
    EXPECT_EQ(running.connections(), 0U) << directives;
  }
}

TEST(Provider, FailsSoOftenAndNoMore) {
  Running running;
  std::uint64_t ended = 0;
  for (const std::string_view fault : {"rate_limit", "reset", "cut", "malformed", "error_in_200"}) {
    SCOPED_TRACE(fault);
    const std::string path = "/fake/fail_times=2,fault=" + std::string(fault) + "/v1/chat/completions";
    const std::string own_bytes = R"(,"user":")" + std::string(fault) + '"';  // So that the count is its own.
    std::string wholes;
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t before = running.provider.account().whole;
      running.chat(path, own_bytes);
      wholes += running.account_of(++ended).whole > before ? '1' : '0';
    }
    EXPECT_EQ(wholes, "0011");
  }
}

TEST(Provider, RefusesAnotherKeyInEveryVendorsField) {
  Running running;
  const struct {
    const char* path;
    const char* fields;
    const char* status;
  } cases[] = {
      {"/v1/chat/completions", "Authorization: Bearer right\r\n", "200"},
      {"/v1/chat/completions", "Authorization: Bearer other\r\n", "401"},
      {"/v1/chat/completions", "", "401"},
      {"/v1/messages", "x-api-key: right\r\n", "200"},
      {"/v1/messages", "x-api-key: other\r\n", "401"},
      {"/openai/deployments/d/chat/completions", "api-key: right\r\n", "200"},
      {"/v1beta/models/g:generateContent", "x-goog-api-key: right\r\n", "200"},
      {"/v1beta/models/g:generateContent", "x-goog-api-key: other\r\n", "400"},
      {"/model/m/converse",
       "Authorization: AWS4-HMAC-SHA256 Credential=right/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, "
       "Signature=0\r\n",
       "200"},
      {"/model/m/converse", "Authorization: Bearer other\r\n", "403"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.path) + " " + c.fields);
    const std::string answer = running.post("/fake/require_key=right" + std::string(c.path), c.fields,
                                            R"({"model":"m","messages":[],"contents":[]})");
    EXPECT_EQ(answer.substr(9, 3), c.status) << answer;
  }
}

TEST(Provider, AnswersWhatItDoesNotKnowInTheShapesOwnError) {
  Running running;
  EXPECT_NE(
      running.chat("/fake/nonsense=1/v1/messages").find(R"({"type":"error","error":{"type":"invalid_request_error")"),
      std::string::npos);
  EXPECT_TRUE(running.chat("/v1/nothing").starts_with("HTTP/1.1 404 "));
}

TEST(Provider, DoesNotAccountForTokensItGivesOutAndListsOfModels) {
  Running running;
  EXPECT_NE(running.post("/fake/label=east/token", "", "grant_type=x").find(R"("access_token":")"), std::string::npos);
  Peer peer = running.connect();
  peer.send("GET /fake/label=east/v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_NE(peer.read_to_end().find("fake-model"), std::string::npos);
  EXPECT_EQ(running.provider.account().calls, 0U);
}

}  // namespace
}  // namespace turnpike::fake_provider::provider_test
