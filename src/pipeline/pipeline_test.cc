#include <algorithm>

#include "pipeline/test_pipeline.h"

namespace turnpike::pipeline::pipeline_test {
namespace {

using domain::EntryStatus;

constexpr std::string_view kUsage = R"("usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18})";
constexpr std::int64_t kCost = 11 * 1'000 + 7 * 2'000;

std::string reply_body() {
  return R"({"id":"c1","object":"chat.completion","created":5,"model":"up","choices":[{"index":0,"message":)"
         R"({"role":"assistant","content":"hi"},"finish_reason":"stop"}],)" +
         std::string(kUsage) + "}";
}
std::string chunk(std::string_view choices, std::string_view more = "") {
  return R"(data: {"id":"c1","object":"chat.completion.chunk","created":5,"model":"up","choices":[)" +
         std::string(choices) + "]" + std::string(more) + "}\n\n";
}
std::string word_chunk() {
  return chunk(R"({"index":0,"delta":{"role":"assistant","content":"hello there"},"finish_reason":null})");
}
std::string end_chunks() {
  return chunk(R"({"index":0,"delta":{},"finish_reason":"stop"})") + chunk("", "," + std::string(kUsage)) +
         "data: [DONE]\n\n";
}

std::string request(std::string_view model, std::string_view more = "") {
  return R"({"model":")" + std::string(model) + R"(","messages":[{"role":"user","content":"hi"}])" + std::string(more) +
         "}";
}

Task<void> answer(http::Exchange& exchange, int status, std::string body) {
  http::ReplyHead head;
  head.status = status;
  const std::string_view pieces[] = {body};
  EXPECT_TRUE(co_await exchange.reply(head, pieces));
}

/// The provider of these tests: what it does stands in the first part of the path.
struct Provider {
  std::atomic<int> asked{0};
  std::atomic<int> let_go{0};
  std::atomic<std::int64_t> served{0};

  Task<void> serve(http::Exchange& exchange) {
    ++asked;
    const std::string path(exchange.request().path);
    const std::string what = path.substr(1, path.find('/', 1) - 1);
    const bool stream = exchange.request().body.find(R"("stream":true)") != std::string_view::npos;
    if (what == "broken") {
      co_await answer(exchange, 500, R"({"error":{"message":"oops"}})");
    } else if (what == "picky") {
      co_await answer(exchange, 400, R"({"error":{"message":"bad","type":"invalid_request_error"}})");
    } else if (what == "silent") {
      co_await until_gone(exchange);
    } else if (what == "cutting") {
      co_await begin(exchange);
      exchange.cut();
    } else if (what == "holding") {
      co_await begin(exchange);
      co_await until_gone(exchange);
    } else if (stream) {
      co_await begin(exchange);
      const std::string rest = end_chunks();
      const std::string_view pieces[] = {rest};
      served += kCost;
      (void)co_await exchange.finish(pieces);
    } else {
      served += kCost;
      co_await answer(exchange, 200, reply_body());
    }
  }
  static Task<void> begin(http::Exchange& exchange) {
    http::ReplyHead head;
    head.content_type = "text/event-stream";
    exchange.begin_stream(head);
    const std::string first = word_chunk();
    const std::string_view pieces[] = {first};
    (void)co_await exchange.write(pieces);
  }
  Task<void> until_gone(http::Exchange& exchange) {
    base::Signal gone;
    exchange.on_gone([&gone] { gone.fire(); });
    co_await gone;
    ++let_go;
  }
};

struct PipelineTest : testing::Test {
  Provider provider;
  std::unique_ptr<TestPipeline> pipeline;

