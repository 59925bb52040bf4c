#include "pipeline/keepalive.h"

#include "pipeline/test_pipeline.h"

namespace turnpike::pipeline::keepalive_test {
namespace {

constexpr std::string_view kComment = ": ping\n\n";

/// Takes comments wherever they may stand.
class Commented final : public FakeExchange {
 public:
  using FakeExchange::FakeExchange;
  bool slip_in(std::string_view bytes) override {
    if (status == 0 || ended) return false;
    body += bytes;
    ++comments;
    return true;
  }
  int comments = 0;
};

/// The body without its comments.
std::string spoken(std::string body) {
  for (std::size_t at = 0; (at = body.find(kComment, at)) != std::string::npos;) body.erase(at, kComment.size());
  return body;
}

Task<void> refuse(http::Exchange& exchange) {
  const std::string_view pieces[] = {R"({"error":{"message":"oops"}})"};
  const http::ReplyHead head{500, "application/json", {}};
  co_await exchange.reply(head, pieces);
}

struct Case {
  const char* name;
  int keepalive_ms;
  const char* more;  // In the request, which is for a group whose provider says 500.
  int status;
  bool comments;
  bool fails;
  const char* holds;
};

const Case kCases[] = {
    {"a stream that waits", 20, R"(,"stream":true,"mock_delay":0.2,"mock_response":"hi")", 200, true, false,
     "data: [DONE]\n\n"},
    {"off", 0, R"(,"stream":true,"mock_delay":0.05,"mock_response":"hi")", 200, false, false, "data: [DONE]\n\n"},
    {"no stream", 20, R"(,"mock_delay":0.1,"mock_response":"hi")", 200, false, false, R"("content":"hi")"},
    {"a failure after comments", 20, R"(,"stream":true,"mock_timeout":true,"timeout":0.2)", 200, true, true,
     "data: {\"error\":{\"message\":\"litellm.Timeout"},
    {"a failure before", 20'000, R"(,"stream":true,"mock_timeout":true,"timeout":0.05)", 408, false, true,
     "litellm.Timeout"},
    {"a refusal at once", 20'000, R"(,"stream":true)", 500, false, true, "oops"},
    {"a failure of no stream", 20, R"(,"mock_timeout":true,"timeout":0.1)", 408, false, true, "litellm.Timeout"},
};

TEST(Keepalive, CommentsOnAStreamThatIsSilentAndOnNothingElse) {
  TestPipeline pipeline(1, [](http::Exchange& exchange) { return refuse(exchange); });
  pipeline.settings->router.num_retries = 0;
  pipeline.add("gpt", "gpt-1");
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    pipeline.settings->turnpike.stream_keepalive = std::chrono::milliseconds(c.keepalive_ms);
    pipeline.use_settings();
    net::IoThread& thread = *pipeline.gateway.threads->all().front();
    Commented exchange(thread,
                       R"({"model":"gpt","messages":[{"role":"user","content":"hi"}])" + std::string(c.more) + "}",
                       {{"Authorization", std::string("Bearer ") + TestPipeline::kKey}});
    pipeline.on(thread, [&] { return pipeline.serve(exchange); });
    EXPECT_EQ(exchange.status, c.status) << exchange.body;
    EXPECT_TRUE(exchange.ended);
    EXPECT_EQ(exchange.comments > 0, c.comments) << exchange.comments;
    EXPECT_EQ(exchange.body.starts_with(kComment), c.comments) << exchange.body;
    EXPECT_NE(spoken(exchange.body).find(c.holds), std::string::npos) << exchange.body;
    EXPECT_EQ(exchange.body.ends_with("data: [DONE]\n\n"),
              c.status == 200 && exchange.type.starts_with("text/event-stream"))
        << exchange.body;
    const domain::CallRecord record = pipeline.records.take().back();
    EXPECT_EQ(record.http_status, c.status);
    EXPECT_EQ(record.error.has_value(), c.fails);
  }
}

}  // namespace
}  // namespace turnpike::pipeline::keepalive_test
