#include <gtest/gtest.h>

#include "config/effective.h"
#include "config/settings.h"

namespace turnpike::config::read_keys_test {
namespace {

Loaded loaded(std::string_view yaml) {
  LoadOptions options;
  options.environment = [](const std::string&) { return std::optional<std::string>(); };
  return load_text(yaml, options);
}

TEST(KeySettings, AreReadAndShown) {
  const Loaded file = loaded(R"(general_settings: {master_key: sk-master-0123456789}
litellm_settings:
  default_key_generate_params: {max_budget: 5.5, models: [gpt], metadata: {a: b}}
  upperbound_key_generate_params: {max_budget: 100, duration: 30d}
  key_generation_settings:
    team_key_generation: {allowed_team_member_roles: [admin], required_params: [tags]}
    personal_key_generation: {allowed_user_roles: [proxy_admin]}
turnpike: {key_issuance: central, rotated_keys_dir: /run/keys}
)");
  ASSERT_TRUE(file.settings) << (file.diagnostics.empty() ? "" : file.diagnostics[0].text);
  const KeySettings& keys = file.settings->litellm.keys;
  EXPECT_EQ(keys.defaults_json, R"({"max_budget":5.5,"models":["gpt"],"metadata":{"a":"b"}})");
  EXPECT_EQ(keys.max_budget_ceiling, Money::from_nano(100'000'000'000));
  EXPECT_EQ(keys.duration_ceiling, "30d");
  EXPECT_EQ(keys.team.roles, std::vector<std::string>{"admin"});
  EXPECT_EQ(keys.team.required_params, std::vector<std::string>{"tags"});
  EXPECT_EQ(keys.personal.roles, std::vector<std::string>{"proxy_admin"});
  EXPECT_EQ(file.settings->turnpike.key_issuance, KeyIssuance::Central);
  EXPECT_EQ(file.settings->turnpike.rotated_keys_dir, "/run/keys");
  std::string shown;
  for (const EffectiveValue& value : effective(file.settings->litellm)) shown += value.name + "=" + value.json + "\n";
  EXPECT_NE(shown.find(R"(team_key_generation={"allowed_team_member_roles": ["admin"])"), std::string::npos) << shown;
}

TEST(KeySettings, NothingIsTakenThatWouldNotHold) {
  for (const char* yaml : {
           "litellm_settings: {upperbound_key_generate_params: {tpm_limit: -1}}",
           "litellm_settings: {default_key_generate_params: {guardrails: [pii]}}",
           "litellm_settings: {upperbound_key_generate_params: {duration: soon}}",
           "turnpike: {key_issuance: anybody}",
       }) {
    EXPECT_FALSE(loaded(std::string("general_settings: {master_key: sk-master-0123456789}\n") + yaml).settings) << yaml;
  }
}

}  // namespace
}  // namespace turnpike::config::read_keys_test
