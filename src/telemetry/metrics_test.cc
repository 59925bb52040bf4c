#include "telemetry/metrics.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "telemetry/budget_metrics.h"
#include "telemetry/series.h"

namespace turnpike::telemetry::metrics_test {
namespace {

domain::CallerRef caller(const std::string& name) {
  auto made = std::make_shared<domain::Caller>();
  made->key_hash_hex = "hash-" + name;
  made->key_alias = name;
  made->user_id = "u1";
  return made;
}

domain::Attempt attempt(const std::string& group, std::optional<ErrorKind> error = {}, int status = 200) {
  domain::Attempt made;
  made.model_group = group;
  made.deployment_id = "id-" + group;
  made.provider = "openai";
  made.model = "gpt-4o";
  made.api_base = "https://api.openai.com/v1";
  made.error = error;
  made.status = status;
  made.started_us = 1'000'000;
  return made;
}

domain::CallRecord call(const domain::CallerRef& who) {
  domain::CallRecord record;
  record.record_id = "r";
  record.caller = who;
  record.route = "/v1/chat/completions";
  record.requested_model = record.model_group = "gpt";
  record.attempts.push_back(attempt("gpt"));
  record.usage.set(domain::Unit::InputTokens, 10);
  record.usage.set(domain::Unit::OutputTokens, 5);
  record.cost = Money::from_nano(54'399'001);
  record.status = domain::EntryStatus::Success;
  record.http_status = 200;
  record.started_us = 1'000'000;
  record.first_byte_us = 1'007'000;
  record.ended_us = 1'100'000;
  record.upstream_us = 94'000;
  return record;
}

bool has_line(const std::string& page, const std::string& line) {
  return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
}

const char* const kWho = R"(api_key_alias="ci",client_ip="None",end_user="None",)";

TEST(Metrics, CountsACallUnderTheNamesOfLiteLlm) {
  const auto metrics = Metrics::make({});
  domain::CallRecord record = call(caller("ci"));
  record.stream = true;
  metrics->call_ended(0, record);
  metrics->call_ended(0, record);
  const std::string page = metrics->render();
  const std::string tail = R"(team="None",team_alias="None",user="u1",)";
  const std::string latency = R"(api_key_alias="ci",end_user="None",hashed_api_key="hash-ci")";
  const std::string of_model =
      R"(model="gpt-4o",model_id="id-gpt",requested_model="gpt",team="None",team_alias="None",user="u1")";
  const std::string lines[] = {
      "# TYPE litellm_proxy_total_requests_metric_total counter",
      "# TYPE litellm_request_total_latency_metric histogram",
      "# TYPE litellm_spend_metric_created gauge",
      std::string("litellm_proxy_total_requests_metric_total{") + kWho +
          R"(hashed_api_key="hash-ci",model_id="id-gpt",)" +
          R"(requested_model="gpt",route="/v1/chat/completions",status_code="200",)" + tail +
          R"(user_agent="None",user_email="None"} 2.0)",
      std::string("litellm_spend_metric_total{") + kWho +
          R"(hashed_api_key="hash-ci",model="gpt-4o",model_id="id-gpt",)" + tail +
          R"(user_agent="None",user_email="None"} 0.108798002)",
      R"(litellm_total_tokens_metric_total{)" + latency + "," + of_model + R"(,user_email="None"} 30.0)",
      R"(litellm_request_total_latency_metric_bucket{)" + latency + R"(,le="0.05",)" + of_model + "} 0.0",
      R"(litellm_request_total_latency_metric_bucket{)" + latency + R"(,le="0.1",)" + of_model + "} 2.0",
      R"(litellm_request_total_latency_metric_bucket{)" + latency + R"(,le="+Inf",)" + of_model + "} 2.0",
      R"(litellm_request_total_latency_metric_count{)" + latency + "," + of_model + "} 2.0",
      R"(litellm_request_total_latency_metric_sum{)" + latency + "," + of_model + "} 0.2",
      R"(litellm_llm_api_time_to_first_token_metric_sum{)" + latency + "," + of_model + "} 0.014",
      R"(litellm_overhead_latency_metric_sum{api_base="https://api.openai.com/v1",api_key_alias="ci",api_provider="openai",)"
      R"(hashed_api_key="hash-ci",litellm_model_name="gpt-4o",model_group="gpt",model_id="id-gpt"} 0.012)",
      R"(turnpike_entries_total{status="success"} 2.0)",
  };
  for (const std::string& line : lines) EXPECT_TRUE(has_line(page, line)) << line << "\nin\n" << page;
  EXPECT_EQ(metrics->spend_total(), Money::from_nano(108'798'002));
}

TEST(Metrics, BucketsAreThoseOfLiteLlm) {
  std::string all;
  for (const std::string& name : bucket_names()) all += name + " ";
  EXPECT_EQ(
      all,
      "0.005 0.00625 0.0125 0.025 0.05 0.1 0.5 1.0 1.5 2.0 2.5 3.0 3.5 4.0 4.5 5.0 5.5 6.0 6.5 7.0 7.5 8.0 8.5 9.0 "
      "9.5 10.0 15.0 20.0 25.0 30.0 60.0 120.0 180.0 240.0 300.0 +Inf ");
}

TEST(Metrics, FailuresNameTheirClass) {
  const auto metrics = Metrics::make({});
  metrics->know_models({"gpt", "gpt-4o"});
  domain::CallRecord record = call(nullptr);
  record.attempts = {attempt("gpt", ErrorKind::UpstreamRateLimited, 429)};
  record.status = domain::EntryStatus::Failure;
  record.http_status = 429;
  record.error = ErrorKind::UpstreamRateLimited;
  record.usage = {};
  record.cost = {};
  metrics->call_ended(0, record);
  const std::string page = metrics->render();
  EXPECT_TRUE(has_line(
      page, R"(litellm_proxy_failed_requests_metric_total{api_key_alias="None",client_ip="None",end_user="None",)"
            R"(exception_class="Openai.RateLimitError",exception_status="429",hashed_api_key="None",)"
            R"(model_id="id-gpt",requested_model="gpt",route="/v1/chat/completions",team="None",)"
            R"(team_alias="None",user="None",user_agent="None",user_email="None"} 1.0)"))
      << page;
  EXPECT_NE(page.find("litellm_deployment_failure_responses_total{"), std::string::npos);
  EXPECT_NE(page.find("litellm_llm_api_failed_requests_metric_total{"), std::string::npos);
  EXPECT_EQ(page.find("litellm_spend_metric"), std::string::npos) << "nothing was spent";
}

TEST(Metrics, FallbacksAreToldByTheGroupTheyLedTo) {
  const auto metrics = Metrics::make({});
  metrics->know_models({"gpt", "second", "third"});
  domain::CallRecord record = call(nullptr);
  record.attempts = {attempt("gpt", ErrorKind::UpstreamInternal, 500),
                     attempt("second", ErrorKind::UpstreamTimeout, 504), attempt("third")};
  record.fallbacks = 2;
  record.model_group = "third";
  metrics->call_ended(0, record);
  const std::string page = metrics->render();
  EXPECT_NE(page.find(R"(litellm_deployment_failed_fallbacks_total{api_key_alias="None",)"
                      R"(exception_class="Openai.InternalServerError",exception_status="500",fallback_model="second")"),
            std::string::npos)
      << page;
  EXPECT_NE(page.find(R"(litellm_deployment_successful_fallbacks_total{api_key_alias="None",)"
                      R"(exception_class="Openai.Timeout",exception_status="504",fallback_model="third")"),
            std::string::npos);
}

/// Lines that are samples.
std::size_t samples(const std::string& page) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < page.size(); at = page.find('\n', at) + 1) count += page[at] != '#' ? 1 : 0;
  return count;
}

