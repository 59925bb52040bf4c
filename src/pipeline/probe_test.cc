#include "pipeline/probe.h"

#include <gtest/gtest.h>

#include "pipeline/hang_watch.h"
#include "pipeline/probes.h"
#include "pipeline/test_pipeline.h"

namespace turnpike::pipeline::probe_test {
namespace {

using State = ProbeResult::State;
using Way = ProbeResult::Way;

Money dollars(const char* text) {
  return Money::parse(text).value();
}

TEST(ProbePurse, HoldsTheDaysCapAndBeginsAnewWithTheDay) {
  constexpr std::int64_t kDay = 86'400'000'000;
  const Money cap = dollars("1");
  ProbePurse purse;
  EXPECT_TRUE(purse.take(dollars("0.6"), cap, kDay));
  EXPECT_FALSE(purse.take(dollars("0.5"), cap, kDay));
  purse.correct(dollars("0.6"), dollars("0.5"));
  EXPECT_TRUE(purse.take(dollars("0.5"), cap, kDay + 1));
  EXPECT_FALSE(purse.take(dollars("0.000000001"), cap, 2 * kDay - 1));
  EXPECT_TRUE(purse.take(Money(), cap, kDay)) << "what costs nothing fits always";
  EXPECT_EQ(purse.refused(), 2U);
  EXPECT_EQ(purse.spent(kDay).to_string(), "1");
  EXPECT_TRUE(purse.take(dollars("0.5"), cap, 2 * kDay));
  EXPECT_EQ(purse.spent(2 * kDay).to_string(), "0.5");
  purse.correct(dollars("0.6"), Money());
  EXPECT_EQ(purse.spent(2 * kDay).to_string(), "0") << "a call of yesterday gives nothing back";
}

/// Answers by the first part of the path: a list of models, and calls.
struct Vendor {
  std::atomic<int> lists{0}, calls{0};

  Task<void> serve(http::Exchange& exchange) {
    const bool list = exchange.request().method == http::Method::Get;
    ++(list ? lists : calls);
    const std::string path(exchange.request().path);
    const std::string what = path.substr(1, path.find('/', 1) - 1);
    if (what == "silent") {
      base::Signal gone;
      exchange.on_gone([&gone] { gone.fire(); });
      co_await gone;
    } else if (what == "down") {
      co_await answer(exchange, 500, R"({"error":{"message":"oops with sk-provider-0123456789"}})");
    } else if (what == "odd") {
      co_await answer(exchange, 200, "<html>");
    } else if (list && what != "listing") {
      co_await answer(exchange, 404, R"({"error":{"message":"no such path"}})");
    } else if (list) {
      co_await answer(exchange, 200, R"({"object":"list","data":[]})");
    } else if (what == "picky") {
      co_await answer(exchange, 400, R"({"error":{"message":"max_tokens is too small"}})");
    } else {
      co_await answer(exchange, 200,
                      R"({"id":"c1","object":"chat.completion","created":5,"model":"up","choices":[{"index":0,)"
                      R"("message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],)"
                      R"("usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}})");
    }
  }
  static Task<void> answer(http::Exchange& exchange, int status, std::string body) {
    http::ReplyHead head;
    head.status = status;
    const std::string_view pieces[] = {body};
    (void)co_await exchange.reply(head, pieces);
  }
};

struct ProbeTest : testing::Test {
  Vendor vendor;
  std::unique_ptr<telemetry::Events> events = telemetry::Events::start({.interval = std::chrono::hours(1)});
  TestPipeline pipeline{1, [this](http::Exchange& exchange) { return vendor.serve(exchange); }};
  ProbePurse purse;
  http::Cancel cancel;

  void use(std::initializer_list<const char*> ids) {
    for (const char* id : ids) pipeline.add("group", id);
    pipeline.use_settings();
    pipeline.gateway.events = events.get();
  }
  router::DeploymentRef deployment(std::string_view id) {
    for (const router::DeploymentRef& member :
         pipeline.gateway.workers[0]->snapshot->routing->groups().front()->deployments) {
      if (member->id == id) return member;
    }
    throw std::out_of_range(std::string(id));
  }
  ProbeResult probed(std::string_view id) {
    ProbeResult result;
    pipeline.on(*pipeline.io_threads()[0], [&] { return into(result, deployment(id)); });
    return result;
  }
  Task<void> into(ProbeResult& result, router::DeploymentRef asked) {
    result = co_await probe(pipeline.gateway, *pipeline.gateway.workers[0], std::move(asked), cancel, purse);
  }
};

