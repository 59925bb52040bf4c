#include <gtest/gtest.h>

#include <map>

#include "config/settings.h"

namespace turnpike::config::read_redis_test {
namespace {

struct UrlCase {
  const char* url;
  const char* shown;  // Empty: refused.
  const char* user = "";
  const char* password = "";
};

const UrlCase kUrls[] = {
    {"redis://cache", "redis://cache:6379/0"},
    {"redis://cache:7000/3", "redis://cache:7000/3"},
    {"rediss://cache", "rediss://cache:6379/0"},
    {"redis://:p%40ss@cache", "redis://cache:6379/0", "", "p@ss"},
    {"redis://me:pa:ss@cache:1/", "redis://cache:1/0", "me", "pa:ss"},
    {"redis://me:a/b@cache/2", "redis://cache:6379/2", "me", "a/b"},
    {"redis://[::1]:7000", "redis://::1:7000/0"},
    {"redis://cache?db=4&socket_timeout=5", "redis://cache:6379/4"},
    {"http://cache", ""},
    {"redis://", ""},
    {"redis://cache:port", ""},
    {"redis://cache:70000", ""},
    {"redis://cache/zero", ""},
    {"redis://me:%zz@cache", ""},
    {"redis://[::1", ""},
    {"redis://cache?db=x", ""},
};

TEST(RedisUrl, IsReadAsRedisClientsReadIt) {
  for (const UrlCase& c : kUrls) {
    SCOPED_TRACE(c.url);
    const Result<RedisSettings> read = parse_redis_url(c.url);
    if (*c.shown == '\0') {
      ASSERT_FALSE(read);
      EXPECT_EQ(read.error().message.find("zz"), std::string::npos);
      continue;
    }
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->shown(), c.shown);
    EXPECT_EQ(read->user, c.user);
    EXPECT_EQ(read->password.reveal(), c.password);
  }
}

TEST(RedisUrl, SaysHowTheCertificateIsChecked) {
  const auto read = parse_redis_url("rediss://a?ssl_cert_reqs=none&ssl_check_hostname=false&ssl_ca_certs=/ca.pem");
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->tls_verify);
  EXPECT_FALSE(read->tls_verify_name);
  EXPECT_EQ(read->ca_file, "/ca.pem");
  EXPECT_TRUE(parse_redis_url("rediss://a?ssl_cert_reqs=required")->tls_verify);
}

using Variables = std::map<std::string, std::string>;

Loaded load(const std::string& sections, const Variables& variables) {
  LoadOptions options;
  options.path = "config.yaml";
  options.environment = [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  return load_text("model_list:\n  - model_name: a\n    litellm_params: {model: openai/a}\n" + sections, options);
}

struct Case {
  const char* name;
  const char* sections;
  Variables variables;
  const char* shown;
  const char* password = "";
};

const Case kCases[] = {
    {"none is asked for", "", {}, ""},
    {"variables alone ask for none", "", {{"REDIS_HOST", "cache"}}, ""},
    {"of the router",
     "router_settings: {redis_host: cache, redis_port: 7000, redis_password: secret, redis_db: 2}\n",
     {},
     "redis://cache:7000/2",
     "secret"},
    {"its URL", "router_settings: {redis_url: 'rediss://:secret@cache'}\n", {}, "rediss://cache:6379/0", "secret"},
    {"the file wins over variables",
     "router_settings: {redis_host: os.environ/REDIS_HOST, redis_port: 7000}\n",
     {{"REDIS_HOST", "cache"}, {"REDIS_PORT", "1"}, {"REDIS_PASSWORD", "secret"}},
     "redis://cache:7000/0",
     "secret"},
    {"of the cache",
     "litellm_settings: {cache: true, cache_params: {type: redis, host: cache, ssl: true}}\n",
     {},
     "rediss://cache:6379/0"},
    {"of the cache, from variables",
     "litellm_settings: {cache: true, cache_params: {type: redis}}\n",
     {{"REDIS_URL", "redis://cache:7000/1"}, {"REDIS_SSL", "True"}},
     "rediss://cache:7000/1"},
    {"not of a cache that is off", "litellm_settings: {cache: false, cache_params: {host: cache}}\n", {}, ""},
    {"not of a cache elsewhere", "litellm_settings: {cache: true, cache_params: {type: local, host: cache}}\n", {}, ""},
    {"more options",
     "router_settings: {redis_host: cache, cache_kwargs: {ssl: true, username: me}}\n",
     {},
     "rediss://cache:6379/0"},
};

TEST(RedisSettings, AreThoseOfTheRouterOrOfTheCache) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Loaded loaded = load(c.sections, c.variables);
    std::string lines;
    for (const Diagnostic& diagnostic : loaded.diagnostics) lines += format(diagnostic) + "\n";
    ASSERT_TRUE(loaded.settings) << lines;
    const RedisSettings& redis = loaded.settings->redis;
    EXPECT_EQ(redis.used() ? redis.shown() : "", c.shown);
    EXPECT_EQ(redis.password.reveal(), c.password);
    EXPECT_EQ(redis.timeout, std::chrono::milliseconds(20));
  }
}

TEST(RedisSettings, WhatMakesNoSenseStopsTheStart) {
  for (const char* const sections :
       {"router_settings: {redis_host: cache, redis_port: many}\n", "router_settings: {redis_url: 'tcp://cache'}\n",
        // Limits would be counted nowhere: AC-LIMIT-6.
        "router_settings: {redis_host: ''}\n",
        "router_settings: {redis_host: cache, cache_kwargs: {startup_nodes: [{host: a, port: 1}]}}\n",
        "litellm_settings: {cache: true, cache_params: {type: redis, redis_startup_nodes: [{host: a, port: 1}]}}\n",
        "litellm_settings: {cache: true, cache_params: {type: redis}}\n"}) {
    EXPECT_FALSE(load(sections, {}).settings) << sections;
  }
  EXPECT_FALSE(load("router_settings: {redis_host: cache}\n", {{"REDIS_PORT", "none"}}).settings);
}

}  // namespace
}  // namespace turnpike::config::read_redis_test