TEST(Metrics, AFloodOfNamesAddsFewSeries) {
  const auto metrics = Metrics::make({});
  const domain::CallerRef who = caller("ci");
  metrics->call_ended(0, call(who));
  const std::size_t before = samples(metrics->render());
  for (int i = 0; i < 100'000; ++i) {
    domain::CallRecord record = call(who);
    record.requested_model = "bad-" + std::to_string(i);
    record.route = "/v1/" + std::to_string(i);
    record.end_user = record.user_agent = record.client_ip = std::to_string(i);
    record.model_group.clear();
    record.attempts.clear();
    record.status = domain::EntryStatus::Failure;
    record.http_status = 400;
    record.error = ErrorKind::InvalidRequest;
    record.usage = {};
    record.cost = {};
    record.record_id.clear();
    metrics->call_ended(0, record);
  }
  const std::string page = metrics->render();
  EXPECT_LE(samples(page) - before, 200u) << "48 routes, two counters each with their birth dates";
  EXPECT_LT(page.size(), 1u << 20);
  EXPECT_EQ(page.find("bad-"), std::string::npos);
}

TEST(Metrics, AWildcardModelIsNamedOnceItAnswered) {
  const auto metrics = Metrics::make({.models_max = 3});
  domain::CallRecord failed = call(nullptr);
  failed.status = domain::EntryStatus::Failure;
  failed.http_status = 500;
  metrics->call_ended(0, failed);
  EXPECT_EQ(metrics->render().find(R"(requested_model="gpt")"), std::string::npos);
  metrics->call_ended(0, call(nullptr));
  metrics->call_ended(0, failed);
  EXPECT_NE(metrics->render().find(R"(requested_model="gpt",route="/v1/chat/completions",status_code="500")"),
            std::string::npos);
  domain::CallRecord other = call(nullptr);
  for (int i = 0; i < 10; ++i) {
    other.requested_model = other.model_group = "m" + std::to_string(i);
    metrics->call_ended(0, other);
  }
  const std::string page = metrics->render();
  EXPECT_NE(page.find(R"(requested_model="m0")"), std::string::npos);
  EXPECT_EQ(page.find(R"(requested_model="m1")"), std::string::npos) << "no more are learned";
}