TEST_F(ProbeTest, AsksForTheListFirst) {
  use({"listing", "down", "odd"});
  const ProbeResult well = probed("listing");
  EXPECT_EQ(well.state, State::Well);
  EXPECT_EQ(well.way, Way::List);
  EXPECT_EQ(well.status, 200);
  EXPECT_EQ(deployment("listing")->health->checked.load(), router::Checked::Well);

  const ProbeResult down = probed("down");
  EXPECT_EQ(down.state, State::Unwell);
  EXPECT_EQ(down.status, 500);
  EXPECT_NE(down.error.find("oops"), std::string::npos);
  EXPECT_EQ(down.error.find("sk-provider-0123456789"), std::string::npos) << down.error;
  EXPECT_EQ(deployment("down")->health->checked.load(), router::Checked::Unwell);
  EXPECT_EQ(deployment("down")->health->fails.load(), 0U) << "probes count in no minute";
  EXPECT_EQ(deployment("down")->health->cooling_until_us.load(), 0);
  EXPECT_EQ(events->find({}).size(), 1U);

  EXPECT_EQ(probed("odd").state, State::Unwell) << "what comes must be JSON";
  EXPECT_EQ(vendor.calls.load(), 0);
  EXPECT_TRUE(pipeline.records.take().empty());
}

TEST_F(ProbeTest, MakesACallWhereThereIsNoList) {
  use({"plain", "picky"});
  const ProbeResult well = probed("plain");
  EXPECT_EQ(well.state, State::Well);
  EXPECT_EQ(well.way, Way::Call);
  EXPECT_EQ(well.cost.nano(), 11 * 1'000 + 7 * 2'000);
  EXPECT_EQ(purse.spent(base::unix_now_us()), well.cost);
  const std::vector<domain::CallRecord> records = pipeline.records.take();
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].tags, std::vector<std::string>{std::string(kProbeTag)});
  EXPECT_EQ(records[0].route, "/health");
  EXPECT_FALSE(pipeline.account()) << "no key's account was touched";
  EXPECT_EQ(deployment("plain")->health->calls.load(), 0U);
  probed("plain");
  EXPECT_EQ(vendor.lists.load(), 1) << "that there is none is remembered";

  const ProbeResult picky = probed("picky");
  EXPECT_EQ(picky.state, State::Well) << "who blames the request works";
  EXPECT_NE(picky.error.find("max_tokens"), std::string::npos);
}

TEST_F(ProbeTest, AsksOnceWhateverTheRetriesAre) {
  pipeline.settings->router.num_retries = 3;
  pipeline.settings->router.retry_policy.internal = 4;
  use({"down"});
  deployment("down")->health->lists_no_models = true;
  const ProbeResult down = probed("down");
  EXPECT_EQ(down.state, State::Unwell);
  EXPECT_EQ(down.way, Way::Call);
  EXPECT_EQ(vendor.calls.load(), 1);
  EXPECT_EQ(deployment("down")->health->fails.load(), 0U);
}

