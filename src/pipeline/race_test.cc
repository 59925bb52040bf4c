#include "pipeline/race.h"

#include <algorithm>

#include "pipeline/own_call.h"
#include "pipeline/test_pipeline.h"

namespace turnpike::pipeline::race_test {
namespace {

using domain::EntryStatus;
using std::chrono::milliseconds;

constexpr std::string_view kUsage = R"("usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18})";
constexpr std::int64_t kCost = 11 * 1'000 + 7 * 2'000;
constexpr std::int64_t kPlaces = 3;  // Of each deployment.
constexpr milliseconds kTardy{150};  // Far longer than what the tests' groups have learned to expect.

std::string chunk(std::string_view choices, std::string_view more = "") {
  return R"(data: {"id":"c1","object":"chat.completion.chunk","created":5,"model":"up","choices":[)" +
         std::string(choices) + "]" + std::string(more) + "}\n\n";
}
std::string request(std::string_view model, std::string_view more = "") {
  return R"({"model":")" + std::string(model) + R"(","messages":[{"role":"user","content":"hi"}])" + std::string(more) +
         "}";
}

/// The provider of these tests, on one thread: what it does stands in the first part of the path, up to a digit.
struct Provider {
  std::atomic<int> asked{0};
  std::atomic<int> let_go{0};
  std::vector<base::Signal*> waiting;  // For a second request to come.

  Task<void> serve(http::Exchange& exchange) {
    ++asked;
    const std::string path(exchange.request().path);
    const std::string what = path.substr(1, path.find_first_of("0123456789/", 1) - 1);
    const bool stream = exchange.request().body.find(R"("stream":true)") != std::string_view::npos;
    if (asked % 2 == 0) {
      for (base::Signal* one : std::exchange(waiting, {})) one->fire();
    } else if (what == "together" || what == "failing") {
      base::Signal second;
      waiting.push_back(&second);
      co_await second;
    }
    if (what == "tardy") co_await exchange.thread().sleep(kTardy);
    if (what == "failing" || what == "broken") {
      co_await answer(exchange, 500, R"({"error":{"message":"oops"}})");
    } else if (what == "silent") {
      co_await until_gone(exchange);
    } else if (what == "beginning") {  // Bytes, but no content.
      co_await begin(exchange, R"({"index":0,"delta":{"role":"assistant"},"finish_reason":null})");
      co_await until_gone(exchange);
    } else if (what == "cutting" || what == "holding") {
      co_await begin(exchange, R"({"index":0,"delta":{"content":"hello"},"finish_reason":null})");
      if (what == "holding") co_await until_gone(exchange);
      exchange.cut();
    } else if (stream) {
      co_await begin(exchange, R"({"index":0,"delta":{"content":"hello"},"finish_reason":null})");
      const std::string rest = chunk(R"({"index":0,"delta":{},"finish_reason":"stop"})") +
                               chunk("", "," + std::string(kUsage)) + "data: [DONE]\n\n";
      const std::string_view pieces[] = {rest};
      (void)co_await exchange.finish(pieces);
    } else {
      co_await answer(exchange, 200,
                      R"({"id":"c1","object":"chat.completion","created":5,"model":"up","choices":[{"index":0,)"
                      R"("message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],)" +
                          std::string(kUsage) + "}");
    }
  }
  static Task<void> answer(http::Exchange& exchange, int status, std::string body) {
    http::ReplyHead head;
    head.status = status;
    const std::string_view pieces[] = {body};
    (void)co_await exchange.reply(head, pieces);  // Who has lost is gone.
  }
  static Task<void> begin(http::Exchange& exchange, std::string_view choice) {
    http::ReplyHead head;
    head.content_type = "text/event-stream";
    exchange.begin_stream(head);
    const std::string first = chunk(choice);
    const std::string_view pieces[] = {first};
    (void)co_await exchange.write(pieces);
  }
  Task<void> until_gone(http::Exchange& exchange) {
    base::Signal gone;
    exchange.on_gone([&gone] { gone.fire(); });
    if (!exchange.caller_gone()) co_await gone;
    ++let_go;
  }
};