  void start(std::size_t threads = 1) {
    pipeline =
        std::make_unique<TestPipeline>(threads, [this](http::Exchange& exchange) { return provider.serve(exchange); });
  }
  domain::CallRecord only_record() {
    std::vector<domain::CallRecord> records = pipeline->records.take();
    EXPECT_EQ(records.size(), 1U);
    return records.empty() ? domain::CallRecord() : records.front();
  }
  /// How the deployment with this id is doing.
  router::Load& load(std::string_view id) {
    for (const router::ModelGroupRef& group : pipeline->gateway.workers[0]->snapshot->routing->groups()) {
      for (const router::DeploymentRef& deployment : group->deployments) {
        if (deployment->id == id) return deployment->health->load;
      }
    }
    throw std::invalid_argument("no deployment of this id");
  }
  /// Waits until `count` is what is expected: the other side learns of a close a moment later.
  static bool soon(const std::function<bool()>& holds) {
    for (int i = 0; i < 500 && !holds(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return holds();
  }
};

TEST_F(PipelineTest, APlainCallIsAnsweredSettledAndRecordedOnce) {
  start();
  pipeline->add("good", "good");
  pipeline->use_settings();
  const auto exchange = pipeline->call(request("good"));
  EXPECT_EQ(exchange->status, 200);
  EXPECT_NE(exchange->body.find(R"("model":"good")"), std::string::npos) << exchange->body;
  EXPECT_NE(exchange->fields.find("x-litellm-response-cost: 0.000025\r\n"), std::string::npos) << exchange->fields;
  EXPECT_NE(exchange->fields.find("x-litellm-model-id: good\r\n"), std::string::npos) << exchange->fields;
  const domain::CallRecord record = only_record();
  EXPECT_EQ(record.status, EntryStatus::Success);
  EXPECT_EQ(record.cost.nano(), kCost);
  EXPECT_EQ(record.attempts.size(), 1U);
  EXPECT_EQ(record.end_reason, "stop");
  pipeline->expect_spent(provider.served);
}

/// One call and what becomes of it.
struct Case {
  const char* name;
  const char* model;
  const char* more;  // Of the request.
  int status;
  EntryStatus entry;
  int asked;  // How often providers are asked.
  int retries, fallbacks;
  bool costs;
  const char* says;  // In the answer.
};

const Case kCases[] = {
    {"a stream", "good", R"(,"stream":true)", 200, EntryStatus::Success, 1, 0, 0, true, "data: [DONE]\n\n"},
    {"a mock", "good", R"(,"mock_response":"m")", 200, EntryStatus::Success, 0, 0, 0, false, R"("content":"m")"},
    {"a mocked stream", "good", R"(,"stream":true,"mock_response":"m")", 200, EntryStatus::Success, 0, 0, 0, false,
     "data: [DONE]\n\n"},
    {"a failure", "broken", R"(,"num_retries":0)", 500, EntryStatus::Failure, 1, 0, 0, false,
     "litellm.InternalServerError"},
    {"another of the group", "pair", "", 200, EntryStatus::Success, 2, 1, 0, true, R"("model":"pair")"},
    {"a request nobody takes", "picky", "", 400, EntryStatus::Failure, 1, 0, 0, false, "litellm.BadRequestError"},
    {"a fallback", "rescued", R"(,"num_retries":0)", 200, EntryStatus::Success, 2, 0, 1, true, R"("model":"good")"},
    {"a share of the caller's time is used up, and not the deployment's own", "unhurried", R"(,"timeout":0.9)", 200,
     EntryStatus::Success, 2, 0, 1, true, R"("model":"good")"},
    {"no fallback wanted", "rescued", R"(,"num_retries":0,"disable_fallbacks":true)", 500, EntryStatus::Failure, 1, 0,
     0, false, "InternalServerError"},
    {"a stream that breaks", "cutting", R"(,"stream":true)", 200, EntryStatus::Failure, 1, 0, 0, true,
     R"("type":"upstream_stream_error")"},
    {"a limit of time", "silent", R"(,"timeout":0.05)", 408, EntryStatus::Failure, 1, 0, 0, false,
     "timeout of 0.05 s expired"},
    {"a deployment that only mocks its time-out", "expiring", R"(,"timeout":0.05)", 408, EntryStatus::Failure, 0, 0, 0,
     false, "mock_timeout"},
};

TEST_F(PipelineTest, CallsEndAsTheTableSays) {
  start();
  for (const char* name : {"good", "broken", "picky", "cutting", "silent"}) pipeline->add(name, name);
  pipeline->add("pair", "broken").order = 1;
  pipeline->settings->models.back().id = pipeline->settings->models.back().identity = "pair-1";
  pipeline->add("pair", "good").order = 2;
  pipeline->settings->models.back().id = pipeline->settings->models.back().identity = "pair-2";
  pipeline->add("expiring", "expiring").mock_timeout = true;
  pipeline->add("rescued", "broken");
  pipeline->settings->models.back().id = pipeline->settings->models.back().identity = "rescued-1";
  for (const char* id : {"unhurried-1", "unhurried-2"}) {
    config::ModelEntry& entry = pipeline->add("unhurried", "silent");
    entry.id = entry.identity = id;
    entry.timeout = std::chrono::seconds(60);
  }
  pipeline->settings->router.fallbacks = {{"rescued", {{"good"}}}, {"unhurried", {{"good"}}}};
  pipeline->use_settings();
  std::int64_t spent = 0;
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const int asked = provider.asked;
    const auto exchange = pipeline->call(request(c.model, c.more));
    EXPECT_EQ(exchange->status, c.status) << exchange->body;
    EXPECT_TRUE(exchange->ended);
    EXPECT_NE(exchange->body.find(c.says), std::string::npos) << exchange->body;
    if (std::string_view(c.more).find("stream\":true") != std::string_view::npos)
      EXPECT_TRUE(exchange->type.starts_with("text/event-stream")) << exchange->type;
    EXPECT_EQ(provider.asked - asked, c.asked);
    const domain::CallRecord record = only_record();
    EXPECT_EQ(record.status, c.entry);
    EXPECT_EQ(record.http_status, c.status);
    EXPECT_EQ(record.retries, c.retries);
    EXPECT_EQ(record.fallbacks, c.fallbacks);
    EXPECT_EQ(record.cost.nano() > 0, c.costs) << record.cost.to_string();
    spent += record.cost.nano();
    pipeline->expect_spent(spent);
  }
}

TEST_F(PipelineTest, AnUnknownKeyIsNoEntryButARecord) {
  start();
  pipeline->add("good", "good");
  pipeline->use_settings();
  FakeExchange exchange(*pipeline->io_threads().front(), request("good"),
                        {{"Authorization", "Bearer sk-nobody-knows"}});
  pipeline->on(exchange.thread(), [&] { return pipeline->serve(exchange); });
  EXPECT_EQ(exchange.status, 401);
  EXPECT_EQ(only_record().http_status, 401);
  EXPECT_EQ(provider.asked, 0);
}

/// When the caller hangs up, or the process ends the call.
struct Leaving {
  const char* name;
  const char* model;
  const char* more;
  bool interrupted;
  bool costs;
  EntryStatus entry;
};

const Leaving kLeavings[] = {
    {"before an answer", "silent", "", false, false, EntryStatus::Aborted},
    {"before a stream", "silent", R"(,"stream":true)", false, false, EntryStatus::Aborted},
    {"inside a stream", "holding", R"(,"stream":true)", false, true, EntryStatus::Aborted},
    {"while a mock waits", "good", R"(,"mock_response":"m","mock_delay":30)", false, false, EntryStatus::Aborted},
    {"the process ends a silent call", "silent", "", true, false, EntryStatus::Failure},
    {"the process ends a stream", "holding", R"(,"stream":true)", true, true, EntryStatus::Failure},
};

TEST_F(PipelineTest, NothingIsLeftOfACallThatIsLeft) {
  start();
  for (const char* name : {"good", "silent", "holding"}) pipeline->add(name, name);
  pipeline->use_settings();
  std::int64_t spent = 0;
  int let_go = 0;
  for (const Leaving& c : kLeavings) {
    SCOPED_TRACE(c.name);
    const int asked = provider.asked;
    const bool mocked = std::string_view(c.model) == "good";
    const auto exchange = pipeline->make_exchange(request(c.model, c.more));
    std::promise<void> done;
    net::IoThread& thread = exchange->thread();
    struct Runner {
      static Task<void> run(TestPipeline& pipeline, FakeExchange& exchange, std::promise<void>& done) {
        co_await pipeline.serve(exchange);
        done.set_value();
      }
    };
    std::atomic<bool> content{std::string_view(c.model) != "holding"};
    exchange->on_write = [&](FakeExchange&) { content = true; };
    thread.post([&] { base::spawn(Runner::run(*pipeline, *exchange, done)); });
    ASSERT_TRUE(soon([&] { return (mocked || provider.asked == asked + 1) && content; }));
    ASSERT_TRUE(soon([&] { return load(c.model).in_flight == 1; }));
    thread.post([&] { c.interrupted ? exchange->interrupt() : exchange->hang_up(); });
    ASSERT_EQ(done.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
    if (!mocked) ++let_go;
    EXPECT_TRUE(soon([&] { return provider.let_go == let_go; })) << "the provider is let go";
    EXPECT_EQ(provider.asked, asked + (mocked ? 0 : 1)) << "nothing is tried again";
    EXPECT_EQ(load(c.model).in_flight, 0);
    const domain::CallRecord record = only_record();
    EXPECT_EQ(record.status, c.entry);
    EXPECT_EQ(record.cost.nano() > 0, c.costs);
    if (!c.interrupted) {
      EXPECT_EQ(record.http_status, 499);
      EXPECT_NE(record.marks & domain::kClientDisconnected, 0U);
    }
    if (c.costs) EXPECT_NE(record.marks & domain::kEstimated, 0U);
    spent += record.cost.nano();
    pipeline->expect_spent(spent);
  }
}

TEST_F(PipelineTest, TheStrategiesLearnFromEveryAnswer) {
  constexpr std::int64_t kTtl = 3'600'000'000;
  start();
  for (const char* name : {"good", "broken", "cutting"}) pipeline->add(name, name);
  pipeline->settings->router.num_retries = 0;
  pipeline->use_settings();
  const auto now = [] { return base::unix_now_us(); };
  const std::int64_t begun = base::unix_now_us();
  pipeline->call(request("good"));
  router::Load& good = load("good");
  EXPECT_GT(good.per_token.middle(now(), kTtl), 0);
  EXPECT_LT(good.first_content.middle(now(), kTtl), 0) << "no stream yet";
  pipeline->call(request("good", R"(,"stream":true)"));
  EXPECT_GT(good.first_content.middle(now(), kTtl), 0);
  // Of this minute, or of the next when that has just begun: what both calls used in all.
  const std::int64_t second = base::unix_now_us();
  if (second / 60'000'000 == begun / 60'000'000) {
    EXPECT_EQ(good.tokens.get(second), 36U);
    EXPECT_EQ(good.answered.get(second), 2U);
  }
  for (const char* name : {"broken", "cutting"}) {
    pipeline->call(request(name, R"(,"stream":true)"));
    EXPECT_LT(load(name).per_token.middle(now(), kTtl), 0) << name << ": a failure is no sample";
    EXPECT_EQ(load(name).in_flight, 0) << name;
  }
}

// A place is waited for; nobody is refused and never do more than may ask at a time.
TEST_F(PipelineTest, CallsWaitForAPlace) {
  start();
  pipeline->add("holding", "holding").max_parallel_requests = 1;
  pipeline->use_settings();
  struct Runner {
    static Task<void> run(TestPipeline& pipeline, FakeExchange& exchange, std::promise<void>& done) {
      co_await pipeline.serve(exchange);
      done.set_value();
    }
  };
  std::promise<void> first_done, second_done;
  const auto first = pipeline->make_exchange(request("holding", R"(,"stream":true)"));
  const auto second = pipeline->make_exchange(request("holding", R"(,"stream":true)"));
  net::IoThread& thread = first->thread();
  thread.post([&] { base::spawn(Runner::run(*pipeline, *first, first_done)); });
  ASSERT_TRUE(soon([&] { return provider.asked == 1; }));
  thread.post([&] { base::spawn(Runner::run(*pipeline, *second, second_done)); });
  std::future<void> second_ended = second_done.get_future();
  ASSERT_EQ(second_ended.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  EXPECT_EQ(provider.asked, 1) << "the second waits";
  thread.post([&] { first->hang_up(); });
  ASSERT_EQ(first_done.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  ASSERT_TRUE(soon([&] { return provider.asked == 2; }));
  thread.post([&] { second->hang_up(); });
  ASSERT_EQ(second_ended.wait_for(std::chrono::seconds(5)), std::future_status::ready);
  EXPECT_EQ(load("holding").in_flight, 0);
}

TEST_F(PipelineTest, AWaitForAPlaceEndsWithTheCall) {
  start();
  pipeline->add("good", "good").max_parallel_requests = 0;
  pipeline->use_settings();
  const auto exchange = pipeline->call(request("good", R"(,"timeout":0.05)"));
  EXPECT_EQ(exchange->status, 408);
  EXPECT_NE(exchange->body.find("max_parallel_requests"), std::string::npos) << exchange->body;
  EXPECT_EQ(provider.asked, 0);
}

// Two I/O threads share ledger, health, key and prices: what a race detector has to look at.
TEST_F(PipelineTest, ManyCallsOnTwoThreadsAddUp) {
  constexpr int kCalls = 150;
  start(2);
  pipeline->add("mixed", "good");
  pipeline->add("mixed", "broken");
  pipeline->add("good", "good").id = "good-2";
  pipeline->settings->models.back().identity = "good-2";
  pipeline->settings->router.fallbacks.push_back({"mixed", {"good"}});
  pipeline->use_settings();
  struct Runner {
    static Task<void> run(TestPipeline& pipeline, FakeExchange& exchange, std::atomic<int>& left,
                          std::promise<void>& done) {
      co_await pipeline.serve(exchange);
      if (--left == 0) done.set_value();
    }
  };
  std::vector<std::unique_ptr<FakeExchange>> exchanges;
  for (int i = 0; i < kCalls * 2; ++i)
    exchanges.push_back(pipeline->make_exchange(request("mixed", i % 3 == 0 ? R"(,"stream":true)" : ""), i % 2));
  std::atomic<int> left{kCalls * 2};
  std::promise<void> done;
  for (const auto& exchange : exchanges)
    exchange->thread().post([&, one = exchange.get()] { base::spawn(Runner::run(*pipeline, *one, left, done)); });
  ASSERT_EQ(done.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  for (const auto& exchange : exchanges) EXPECT_EQ(exchange->status, 200) << exchange->body;
  const std::vector<domain::CallRecord> records = pipeline->records.take();
  EXPECT_EQ(records.size(), exchanges.size());
  EXPECT_EQ(provider.served, kCalls * 2 * kCost);
  pipeline->expect_spent(provider.served);
}

}  // namespace
}  // namespace turnpike::pipeline::pipeline_test