TEST(Metrics, SpendStaysExactWhenLabelSetsRunOut) {
  const auto metrics = Metrics::make({.series_max = 5});
  for (int i = 0; i < 50; ++i) metrics->call_ended(0, call(caller("k" + std::to_string(i))));
  EXPECT_EQ(metrics->spend_total(), Money::from_nano(50 * 54'399'001LL));
  const std::string page = metrics->render();
  EXPECT_NE(page.find(R"(litellm_spend_metric_total{api_key_alias="other")"), std::string::npos);
  EXPECT_EQ(page.find("k7\""), std::string::npos);
  EXPECT_EQ(page.find("turnpike_series_folded_total 0\n"), std::string::npos);
}

TEST(Metrics, APageStaysBelowItsLimitHoweverManyKeysCall) {
  const auto metrics = Metrics::make({});
  for (int i = 0; i < 2'000; ++i) metrics->call_ended(0, call(caller("key-number-" + std::to_string(i))));
  const std::string page = metrics->render();
  EXPECT_LE(page.size(), 5'000'000U);
  EXPECT_GE(page.size(), 3'000'000U) << "and it is used";
  const auto named = [&](std::string_view name) {
    std::size_t lines = 0;
    const std::string begin = "\n" + std::string(name) + "{";
    for (std::size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at + 1)) ++lines;
    return lines;
  };
  EXPECT_GE(named("litellm_request_total_latency_metric_count"), 50U);
  EXPECT_GE(named("litellm_spend_metric_total"), 100U);
  EXPECT_EQ(metrics->spend_total(), Money::from_nano(2'000 * 54'399'001LL));
}

TEST(Metrics, EscapesValues) {
  LabelValues values;
  values[static_cast<std::size_t>(Label::ApiProvider)] = "a\"b\\c\nd\re\xE2\x80\xA8";
  values[static_cast<std::size_t>(Label::ModelId)] = "m";
  EXPECT_EQ(label_text({"x", "", Shape::Count, 1U << static_cast<unsigned>(Label::ApiProvider)}, values, false),
            R"(api_provider="a\"b\\c\nde")");
}

TEST(Metrics, ThreadsCountApartAndAreSummed) {
  constexpr std::size_t kThreads = 4;
  constexpr int kCalls = 2'000;
  const auto metrics = Metrics::make({.threads = kThreads});
  const domain::CallerRef who = caller("ci");
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done.load()) static_cast<void>(metrics->render());
  });
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const domain::CallRecord record = call(who);
      for (int i = 0; i < kCalls; ++i) metrics->call_ended(t, record);
    });
  }
  for (std::thread& thread : threads) thread.join();
  done.store(true);
  reader.join();
  EXPECT_EQ(metrics->spend_total(), Money::from_nano(static_cast<std::int64_t>(kThreads) * kCalls * 54'399'001LL));
  EXPECT_NE(metrics->render().find("turnpike_entries_total{status=\"success\"} 8000.0"), std::string::npos);
}