struct Race : testing::Test {
  Provider provider;
  std::unique_ptr<TestPipeline> pipeline;

  void start(TestPipeline::Size size = {}) {
    pipeline =
        std::make_unique<TestPipeline>(1, [this](http::Exchange& exchange) { return provider.serve(exchange); }, size);
  }
  /// A hedged group; its deployments are asked in this order.
  void group(const std::string& name, const std::vector<std::string>& ids) {
    int order = 1;
    for (const std::string& id : ids) {
      config::ModelEntry& entry = pipeline->add(name, id);
      entry.order = order++;
      entry.region_name = id + "-region";
      entry.max_parallel_requests = kPlaces;
    }
    pipeline->settings->turnpike.hedging.push_back({name, 100});
  }
  config::ModelEntry& entry(std::string_view id) {
    for (config::ModelEntry& one : pipeline->settings->models) {
      if (one.id == id) return one;
    }
    throw std::invalid_argument("no deployment of this id");
  }
  std::vector<router::ModelGroupRef> groups() const {
    return pipeline->gateway.workers[0]->snapshot->routing->groups();
  }
  router::HedgeState& state(std::string_view name) const {
    for (const router::ModelGroupRef& one : groups()) {
      if (one->name == name && one->hedge.state) return *one->hedge.state;
    }
    throw std::invalid_argument("no hedged group of this name");
  }
  /// Puts the settings in force; the groups know that answers come within about ten milliseconds and cost something.
  void learned() {
    pipeline->use_settings();
    for (const router::ModelGroupRef& one : groups()) {
      if (!one->hedge.state) continue;
      for (int i = 0; i < 1'000; ++i) {
        one->hedge.state->whole.add(0.01);
        one->hedge.state->first_content.add(0.01);
        one->hedge.state->booked(Money::from_nano(kCost));
      }
    }
  }
  struct Ended {
    std::unique_ptr<FakeExchange> exchange;
    domain::CallRecord record;
  };
  Ended call(std::string body) {
    Ended ended{pipeline->call(std::move(body)), {}};
    ended.record = only_record();
    return ended;
  }
  domain::CallRecord only_record() {
    std::vector<domain::CallRecord> records = pipeline->records.take();
    EXPECT_EQ(records.size(), 1U);
    return records.empty() ? domain::CallRecord() : records.front();
  }
  static bool soon(const std::function<bool()>& holds) {
    for (int i = 0; i < 500 && !holds(); ++i) std::this_thread::sleep_for(milliseconds(10));
    return holds();
  }
  std::uint32_t fails(std::string_view id) const {
    for (const router::ModelGroupRef& one : groups()) {
      for (const router::DeploymentRef& member : one->deployments) {
        if (member->id == id) return member->health->fails;
      }
    }
    return 0;
  }
  /// Whatever came of the race: the books agree with the record, and no place is taken any more.
  void expect_whole(const domain::CallRecord& record) {
    Money sum;
    for (const domain::Attempt& attempt : record.attempts) {
      EXPECT_NE(attempt.ended_us, 0) << attempt.deployment_id;
      sum += attempt.cost;
    }
    EXPECT_EQ(record.cost, sum);
    pipeline->expect_spent(record.cost.nano());
    for (const router::ModelGroupRef& one : groups()) {
      for (const router::DeploymentRef& member : one->deployments) {
        EXPECT_EQ(member->health->load.in_flight, 0) << member->id;
        EXPECT_EQ(pipeline->places_of(member->id).used(0), 0) << member->id;
        EXPECT_FALSE(member->health->probing) << member->id;
      }
    }
  }
  /// Serves a call until `when` holds, then the caller goes or the process ends the call.
  Ended left(std::string body, bool interrupted, const std::function<bool(const FakeExchange&)>& when) {
    Ended ended{pipeline->make_exchange(std::move(body)), {}};
    FakeExchange& exchange = *ended.exchange;
    std::promise<void> done;
    struct Runner {
      static Task<void> run(TestPipeline& pipeline, FakeExchange& exchange, std::promise<void>& done) {
        co_await pipeline.serve(exchange);
        done.set_value();
      }
    };
    exchange.thread().post([&] { base::spawn(Runner::run(*pipeline, exchange, done)); });
    EXPECT_TRUE(soon([&] {
      bool holds = false;
      TestPipeline::at_once(exchange.thread(), [&] { holds = when(exchange); });
      return holds;
    }));
    TestPipeline::at_once(exchange.thread(), [&] { interrupted ? exchange.interrupt() : exchange.hang_up(); });
    EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
    ended.record = only_record();
    return ended;
  }
};