TEST_F(ProbeTest, SkipsWhatItMayNotPayOrCannotDo) {
  pipeline.add("group", "image").mode = "image_generation";
  pipeline.add("group", "mocked").mock_response_json = "\"hi\"";
  pipeline.settings->turnpike.health_check_budget_per_day = Money::from_nano(1'000);
  use({"plain"});
  for (const auto& [id, words] :
       {std::pair{"plain", "used up for today"}, {"image", "no call of mode image_generation"}, {"mocked", "mocked"}}) {
    const ProbeResult skipped = probed(id);
    EXPECT_EQ(skipped.state, State::Skipped) << id;
    EXPECT_NE(skipped.error.find(words), std::string::npos) << skipped.error;
    EXPECT_EQ(deployment(id)->health->checked.load(), router::Checked::Never) << id;
  }
  EXPECT_EQ(purse.refused(), 1U);
  EXPECT_EQ(vendor.calls.load(), 0);
}

TEST_F(ProbeTest, FeedsTheCooldownWhereErrorsHaveNumbersOfTheirOwn) {
  pipeline.settings->router.enable_health_check_routing = true;
  pipeline.settings->router.allowed_fails_policy.internal = 1;
  use({"down", "listing"});
  probed("down");
  EXPECT_EQ(deployment("down")->health->cooling_until_us.load(), 0);
  probed("down");
  EXPECT_GT(deployment("down")->health->cooling_until_us.load(), base::unix_now_us());
}

TEST_F(ProbeTest, EndsWhenItIsCancelledAndSaysNothing) {
  use({"silent"});
  ProbeResult result;
  std::promise<void> done;
  net::IoThread& thread = *pipeline.io_threads()[0];
  const auto asked = deployment("silent");
  std::thread waiting([&] {
    pipeline.on(thread, [&] { return into(result, asked); });
    done.set_value();
  });
  while (vendor.lists.load() == 0) std::this_thread::yield();
  TestPipeline::at_once(thread, [&] { cancel.request(); });
  waiting.join();
  EXPECT_EQ(result.state, State::Skipped);
  EXPECT_EQ(asked->health->checked.load(), router::Checked::Never);
}

TEST_F(ProbeTest, RoundsFollowTheSettingsAndEnd) {
  pipeline.settings->general.background_health_checks = true;
  pipeline.settings->general.health_check_interval = std::chrono::milliseconds(100);
  pipeline.settings->general.health_check_concurrency = 1;
  use({"listing", "down"});
  Probes probes(pipeline.gateway);
  probes.start(std::chrono::milliseconds(10));
  while (probes.history().size() < 4) std::this_thread::yield();
  EXPECT_EQ(probes.latest_of("listing")->state, State::Well);
  EXPECT_EQ(probes.latest_of("listing")->asked_by, "background");
  EXPECT_EQ(probes.latest_of("down")->state, State::Unwell);
  EXPECT_EQ(probes.latest().size(), 2U);
  probes.stop();
  const int lists = vendor.lists.load();
  EXPECT_GE(lists, 4);
  std::string page;
  append_probe_metrics(page, probes, base::unix_now_us());
  EXPECT_NE(page.find("turnpike_health_checks_total{way=\"model_list\"} "), std::string::npos);
}

TEST_F(ProbeTest, AStopEndsARoundThatHangs) {
  pipeline.settings->general.background_health_checks = true;
  use({"silent"});
  Probes probes(pipeline.gateway);
  probes.start(std::chrono::milliseconds(10));
  while (vendor.lists.load() == 0) std::this_thread::yield();
  const base::Monotonic begun = base::monotonic_now();
  probes.stop();
  EXPECT_LT(base::monotonic_now() - begun, std::chrono::seconds(4));
  EXPECT_EQ(probes.latest_of("silent")->state, State::Skipped);
}

TEST_F(ProbeTest, ACallThatHangsIsToldOnceWhileItDoes) {
  pipeline.settings->general.alerts.threshold = std::chrono::milliseconds(200);
  use({"silent"});
  HangWatch watch(pipeline.gateway);
  net::IoThread& thread = *pipeline.io_threads()[0];
  const auto exchange = pipeline.make_exchange(R"({"model":"group","messages":[{"role":"user","content":"hi"}]})");
  std::thread waiting([&] { pipeline.on(thread, [&] { return pipeline.serve(*exchange); }); });
  const auto told = [&] { return events->find({.kind = telemetry::EventKind::Hanging}); };
  while (told().empty()) std::this_thread::yield();
  EXPECT_EQ(told()[0].deployment_id, "silent");
  EXPECT_GE(told()[0].value, 0.2);
  TestPipeline::at_once(thread, [&] { exchange->hang_up(); });
  waiting.join();
  EXPECT_EQ(told().size(), 1U);
}

}  // namespace
}  // namespace turnpike::pipeline::probe_test
