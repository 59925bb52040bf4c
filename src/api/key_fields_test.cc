#include "api/key_fields.h"

#include <gtest/gtest.h>

namespace turnpike::api::key_fields_test {
namespace {

struct RefusedCase {
  const char* body;
  const char* param;
  const char* says;
};

const RefusedCase kRefused[] = {
    // Wrong types name the field and show how it is written.
    {R"({"key_alias": 5})", "key_alias", "must be a string, got a number"},
    {R"({"models": "gpt-4o"})", "models", "must be a list of strings, got a string"},
    {R"({"models": ["a", 1]})", "models", "must be a list of strings, got a number"},
    {R"({"max_budget": "10"})", "max_budget", "must be a number of US dollars, got a string"},
    {R"({"max_budget": -1})", "max_budget", "cannot be negative. Received: -1."},
    {R"({"max_budget": 1e300})", "max_budget", "not an amount"},
    {R"({"spend": true})", "spend", "got a boolean"},
    {R"({"blocked": "yes"})", "blocked", "must be true or false"},
    {R"({"aliases": {"gpt": 4}})", "aliases", "request model to real model"},
    {R"({"metadata": []})", "metadata", "must be an object"},
    {R"({"metadata": {"tags": "x"}})", "metadata.tags", "must be a list of strings"},
    {R"({"metadata": {"disable_fallbacks": "yes"}})", "metadata.disable_fallbacks", "must be true or false"},
    {R"({"router_settings": []})", "router_settings", "must be an object"},
    {R"({"router_settings": {"num_retries": "2"}})", "router_settings.num_retries", "whole number"},
    {R"({"router_settings": {"cooldown_time": 5}})", "router_settings.cooldown_time", "cannot be set for one key"},
    {R"({"duration": "soon"})", "duration", "Write a number and a unit"},
    {R"({"duration": "0s"})", "duration", "is not a duration"},
    {R"({"duration": 30})", "duration", "must be a string"},
    {R"({"duration": "-1"})", "duration", "is not a duration"},
    {R"({"key_alias": ""})", "key_alias", "must not be empty"},
    {R"({"soft_budget": "1"})", "soft_budget", "must be a number of US dollars"},
    {R"({"budget_id": 5})", "budget_id", "must be a string"},
    {R"({"temp_budget_increase": 5})", "temp_budget_expiry", "go together"},
    {R"({"temp_budget_increase": 5, "temp_budget_expiry": "soon"})", "temp_budget_expiry", "must be a time"},
    {R"({"enforced_params": "user"})", "enforced_params", "must be a list of strings"},
    {R"({"metadata": {"enforced_params": "user"}})", "metadata.enforced_params", "must be a list of strings"},
    {R"({"allowed_ips": ["10.0.0.0/33"]})", "allowed_ips", "no address and no range"},
    {R"({"metadata": {"allowed_ips": ["here"]}})", "metadata.allowed_ips", "no address and no range"},
    {R"({"permissions": []})", "permissions", "must be an object"},
    {R"({"object_permission": 1})", "object_permission", "must be an object"},
    {R"({"allowed_routes": [1]})", "allowed_routes", "must be a list of strings"},
    {R"({"key_type": "admin"})", "key_type", "must be \"default\""},
    {R"({"auto_rotate": "yes"})", "auto_rotate", "must be true or false"},
    {R"({"rotation_interval": "often"})", "rotation_interval", "is not a duration"},
    {R"({"max_budget": 1, "max_budget": null})", "max_budget", "twice"},
    // The escaped spelling is the same field.
    {R"({"max\u005fbudget": 1, "max_budget": 2})", "max_budget", "twice"},
    // Fields that protect and are not enforced: never stored and forgotten.
    {R"({"budget_duration": "soon"})", "budget_duration", "is not a duration"},
    {R"({"budget_duration": 30})", "budget_duration", "is not a duration"},
    {R"({"budget_reset_at": "2030-01-01T00:00:00Z"})", "budget_reset_at", "follows from budget_duration"},
    {R"({"model_max_budget": {"gpt": {"budget_limit": "1"}}})", "model_max_budget", "is no budget"},
    {R"({"model_max_budget": {"gpt": {"budget_limit": 1, "time_period": "often"}}})", "model_max_budget",
     "is no budget"},
    {R"({"model_max_budget": 5})", "model_max_budget", "an object"},
    {R"({"tpm_limit": "5"})", "tpm_limit", "whole number"},
    {R"({"max_budget_tokens": -1})", "max_budget_tokens", "whole number"},
    {R"({"max_budget_tokens": 1.5})", "max_budget_tokens", "whole number"},
    {R"({"soft_budget_tokens": 1000000000000001})", "soft_budget_tokens", "at most"},
    {R"({"rpm_limit": -1})", "rpm_limit", "whole number"},
    {R"({"max_parallel_requests": 1.5})", "max_parallel_requests", "whole number"},
    {R"({"model_rpm_limit": 5})", "model_rpm_limit", "an object"},
    {R"({"model_tpm_limit": {"a": "many"}})", "model_tpm_limit", "whole number"},
    {R"({"rpm_limit_type": "often"})", "rpm_limit_type", "guaranteed_throughput"},
    {R"({"tpm_limit_type": 5})", "tpm_limit_type", "best_effort_throughput"},
    {R"({"metadata": {"tpm_limit_type": ["x"]}})", "metadata.tpm_limit_type", "dynamic"},
    {R"({"guardrails": ["pii"]})", "guardrails", "not enforced"},
    {R"({"policies": ["p"]})", "policies", "not enforced"},
    {R"({"allowed_cache_controls": ["no-cache"]})", "allowed_cache_controls", "not enforced"},
    {R"({"allowed_passthrough_routes": ["/x"]})", "allowed_passthrough_routes", "not enforced"},
    {R"({"allowed_vector_store_indexes": [{}]})", "allowed_vector_store_indexes", "not enforced"},
    {R"({"expires": "2030-01-01"})", "expires", "duration"},
    // The same where LiteLLM keeps them.
    {R"({"metadata": {"logging": [{"callback_name": "x"}]}})", "metadata.logging", "not enforced"},
    {R"({"metadata": {"guardrails": ["pii"]}})", "metadata.guardrails", "not enforced"},
    {R"({"metadata": {"model_rpm_limit": {"a": -1}}})", "metadata.model_rpm_limit", "whole number"},
};

TEST(ReadKeyChange, RefusesByName) {
  for (const RefusedCase& c : kRefused) {
    SCOPED_TRACE(c.body);
    const Result<KeyChange> change = read_key_change(c.body, KeyRoute::Generate);
    ASSERT_FALSE(change);
    EXPECT_EQ(change.error().kind, ErrorKind::InvalidRequest);
    EXPECT_EQ(change.error().param, c.param);
    EXPECT_NE(change.error().message.find(c.says), std::string::npos) << change.error().message;
  }
}

TEST(ReadKeyChange, EveryProtectingFieldIsRefusedOnBothRoutes) {
  for (const KeyField& field : key_fields()) {
    if (field.rule != FieldRule::Refused) continue;
    const std::string body = "{\"" + std::string(field.name) + "\": [1]}";
    for (const KeyRoute route : {KeyRoute::Generate, KeyRoute::Update}) {
      const Result<KeyChange> change = read_key_change(body, route);
      ASSERT_FALSE(change) << field.name;
      EXPECT_EQ(change.error().param, field.name);
    }
    EXPECT_FALSE(field.note.empty()) << field.name;
  }
  for (const KeyField& field : key_metadata_fields()) {
    const Result<KeyChange> change =
        read_key_change("{\"metadata\":{\"" + std::string(field.name) + "\": [1]}}", KeyRoute::Update);
    ASSERT_FALSE(change) << field.name;
    EXPECT_EQ(change.error().param, "metadata." + std::string(field.name));
  }
}

TEST(ReadKeyChange, LetsAskingForNothingPass) {
  const Result<KeyChange> change = read_key_change(
      R"({"rpm_limit": null, "guardrails": [], "permissions": {}, "auto_rotate": false, "key_type": "default",
          "budget_duration": "", "metadata": {"guardrails": []}})",
      KeyRoute::Generate);
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_TRUE(change->ignored.empty());
}