/// One race in a group of these deployments, and who has won it.
struct Case {
  const char* name;
  std::vector<std::string> ids;
  const char* more;  // Of the request.
  EntryStatus status;
  std::vector<std::string> attempts;  // As the record has them at the end.
  int retries;
  int let_go;
  bool loser_costs;
  const char* says;
};

const Case kCases[] = {
    {"the second is quicker", {"silent", "quick"}, "", EntryStatus::Success, {"silent", "quick"}, 1, 1, false, "hi"},
    {"streams",
     {"silent", "quick"},
     R"(,"stream":true)",
     EntryStatus::Success,
     {"silent", "quick"},
     1,
     1,
     false,
     "[DONE]"},
    {"the first is quicker after all",
     {"tardy", "silent"},
     "",
     EntryStatus::Success,
     {"silent", "tardy"},
     1,
     1,
     false,
     "hi"},
    {"the loser has begun a stream",
     {"beginning", "quick"},
     R"(,"stream":true)",
     EntryStatus::Success,
     {"beginning", "quick"},
     1,
     1,
     true,
     "[DONE]"},
    {"the winner breaks",
     {"silent", "cutting"},
     R"(,"stream":true)",
     EntryStatus::Failure,
     {"silent", "cutting"},
     1,
     1,
     false,
     "upstream_stream_error"},
    {"two at most", {"tardy", "silent", "silent2"}, "", EntryStatus::Success, {"silent", "tardy"}, 1, 1, false, "hi"},
    {"both fail and a third is asked",
     {"failing", "failing2", "quick"},
     "",
     EntryStatus::Success,
     {"failing", "failing2", "quick"},
     2,
     0,
     false,
     "hi"},
    {"the second fails", {"tardy", "failing"}, "", EntryStatus::Success, {"failing", "tardy"}, 1, 0, false, "hi"},
};

TEST_F(Race, EndsAsTheTableSays) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    provider.asked = provider.let_go = 0;
    start();
    group("chat", c.ids);
    learned();
    const auto [exchange, record] = call(request("chat", c.more));
    EXPECT_EQ(exchange->status, 200) << exchange->body;
    EXPECT_TRUE(exchange->ended);
    EXPECT_NE(exchange->body.find(c.says), std::string::npos) << exchange->body;
    const std::string last = c.attempts.back();
    EXPECT_NE(exchange->fields.find("x-litellm-model-id: " + last + "\r\n"), std::string::npos) << exchange->fields;
    EXPECT_NE(exchange->fields.find("x-litellm-model-region: " + last + "-region\r\n"), std::string::npos)
        << exchange->fields;
    EXPECT_TRUE(soon([&] { return provider.let_go == c.let_go; })) << "who has lost is let go";
    EXPECT_EQ(record.status, c.status);
    EXPECT_NE(record.marks & domain::kHedged, 0U);
    EXPECT_EQ(record.retries, c.retries);
    std::vector<std::string> attempts;
    for (const domain::Attempt& attempt : record.attempts) attempts.push_back(attempt.deployment_id);
    EXPECT_EQ(attempts, c.attempts);
    EXPECT_EQ(record.attempts.front().cost.nano() > 0, c.loser_costs);
    if (c.status == EntryStatus::Success) EXPECT_EQ(record.attempts.back().cost.nano(), kCost);
    EXPECT_LE(record.upstream_us, record.ended_us - record.started_us);
    EXPECT_EQ(state("chat").races(), 1U);
    EXPECT_EQ(state("chat").extra(), c.loser_costs ? record.attempts.front().cost : Money());
    for (const std::string& id : c.ids) {
      const bool failed = id.starts_with("failing") || id == "cutting";
      EXPECT_EQ(fails(id), failed ? 1U : 0U) << id;
    }
    expect_whole(record);
    pipeline.reset();
  }
}

