#include "drill/stage.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace turnpike::drill::stage_test {
namespace {

using std::chrono::milliseconds;

TEST(Stage, MakesUpWhatAConfigurationNamesAndNobodyHasSet) {
  const auto text = [](const char* name) { return made_up(name).value_or("nothing"); };
  EXPECT_EQ(text("OPENAI_API_KEY"), "sk-drill-OPENAI_API_KEY");
  EXPECT_NE(text("TEAM_A_TOKEN"), text("TEAM_B_TOKEN")) << "accounts stay apart";
  EXPECT_EQ(text("VLLM_API_BASE"), "https://vllm-api-base.invalid");
  EXPECT_EQ(text("AWS_REGION_NAME"), "us-east-1");
  EXPECT_EQ(text("VERTEXAI_PROJECT"), "drill");
  EXPECT_EQ(text("COLOUR"), "nothing");
  const config::Environment environment =
      staged_environment("api_key: os.environ/DRILL_TEST_KEY\n# os.environ/DRILL_TEST_URL");
  EXPECT_EQ(environment("DRILL_TEST_KEY"), "sk-drill-DRILL_TEST_KEY");
  EXPECT_EQ(environment("DRILL_TEST_URL"), "https://drill-test-url.invalid");
  const config::Environment by_key = staged_environment(
      "{master_key: os.environ/DRILL_TEST_LOCK, api_base: \"os.environ/DRILL_TEST_PLACE\", x: "
      "os.environ/DRILL_TEST_X}");
  EXPECT_EQ(by_key("DRILL_TEST_LOCK"), "sk-drill-DRILL_TEST_LOCK") << "the key says what a name does not";
  EXPECT_EQ(by_key("DRILL_TEST_PLACE"), "https://api-base.invalid");
  EXPECT_EQ(by_key("DRILL_TEST_X"), std::nullopt);
  EXPECT_EQ(environment("DRILL_TEST_TOKEN"), std::nullopt) << "what the file does not name is not made up";
}

TEST(Stage, LeavesNoSecretInTheEnvironment) {
  ::setenv("DRILL_TEST_API_KEY", "sk-real", 1);
  ::setenv("DRILL_TEST_PASSWORD", "real", 1);
  ::setenv("DRILL_TEST_API_BASE", "https://llm.example.com", 1);
  ::setenv("DRILL_TEST_DATABASE_URL", "postgresql://ada:real@db.example.com/turnpike", 1);
  hide_secrets_of_environment();
  EXPECT_STREQ(std::getenv("DRILL_TEST_API_KEY"), "sk-drill-DRILL_TEST_API_KEY");
  EXPECT_STREQ(std::getenv("DRILL_TEST_PASSWORD"), "sk-drill-DRILL_TEST_PASSWORD");
  EXPECT_STREQ(std::getenv("DRILL_TEST_DATABASE_URL"), "postgresql://drill.invalid/drill") << "a URL is read as one";
  EXPECT_STREQ(std::getenv("DRILL_TEST_API_BASE"), "https://llm.example.com") << "it decides on prices";
  for (const char* name :
       {"DRILL_TEST_API_KEY", "DRILL_TEST_PASSWORD", "DRILL_TEST_API_BASE", "DRILL_TEST_DATABASE_URL"}) {
    ::unsetenv(name);
  }
}

TEST(Stage, ShortensLimitsByOneFactorAndNoneBelowTheLeast) {
  config::Settings settings;
  settings.router.timeout = milliseconds(60'000);
  settings.models.resize(1);
  const Clock clock = clock_of(settings);
  EXPECT_EQ(clock.deadline, milliseconds(5'000));
  EXPECT_EQ(clock.scaled(milliseconds(60'000)), milliseconds(5'000));
  EXPECT_EQ(clock.scaled(milliseconds(12'000)), milliseconds(1'000));
  EXPECT_EQ(clock.scaled(milliseconds(1'200)), kLeastLimit);
  EXPECT_EQ(clock.scaled(milliseconds(200)), milliseconds(200)) << "no limit grows";

  settings.models[0].timeout = milliseconds(120'000);
  EXPECT_EQ(clock_of(settings).scaled(milliseconds(60'000)), milliseconds(2'500)) << "by the most patient call";

  settings.models[0].timeout.reset();
  settings.router.timeout = milliseconds(3'000);
  const Clock short_clock = clock_of(settings);
  EXPECT_FALSE(short_clock.shortened());
  EXPECT_EQ(short_clock.scaled(milliseconds(1'000)), milliseconds(1'000));
}

TEST(Stage, TakesSecretsAndCallsOfTheGatewaysOwnOutOfTheSettings) {
  config::Settings settings;
  config::ModelEntry entry;
  entry.api_key = base::Secret("sk-real");
  entry.extra_headers = {{"X-Team", base::Secret("real")}};
  entry.provider_params = {{"aws_secret_access_key", base::Secret("real")},
                           {"aws_region_name", base::Secret("eu-west-1")}};
  entry.silent_models = {"shadow"};
  settings.models = {entry};
  settings.turnpike.mirroring.resize(1);
  settings.general.master_key = base::Secret("sk-real-master");
  settings.general.background_health_checks = true;
  const config::SettingsRef staged = staged_settings(settings, clock_of(settings));
  const config::ModelEntry& made = staged->models[0];
  EXPECT_NE(made.api_key.reveal(), "sk-real");
  EXPECT_NE(made.extra_headers[0].second.reveal(), "real");
  EXPECT_NE(made.provider_params[0].second.reveal(), "real");
  EXPECT_EQ(made.provider_params[1].second.reveal(), "eu-west-1");
  EXPECT_NE(staged->general.master_key.reveal(), "sk-real-master");
  EXPECT_FALSE(staged->general.background_health_checks) << "calls of the gateway's own are off";
  EXPECT_TRUE(staged->turnpike.mirroring.empty());
  EXPECT_TRUE(made.silent_models.empty());
}

TEST(Stage, PointsEveryTargetAtThisMachine) {
  const Stand stand{4001, 4002};
  const auto aimed = [&](const char* provider, provider::Shape shape, const char* path, const char* fault) {
    provider::Target target;
    target.provider = provider::find_provider(provider);
    target.shape = shape;
    target.base.origin.tls = true;
    target.base.origin.host = "llm.example.com";
    target.base.path = path;
    redirect(target, stand, "r1.d0", find_fault(fault));
    const http::Origin& origin = target.base.origin;
    return (origin.tls ? "https://" : "http://") + origin.host + ":" + std::to_string(origin.port) + target.base.path;
  };
  using provider::Shape;
  EXPECT_EQ(aimed("openai", Shape::OpenAi, "/v1", "500"), "http://127.0.0.1:4001/fake/label=r1.d0/v1");
  EXPECT_EQ(aimed("groq", Shape::OpenAi, "/openai/v1", "none"), "http://127.0.0.1:4001/fake/label=r1.d0/v1");
  EXPECT_EQ(aimed("gemini", Shape::Gemini, "", "500"), "http://127.0.0.1:4001/fake/label=r1.d0/v1beta");
  EXPECT_EQ(aimed("openai", Shape::OpenAi, "/v1", "tls"), "https://127.0.0.1:4001/fake/label=r1.d0/v1");
  EXPECT_EQ(aimed("openai", Shape::OpenAi, "/v1", "connect-timeout"), "http://127.0.0.1:4002/fake/label=r1.d0/v1");
  EXPECT_NE(aimed("openai", Shape::OpenAi, "/v1", "dns").find(".invalid:"), std::string::npos);
}

}  // namespace
}  // namespace turnpike::drill::stage_test