TEST(ReadKeyChange, ReadsEveryStoredField) {
  const Result<KeyChange> change = read_key_change(
      R"({"key":"sk-mine","key_alias":"app","duration":"30d","models":["gpt-4o","openai/*"],"aliases":{"a":"b"},
          "config":{"x":1},"spend":0.5,"max_budget":10.000000001,"user_id":"u","team_id":"t","organization_id":"o",
          "metadata":{"k":[1,2]},"tags":["x","y"],"blocked":true,"router_settings":{"num_retries":1}})",
      KeyRoute::Generate);
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_EQ(change->key, "sk-mine");
  EXPECT_EQ(change->key_alias.value, "app");
  EXPECT_EQ(change->life->seconds, 30 * 86400);
  EXPECT_EQ(change->models, (std::vector<std::string>{"gpt-4o", "openai/*"}));
  EXPECT_EQ(change->aliases_json, R"({"a":"b"})");
  EXPECT_EQ(change->config_json, R"({"x":1})");
  EXPECT_EQ(change->spend, Money::from_nano(500'000'000));
  EXPECT_EQ(change->max_budget.value, Money::from_nano(10'000'000'001));
  EXPECT_EQ(change->user_id.value, "u");
  EXPECT_EQ(change->team_id.value, "t");
  EXPECT_EQ(change->organization_id.value, "o");
  EXPECT_EQ(change->metadata_json, R"({"k":[1,2]})");
  EXPECT_EQ(change->router_settings_json, R"({"num_retries":1})");
  EXPECT_EQ(change->tags, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(change->blocked, true);
}

TEST(ReadKeyChange, ReadsWhatConfinesAndRotates) {
  const Result<KeyChange> change = read_key_change(
      R"({"key_type":"llm_api","allowed_routes":["/v1/models"],"allowed_ips":["10.0.0.0/8","::1"],
          "enforced_params":["user"],"permissions":{"p":true},"object_permission":{"mcp_servers":["m"]},
          "soft_budget":2,"budget_id":"b","auto_rotate":true,"rotation_interval":"30d","access_group_ids":["g"],
          "temp_budget_increase":5,"temp_budget_expiry":"2030-01-01T00:00:00Z","new_key":"sk-x","grace_period":"24h"})",
      KeyRoute::Regenerate);
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_EQ(change->key_type, "llm_api");
  EXPECT_EQ(change->allowed_ips, (std::vector<std::string>{"10.0.0.0/8", "::1"}));
  EXPECT_EQ(change->enforced_params, std::vector<std::string>{"user"});
  EXPECT_EQ(change->soft_budget.value, Money::from_nano(2'000'000'000));
  EXPECT_EQ(change->temp_budget_increase, Money::from_nano(5'000'000'000));
  EXPECT_EQ(change->rotation_interval.value, "30d");
  EXPECT_EQ(change->new_key, "sk-x");
  EXPECT_EQ(change->grace_seconds, 86400);
  EXPECT_EQ(change->unenforced, (std::vector<std::string>{"permissions.p", "object_permission"}));
  EXPECT_TRUE(change->ignored.empty());
  const Result<KeyChange> elsewhere = read_key_change(R"({"grace_period":"24h"})", KeyRoute::Update);
  ASSERT_TRUE(elsewhere);
  EXPECT_EQ(elsewhere->ignored, std::vector<std::string>{"grace_period"});
}

TEST(ReadKeyChange, NullClearsOnlyWhatMayBeEmpty) {
  const Result<KeyChange> change = read_key_change(
      R"({"key":"sk-a","max_budget":null,"key_alias":null,"models":null,"metadata":null,"blocked":null,"duration":null})",
      KeyRoute::Update);
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_TRUE(change->max_budget.present);
  EXPECT_FALSE(change->max_budget.value);
  EXPECT_TRUE(change->key_alias.present);
  EXPECT_FALSE(change->models);
  EXPECT_FALSE(change->metadata_json);
  EXPECT_FALSE(change->blocked);
  EXPECT_FALSE(change->life);
  EXPECT_FALSE(change->user_id.present);
}

TEST(ReadKeyChange, MinusOneEndsAnExpiry) {
  const Result<KeyChange> change = read_key_change(R"({"key":"sk-a","duration":"-1"})", KeyRoute::Update);
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_TRUE(change->life->never);
}

TEST(ReadKeyChange, TellsWhatItIgnores) {
  const Result<KeyChange> change =
      read_key_change(R"({"colour":"red","send_invite_email":true,"prompts":[],"nothing":null})", KeyRoute::Generate);
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_EQ(change->ignored, (std::vector<std::string>{"colour", "send_invite_email"}));
  EXPECT_EQ(ignored_fields_value({"a", "b\r\nX: 1", "c"}), "a, ?, c");
  EXPECT_LT(ignored_fields_value(std::vector<std::string>(1000, "abcdefgh")).size(), 600u);
}

TEST(ReadKeyChange, RefusesWhatIsNoObject) {
  for (const char* body : {"[]", "5", "{", "{\"a\":1}x", "nul"}) {
    EXPECT_FALSE(read_key_change(body, KeyRoute::Generate)) << body;
  }
  EXPECT_TRUE(read_key_change("", KeyRoute::Generate));
  EXPECT_TRUE(read_key_change("{}", KeyRoute::Generate));
}

TEST(SetMember, KeepsEveryOtherByte) {
  EXPECT_EQ(set_member("{}", "tags", "[1]"), R"({"tags":[1]})");
  EXPECT_EQ(set_member(R"({"a":1.50,"tags":["x"],"b":{"c": 2}})", "tags", "[]"),
            R"({"a":1.50,"b":{"c": 2},"tags":[]})");
}

}  // namespace
}  // namespace turnpike::api::key_fields_test