TEST_F(Race, OneAnswerGoesOutWhenBothComeAtOnce) {
  for (const char* more : {"", R"(,"stream":true)"}) {
    start();
    group("chat", {"together", "together2"});
    learned();
    for (int i = 0; i < 20; ++i) {
      const std::unique_ptr<FakeExchange> exchange = pipeline->call(request("chat", more));
      EXPECT_EQ(exchange->status, 200) << exchange->body;
      EXPECT_TRUE(exchange->ended);
    }
    std::int64_t spent = 0;
    for (const domain::CallRecord& record : pipeline->records.take()) {
      EXPECT_EQ(record.attempts.size(), 2U);
      EXPECT_EQ(record.attempts.back().cost.nano(), kCost);
      EXPECT_EQ(record.cost, record.attempts.front().cost + record.attempts.back().cost);
      spent += record.cost.nano();
    }
    pipeline->expect_spent(spent);
    EXPECT_EQ(fails("together") + fails("together2"), 0U);
    pipeline.reset();
  }
}

TEST_F(Race, NothingIsLeftOfOneThatIsLeft) {
  for (const bool interrupted : {false, true}) {
    for (const char* more : {"", R"(,"stream":true)"}) {
      SCOPED_TRACE(std::string(interrupted ? "interrupted" : "gone") + more);
      provider.asked = provider.let_go = 0;
      start();
      group("chat", {"silent", "silent2"});
      pipeline->settings->router.fallbacks = {{"chat", {{"rescue"}}}};
      pipeline->add("rescue", "quick");
      learned();
      const auto [exchange, record] =
          left(request("chat", more), interrupted, [&](const FakeExchange&) { return provider.asked == 2; });
      EXPECT_TRUE(soon([&] { return provider.let_go == 2; }));
      EXPECT_EQ(provider.asked, 2) << "nobody is asked for it any more";
      EXPECT_EQ(record.http_status, interrupted ? 503 : 499);
      EXPECT_EQ(record.status, interrupted ? EntryStatus::Failure : EntryStatus::Aborted);
      EXPECT_EQ(fails("silent") + fails("silent2"), 0U);
      EXPECT_EQ(state("chat").extra(), Money());
      expect_whole(record);
      pipeline.reset();
    }
  }
}

// What reads the winner's stream waits on the winner's own cancel.
TEST_F(Race, TheWinnerIsLetGoWithTheCaller) {
  for (const bool interrupted : {false, true}) {
    SCOPED_TRACE(interrupted ? "interrupted" : "gone");
    provider.asked = provider.let_go = 0;
    start();
    group("chat", {"silent", "holding"});
    learned();
    const auto [exchange, record] =
        left(request("chat", R"(,"stream":true)"), interrupted,
             [](const FakeExchange& seen) { return seen.body.find("hello") != std::string::npos; });
    EXPECT_TRUE(soon([&] { return provider.let_go == 2; }));
    EXPECT_EQ(record.status, interrupted ? EntryStatus::Failure : EntryStatus::Aborted);
    if (interrupted)
      EXPECT_NE(exchange->body.find("The gateway is shutting down"), std::string::npos) << exchange->body;
    EXPECT_EQ(record.attempts.back().deployment_id, "holding");
    EXPECT_GT(record.attempts.back().cost.nano(), 0);
    expect_whole(record);
    pipeline.reset();
  }
}