TEST(KeyBudgets, AreExactDollars) {
  const KeyBudget budgets[] = {{"h1", "ci", Money::from_nano(5'000'000'000), Money::from_nano(1)},
                               {"h2", "", Money::from_nano(1'000'000'000), Money::from_nano(2'500'000'000)}};
  std::string page;
  append_key_budgets(page, budgets);
  EXPECT_TRUE(
      has_line(page, R"(litellm_remaining_api_key_budget_metric{api_key_alias="ci",hashed_api_key="h1"} 4.999999999)"));
  EXPECT_TRUE(
      has_line(page, R"(litellm_remaining_api_key_budget_metric{api_key_alias="None",hashed_api_key="h2"} -1.5)"));
  EXPECT_TRUE(has_line(page, R"(litellm_api_key_max_budget_metric{api_key_alias="ci",hashed_api_key="h1"} 5.0)"));
  EXPECT_TRUE(has_line(page, "turnpike_key_budgets_omitted 0"));
}

TEST(KeyBudgets, KeepToTheirShareOfThePage) {
  const std::vector<KeyBudget> budgets(kBudgetsMax, {std::string(64, 'a'), "alias", Money::from_nano(5), Money()});
  std::string page;
  append_key_budgets(page, budgets);
  EXPECT_GT(page.size(), kBudgetBytesMax * 9 / 10);
  EXPECT_LT(page.size(), kBudgetBytesMax + 1'000);
  const auto lines = [&](std::string_view start) {
    std::size_t count = 0;
    for (std::size_t at = page.find(start); at != std::string::npos; at = page.find(start, at + 1)) ++count;
    return count;
  };
  const std::size_t shown = lines("\nlitellm_remaining_api_key_budget_metric{");
  EXPECT_EQ(shown, lines("\nlitellm_api_key_max_budget_metric{"));
  EXPECT_TRUE(has_line(page, "turnpike_key_budgets_omitted " + std::to_string(kBudgetsMax - shown)));
}

TEST(Metrics, ShowsWhatOthersKeep) {
  const auto metrics = Metrics::make({});
  metrics->observe("turnpike_x_total", "Counted elsewhere.", Metrics::Kind::Counter, [] { return 3.0; });
  metrics->observe_text([](std::string& out) { out += "turnpike_y 1\n"; });
  const std::string page = metrics->render();
  EXPECT_TRUE(has_line(page, "# TYPE turnpike_x_total counter"));
  EXPECT_TRUE(has_line(page, "turnpike_x_total 3"));
  EXPECT_TRUE(has_line(page, "turnpike_y 1"));
  EXPECT_NE(page.find("process_resident_memory_bytes "), std::string::npos);
  EXPECT_NE(page.find("turnpike_build_info{version="), std::string::npos);
}

}  // namespace
}  // namespace turnpike::telemetry::metrics_test