TEST_F(Race, AFallbackFollowsWhenBothFail) {
  start();
  group("chat", {"failing", "failing2"});
  pipeline->add("rescue", "quick");
  pipeline->settings->router.fallbacks = {{"chat", {{"rescue"}}}};
  learned();
  const auto [exchange, record] = call(request("chat", R"(,"num_retries":1)"));
  EXPECT_EQ(exchange->status, 200) << exchange->body;
  EXPECT_EQ(record.attempts.size(), 3U);
  EXPECT_EQ(record.retries, 1);
  EXPECT_EQ(record.fallbacks, 1);
  expect_whole(record);
}

TEST_F(Race, IsRunInAGroupThatIsAFallbackToo) {
  start();
  pipeline->add("first", "broken").num_retries = 0;
  group("chat", {"silent", "quick"});
  pipeline->settings->router.fallbacks = {{"first", {{"chat"}}}};
  learned();
  const auto [exchange, record] = call(request("first"));
  EXPECT_EQ(exchange->status, 200) << exchange->body;
  EXPECT_NE(record.marks & domain::kHedged, 0U);
  EXPECT_EQ(record.fallbacks, 1);
  EXPECT_EQ(record.attempts.back().deployment_id, "quick");
  EXPECT_EQ(record.model_group, "chat");
  expect_whole(record);
}

TEST_F(Race, IsNotRunOnABudgetThatCoversOneAttemptOnly) {
  const std::string body = request("chat", R"(,"max_tokens":100)");
  start();
  group("chat", {"silent", "silent2"});
  pipeline->settings->turnpike.hedging.clear();
  pipeline->add("known", "quick");
  learned();
  call(request("known"));  // From now on the key's account is known.
  std::int64_t held = 0;
  const ledger::AccountRef account = pipeline->account();
  left(body, false,
       [&](const FakeExchange&) { return (held = account->running()->words->held) > 0 && provider.asked == 2; });
  pipeline.reset();

  provider.asked = 0;
  TestPipeline::Size size;
  size.budget_nano = held * 3 / 2;
  start(size);
  group("chat", {"tardy", "quick"});
  learned();
  const auto [exchange, record] = call(body);
  EXPECT_EQ(exchange->status, 200) << exchange->body;
  EXPECT_EQ(provider.asked, 1);
  EXPECT_EQ(record.retries, 0);
  EXPECT_EQ(record.marks & domain::kHedged, 0U);
  EXPECT_EQ(state("chat").races(), 0U) << "what was not made is not counted";
  EXPECT_EQ(state("chat").extra(), Money());
  const ledger::AccountRef window = pipeline->account();
  EXPECT_EQ(window->running()->words->held, 0);
  EXPECT_EQ(window->spent().nano(), kCost);
}

// A mocked deployment says nothing of a provider, and its wait is not one that a race can end.
TEST_F(Race, IsNotRunWhereTheLimitsOfTheOtherRefuse) {
  start();
  group("g", {"tardy1", "quick2"});
  learned();
  ASSERT_TRUE(pipeline->places_of("quick2").take(kPlaces, kPlaces, 0)) << "by calls that the router does not know of";
  const Ended alone = call(request("g"));
  EXPECT_EQ(alone.record.status, EntryStatus::Success);
  EXPECT_EQ(alone.record.attempts.size(), 1U);
  pipeline->places_of("quick2").give_back(kPlaces, 0, 0);
  expect_whole(alone.record);
}

TEST_F(Race, NeverAsksAMock) {
  start();
  group("chat", {"tardy", "mocked"});
  entry("mocked").mock_timeout = true;
  group("words", {"tardy2", "mocked2"});
  entry("mocked2").mock_response_json = R"("m")";
  learned();
  for (const char* name : {"chat", "words"}) {
    SCOPED_TRACE(name);
    const base::Monotonic begun = base::monotonic_now();
    const std::unique_ptr<FakeExchange> exchange = pipeline->call(request(name, R"(,"timeout":20)"));
    EXPECT_EQ(exchange->status, 200) << exchange->body;
    EXPECT_LT(base::monotonic_now() - begun, std::chrono::seconds(10));
    const domain::CallRecord record = only_record();
    EXPECT_EQ(record.attempts.size(), 1U);
    EXPECT_EQ(record.marks & (domain::kHedged | domain::kMocked), 0U);
  }
  const std::unique_ptr<FakeExchange> mocked =
      pipeline->call(request("chat", R"(,"mock_response":"m","mock_delay":0.05)"));
  EXPECT_EQ(mocked->status, 200);
  EXPECT_EQ(only_record().attempts.size(), 1U);
  pipeline->expect_spent(2 * kCost);
}

TEST_F(Race, TheSecondHasALimitOfTimeOfItsOwn) {
  start();
  group("chat", {"silent", "tardy"});
  entry("silent").timeout = milliseconds(60);
  learned();
  const auto [exchange, record] = call(request("chat", R"(,"num_retries":1)"));
  EXPECT_EQ(exchange->status, 200) << exchange->body;
  EXPECT_EQ(record.attempts.size(), 2U);
  EXPECT_EQ(record.attempts.front().error, ErrorKind::Timeout);
  expect_whole(record);
}

// The group's own quantile: how long the second was given says nothing.
TEST_F(Race, ASecondThatLosesIsNoSample) {
  start();
  group("chat", {"tardy", "silent"});
  pipeline->use_settings();
  router::HedgeState& hedge = state("chat");
  for (int i = 0; i < 20; ++i) {
    hedge.whole.add(0.1);
    hedge.booked(Money::from_nano(kCost));
  }
  const double before = *hedge.whole.at(0.01);
  const auto [exchange, record] = call(request("chat"));
  ASSERT_NE(record.marks & domain::kHedged, 0U);
  EXPECT_EQ(*hedge.whole.at(0.01), before);
}

TEST_F(Race, OutlivesTheConfigurationItBeganIn) {
  start();
  group("wild/*", {"tardy", "silent"});
  for (config::ModelEntry& one : pipeline->settings->models) one.model = "openai/*";
  learned();
  const auto reload = [&] {
    auto snapshot = std::make_shared<Snapshot>(*pipeline->gateway.workers[0]->snapshot);
    snapshot->routing = router::RoutingTable::build({}, *pipeline->settings, nullptr, {});
    pipeline->gateway.workers[0]->snapshot = std::move(snapshot);
    pipeline->gateway.workers[0]->groups.groups.clear();
  };
  const auto [exchange, record] = left(request("wild/m"), false, [&](const FakeExchange& seen) {
    if (provider.asked == 2 && !pipeline->gateway.workers[0]->snapshot->routing->groups().empty()) reload();
    return seen.ended;
  });
  EXPECT_EQ(exchange->status, 200) << exchange->body;
  EXPECT_NE(record.marks & domain::kHedged, 0U);
  EXPECT_EQ(record.attempts.back().deployment_id, "tardy");
  pipeline->expect_spent(kCost);
}

TEST_F(Race, ACallOfOurOwnMayRaceAndAProbeNever) {
  start();
  group("chat", {"tardy", "quick"});
  learned();
  for (const bool probe : {false, true}) {
    SCOPED_TRACE(probe);
    domain::CallRecord record;
    struct Maker {
      static Task<void> make(Gateway& gateway, net::IoThread& thread, bool probe, domain::CallRecord& record) {
        OwnCall own;
        own.route = "/v1/chat/completions";
        own.model = "chat";
        own.body = request("chat");
        own.probe = probe;
        record = (co_await make_own_call(gateway, thread, std::move(own))).record;
      }
    };
    net::IoThread& thread = *pipeline->io_threads().front();
    pipeline->on(thread, [&] { return Maker::make(pipeline->gateway, thread, probe, record); });
    EXPECT_EQ(record.http_status, 200);
    EXPECT_EQ(record.cost.nano(), kCost);
    EXPECT_EQ((record.marks & domain::kHedged) != 0, !probe);
    EXPECT_EQ(record.attempts.back().deployment_id, probe ? "tardy" : "quick");
  }
}

}  // namespace
}  // namespace turnpike::pipeline::race_test
