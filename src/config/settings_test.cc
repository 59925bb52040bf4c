#include "config/settings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/hash.h"
#include "config/effective.h"

namespace turnpike::config::settings_test {
namespace {

using Variables = std::map<std::string, std::string>;

Environment environment_of(Variables variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

LoadOptions options_with(Variables variables = {}, std::vector<std::string> allowed = {}) {
  LoadOptions options;
  options.path = "config.yaml";
  options.environment = environment_of(std::move(variables));
  options.allow_unenforced = std::move(allowed);
  return options;
}

std::string all_lines(const Loaded& loaded) {
  std::string out;
  for (const Diagnostic& diagnostic : loaded.diagnostics) out += format(diagnostic) + "\n";
  return out;
}

constexpr std::string_view kOneModel = "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a}\n";

TEST(Settings, SaysWhatIsWrongWithPlaceAndRemedy) {
  struct Case {
    const char* name;
    std::string text;
    Severity worst;
    const char* line;
  };
  const std::string one(kOneModel);
  const std::vector<Case> cases = {
      {"unknown key", one + "router_settings:\n  num_retrys: 3\n", Severity::Warning,
       "warning: config.yaml:5: router_settings.num_retrys: unknown key, it has no effect; did you mean num_retries?"},
      {"unknown top level", one + "ruter_settings: {}\n", Severity::Warning, "did you mean router_settings?"},
      {"misspelt parameter",
       "model_list:\n  - model_name: a\n    litellm_params:\n      model: openai/a\n      api_kye: x\n",
       Severity::Warning, "config.yaml:5: model_list[0].litellm_params.api_kye: unknown key"},
      {"wrong type", one + "router_settings:\n  num_retries: two\n", Severity::Error,
       "error: config.yaml:5: router_settings.num_retries: expected a whole number"},
      {"negative", one + "router_settings:\n  num_retries: -1\n", Severity::Error, "must not be below zero"},
      {"strategy", one + "router_settings:\n  routing_strategy: best\n", Severity::Error, "unknown routing strategy"},
      {"strategy of a group", one + "router_settings:\n  model_group_routing_strategy: {a: least-bussy}\n",
       Severity::Error, "did you mean least-busy?"},
      {"latency buffer", one + "router_settings:\n  routing_strategy_args: {lowest_latency_buffer: -1}\n",
       Severity::Error, "must not be below zero"},
      {"missing include", "include: [x.yaml]\n", Severity::Error, "cannot include \"x.yaml\""},
      {"unknown fallback", one + "router_settings:\n  fallbacks: [{a: [bb]}]\n", Severity::Warning,
       "no deployment serves \"bb\""},
      {"two groups in one entry of the fallbacks", one + "router_settings:\n  fallbacks: [{a: [b], b: [a]}]\n",
       Severity::Error, "expected one group and its fallbacks"},
      {"a fallback without a model", one + "router_settings:\n  fallbacks: [{a: [{temperature: 0}]}]\n",
       Severity::Error, "names no model"},
      {"a fallback with an address", one + "router_settings:\n  fallbacks: [{a: [{model: a, api_base: x}]}]\n",
       Severity::Error, "belongs to a deployment"},
      {"unknown class of error", one + "router_settings: {retry_policy: {RateLimitRetries: 1}}\n", Severity::Error,
       "did you mean RateLimitErrorRetries?"},
      {"below zero", one + "router_settings: {allowed_fails_policy: {TimeoutErrorAllowedFails: -1}}\n", Severity::Error,
       "must not be below zero"},
      {"broken tag_regex",
       "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a, tag_regex: [\"curl(\"]}\n",
       Severity::Error, "\"curl(\" is broken: missing closing parenthesis"},
      {"sticky by what", one + "turnpike: {sticky: [{model_group: a, by: team}]}\n", Severity::Error,
       "write one of key, user, header"},
      {"sticky by no header", one + "turnpike: {sticky: [{model_group: a, by: header}]}\n", Severity::Error,
       "name the header"},
      {"sticky twice", one + "turnpike: {sticky: [{model_group: a}, {model_group: a, by: user}]}\n", Severity::Error,
       "a second rule for a"},
      {"sticky for nobody", one + "turnpike: {sticky: [{model_group: aa}]}\n", Severity::Warning,
       "turnpike.sticky[0].model_group: no model_name is \"aa\", so no call is meant; did you mean a?"},
      {"hedging, no percentage", one + "turnpike: {hedging: [{model_group: a, extra_spend_percent: 0}]}\n",
       Severity::Error,
       "hedging[0].extra_spend_percent: must lie above 0 and be at most 100; to switch it off, remove"},
      {"hedging, no number", one + "turnpike: {hedging: [{model_group: a, extra_spend_percent: much}]}\n",
       Severity::Error, "extra_spend_percent: expected a number, found the text \"much\""},
      {"hedging of nobody", one + "turnpike: {hedging: [{extra_spend_percent: 5}]}\n", Severity::Error,
       "hedging[0]: name the model_group, or * for every group"},
      {"hedging twice", one + "turnpike: {hedging: [{model_group: a}, {model_group: a}]}\n", Severity::Error,
       "hedging[1]: a second rule for a; keep one"},
      {"shards of what is not shared", one + "turnpike: {limiter_shards: 8}\n", Severity::Warning,
       "turnpike.limiter_shards: has no effect without Redis"},
      {"hedging of a lone deployment", one + "turnpike: {hedging: [{model_group: a}]}\n", Severity::Warning,
       "hedging[0].model_group: a has one deployment, so nobody can be asked beside it; add another"},
      {"hedging of an alias",
       one + "router_settings: {model_group_alias: {z: a}}\nturnpike: {hedging: [{model_group: z}]}\n",
       Severity::Warning, "no model_name is \"z\""},
      {"hedging of every group", one + "turnpike: {hedging: [{model_group: \"*\"}]}\n", Severity::Notice, ""},
      {"mirroring above 100 %", one + "turnpike: {mirroring: [{model_group: a, to: b, percent: 101}]}\n",
       Severity::Error, "mirroring[0].percent: must lie above 0 and be at most 100\n"},
      {"mirroring, percentage missing", one + "turnpike: {mirroring: [{model_group: a, to: b}]}\n", Severity::Error,
       "mirroring[0]: percent is missing; write for example percent: 10"},
      {"mirroring to nobody", one + "turnpike: {mirroring: [{model_group: a, percent: 5}]}\n", Severity::Error,
       "name the model_group, and in `to` the group that gets its calls as well"},
      {"mirroring to itself", one + "turnpike: {mirroring: [{model_group: a, to: a, percent: 5}]}\n", Severity::Error,
       "a group cannot be mirrored to itself"},
      {"mirroring of every group", one + "turnpike: {mirroring: [{model_group: \"*\", to: a, percent: 5}]}\n",
       Severity::Warning, "* stands for no group here; write a rule for each model_name"},
      {"mirroring to a group that nobody serves",
       one + "turnpike: {mirroring: [{model_group: a, to: bb, percent: 5}]}\n", Severity::Warning,
       "turnpike.mirroring: no deployment serves \"bb\""},
      {"affinity that is not served",
       one + "router_settings: {optional_pre_call_checks: [encrypted_content_affinity]}\n", Severity::Warning,
       "encrypted_content_affinity is not honoured yet"},
      {"affinity of a group that is not served",
       one + "router_settings: {model_group_affinity_config: {a: [responses_api_deployment_check]}}\n",
       Severity::Warning, "responses_api_deployment_check is not honoured yet"},
      {"no model", "model_list:\n  - model_name: a\n    litellm_params: {}\n", Severity::Warning,
       "litellm_params needs model"},
      {"unset variable",
       "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a, api_key: os.environ/K}\n",
       Severity::Warning, "the environment variable K is not set"},
      {"address unset",
       "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a, api_base: os.environ/BASE}\n",
       Severity::Warning, "api_base comes from BASE, which is not set"},
      {"header with a line end",
       "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a, extra_headers: {X: \"a\\r\\nB: c\"}}\n",
       Severity::Warning, "no header may hold"},
      {"master key unset", one + "general_settings: {master_key: os.environ/K}\n", Severity::Error, "K is not set"},
      {"unknown credential",
       "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a, litellm_credential_name: x}\n",
       Severity::Error, "no credential_list entry is named"},
      {"protecting", one + "litellm_settings: {default_team_params: {a: 1}}\n", Severity::Error,
       "litellm_settings.default_team_params"},
      {"clean", one, Severity::Notice, ""},
  };
  for (const Case& test : cases) {
    const Loaded loaded = load_text(test.text, options_with());
    EXPECT_EQ(worst(loaded.diagnostics), test.worst) << test.name << "\n" << all_lines(loaded);
    EXPECT_NE(all_lines(loaded).find(test.line), std::string::npos) << test.name << "\n" << all_lines(loaded);
    EXPECT_EQ(loaded.settings == nullptr, test.worst == Severity::Error) << test.name;
  }
}

TEST(Settings, ReadsPoliciesByClassOfErrorAndFallbacksByKind) {
  const Loaded loaded = load_text(std::string(kOneModel) + R"(
router_settings:
  retry_policy: {BadRequestErrorRetries: 0, AuthenticationErrorRetries: 1, TimeoutErrorRetries: 2, RateLimitErrorRetries: 3, ContentPolicyViolationErrorRetries: 4, InternalServerErrorRetries: 5}
  model_group_retry_policy: {g: {TimeoutErrorRetries: 9}}
  allowed_fails_policy: {InternalServerErrorAllowedFails: 0}
  fallbacks: [{g: [{model: h, temperature: 0.5, stop: ["x"]}, i]}, {h: i}]
  context_window_fallbacks: [{g: [i]}]
litellm_settings:
  content_policy_fallbacks: [{"*": [i]}]
)",
                                  options_with());
  ASSERT_NE(loaded.settings, nullptr) << all_lines(loaded);
  const RouterSettings& router = loaded.settings->router;
  EXPECT_EQ(router.retry_policy, (ErrorCounts{0, 1, 2, 3, 4, 5}));
  ASSERT_EQ(router.model_group_retry_policy.size(), 1U);
  EXPECT_EQ(router.model_group_retry_policy[0].model_group, "g");
  EXPECT_EQ(router.model_group_retry_policy[0].retries, (ErrorCounts{.timeout = 9}));
  EXPECT_EQ(router.allowed_fails_policy, (ErrorCounts{.internal = 0}));
  const std::vector<Fallback> fallbacks = {{"g", {{"h", R"({"temperature":0.5,"stop":["x"]})"}, "i"}}, {"h", {"i"}}};
  ASSERT_EQ(router.fallbacks.size(), 2U);
  EXPECT_EQ(router.fallbacks[0].targets[0].overrides_json, fallbacks[0].targets[0].overrides_json);
  EXPECT_EQ(router.fallbacks, fallbacks);
  EXPECT_EQ(router.context_window_fallbacks, (std::vector<Fallback>{{"g", {"i"}}}));
  EXPECT_EQ(router.content_policy_fallbacks, (std::vector<Fallback>{{"*", {"i"}}}));
}

TEST(Settings, AGuardrailStopsTheStartUnlessItIsNamed) {
  const std::string text = std::string(kOneModel) +
                           "litellm_settings:\n  guardrails:\n    - guardrail_name: mask\n"
                           "      litellm_params: {guardrail: presidio, mode: pre_call}\n";
  EXPECT_EQ(load_text(text, options_with()).settings, nullptr);
  EXPECT_EQ(load_text(text, options_with({}, {"other"})).settings, nullptr);
  for (const char* name : {"mask", "guardrails", "guardrails/mask", "litellm_settings.guardrails",
                           "litellm_settings.guardrails/mask", "litellm_settings.guardrails[0]"}) {
    const Loaded loaded = load_text(text, options_with({}, {name}));
    ASSERT_NE(loaded.settings, nullptr) << name;
    ASSERT_EQ(loaded.settings->unenforced.size(), 1U) << name;
    EXPECT_NE(loaded.settings->unenforced[0].find("mask"), std::string::npos);
  }
}

TEST(Settings, DerivesTheIdLiteLlmDerives) {
  const Loaded loaded = load_text(
      "model_list:\n  - model_name: g\n    litellm_params:\n      model: openai/a\n      rpm: 5\n"
      "      mock_timeout: true\n      extra_headers: {x: '1'}\n      tags: [t, u]\n",
      options_with());
  ASSERT_NE(loaded.settings, nullptr) << all_lines(loaded);
  EXPECT_EQ(loaded.settings->models.at(0).id,
            base::sha256_hex("gmodelopenai/arpm5mock_timeoutTrueextra_headers{\"x\": \"1\"}tags['t', 'u']"));
  // Floats as Python writes them; without a point YAML 1.1 has no float, so that text stays.
  const Loaded floats = load_text(
      "model_list:\n  - model_name: g\n    litellm_params: {model: openai/a, a: 0.0000025, b: 3.0, c: 1e-5, d: 0.10, "
      "e: 1.5e+3, f: null}\n",
      options_with());
  ASSERT_NE(floats.settings, nullptr) << all_lines(floats);
  EXPECT_EQ(floats.settings->models.at(0).id, base::sha256_hex("gmodelopenai/aa2.5e-06b3.0c1e-5d0.1e1500.0fNone"));
}

TEST(Settings, ReadsADeployment) {
  const Loaded loaded = load_text(
      "model_list:\n  - model_name: g\n    rpm: 7\n    litellm_params:\n      model: openai/a\n"
      "      api_base: http://h/v1/\n      api_key: os.environ/KEY\n      rpm: 5\n      timeout: 1.5\n"
      "      temperature: 0.1\n      extra_body: {top_k: 4}\n      output_cost_per_token: 2.5e-06\n"
      "      cloudflare_account_id: a1\n"
      "    model_info: {rpm: 3, output_cost_per_token: 1, note: os.environ/KEY}\n",
      options_with({{"KEY", "hidden-text"}}));
  ASSERT_NE(loaded.settings, nullptr) << all_lines(loaded);
  const ModelEntry& entry = loaded.settings->models.at(0);
  EXPECT_EQ(entry.rpm, 7);
  EXPECT_EQ(entry.api_base, "http://h/v1");
  EXPECT_EQ(entry.api_key.reveal(), "hidden-text");
  EXPECT_EQ(entry.timeout, Milliseconds(1500));
  EXPECT_EQ(entry.default_params_json, R"({"temperature":0.1,"top_k":4})");
  ASSERT_EQ(entry.provider_params.size(), 1U);
  EXPECT_EQ(entry.provider_params[0].second.reveal(), "a1");
  ASSERT_EQ(entry.prices.size(), 1U);
  EXPECT_EQ(entry.prices[0].decimal, "2.5e-06");
  EXPECT_EQ(entry.model_info_json.find("hidden-text"), std::string::npos);
  EXPECT_EQ(to_yaml(*loaded.settings).find("hidden-text"), std::string::npos);
}

TEST(Settings, ReadsHowDeploymentsAreChosen) {
  const Loaded loaded = load_text(
      "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a, max_parallel_requests: 3}\n"
      "router_settings:\n  routing_strategy: cost-based-routing\n"
      "  model_group_routing_strategy: {a: latency-based-routing}\n"
      "  routing_strategy_args: {ttl: 60, lowest_latency_buffer: 0.5, max_latency_list_size: 100}\n"
      "  enable_pre_call_check: true\n  optional_pre_call_checks: [enforce_model_rate_limits]\n"
      "  default_max_parallel_requests: 8\n  enable_tag_filtering: true\n  tag_filtering_match_any: false\n",
      options_with());
  ASSERT_NE(loaded.settings, nullptr) << all_lines(loaded);
  EXPECT_EQ(all_lines(loaded), "");
  EXPECT_EQ(loaded.settings->models.at(0).max_parallel_requests, 3);
  const RouterSettings& router = loaded.settings->router;
  EXPECT_EQ(router.routing_strategy, "cost-based-routing");
  ASSERT_EQ(router.model_group_routing_strategy.size(), 1U);
  EXPECT_EQ(router.model_group_routing_strategy[0].strategy, "latency-based-routing");
  EXPECT_EQ(router.latency_ttl, Milliseconds(60'000));
  EXPECT_EQ(router.lowest_latency_buffer, 0.5);
  EXPECT_EQ(router.max_latency_list_size, 32) << "as many as are kept";
  EXPECT_TRUE(router.enable_pre_call_checks && router.enforce_model_rate_limits && router.enable_tag_filtering);
  EXPECT_EQ(router.default_max_parallel_requests, 8);
  EXPECT_FALSE(router.tag_filtering_match_any);
}

TEST(Settings, ReadsWhatKeepsCallsTogether) {
  const Loaded loaded = load_text(
      "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a, tag_regex: [\"^User-Agent: curl/\"]}\n"
      "router_settings:\n  optional_pre_call_checks: [prompt_caching, session_affinity]\n"
      "  model_group_affinity_config: {a: [deployment_affinity]}\n  deployment_affinity_ttl_seconds: 60\n"
      "turnpike:\n  sticky:\n    - {model_group: a, by: header, header: x-cohort}\n"
      "    - {model_group: \"*\", by: user}\n",
      options_with());
  ASSERT_NE(loaded.settings, nullptr) << all_lines(loaded);
  EXPECT_EQ(all_lines(loaded),
            "notice: config.yaml:7: router_settings.deployment_affinity_ttl_seconds: has no effect here: affinity is "
            "computed, nothing is stored\n");
  EXPECT_EQ(loaded.settings->models.at(0).tag_regex, std::vector<std::string>{"^User-Agent: curl/"});
  const RouterSettings& router = loaded.settings->router;
  EXPECT_EQ(router.affinity, (Affinity{.prompt_caching = true, .deployment = false, .session = true}));
  ASSERT_EQ(router.model_group_affinity_config.size(), 1U);
  EXPECT_EQ(router.model_group_affinity_config[0].affinity,
            (Affinity{.prompt_caching = true, .deployment = true, .session = false}))
      << "chosen anew, but for the prompt caches";
  const std::vector<Sticky> rules = {{"a", StickyBy::Header, "x-cohort"}, {"*", StickyBy::User, ""}};
  EXPECT_EQ(loaded.settings->turnpike.sticky, rules);
}

TEST(Settings, ADeploymentThatCannotBeBuiltIsSkippedAtStartAndRefusedOnReload) {
  LoadOptions options = options_with();
  options.refusal = [](const ModelEntry& entry, const Environment&,
                       const std::vector<ProviderRow>&) -> std::optional<Refusal> {
    if (entry.model_name == "bad") return Refusal{"no such provider"};
    if (entry.model_name == "waits") return Refusal{"not served yet", true};
    if (entry.model == "openai/behind-an-alias") return Refusal{"aliased"};
    return std::nullopt;
  };
  const std::string text = std::string(kOneModel) + "  - model_name: bad\n    litellm_params: {model: nowhere/x}\n";
  const Loaded start = load_text(text, options);
  ASSERT_NE(start.settings, nullptr);
  EXPECT_EQ(start.settings->models.size(), 1U);
  EXPECT_EQ(worst(start.diagnostics), Severity::Warning);
  ASSERT_EQ(start.settings->left_out.size(), 1U);
  EXPECT_EQ(start.settings->left_out[0], "config.yaml:5: bad: no such provider");
  options.reload = true;
  EXPECT_EQ(load_text(text, options).settings, nullptr);

  const std::string later = std::string(kOneModel) +
                            "  - model_name: waits\n    litellm_params: {model: elsewhere/x}\n"
                            "router_settings: {fallbacks: [{a: [waits]}]}\n";
  const Loaded reloaded = load_text(later, options);
  ASSERT_NE(reloaded.settings, nullptr) << all_lines(reloaded);
  EXPECT_EQ(reloaded.settings->models.size(), 1U);
  EXPECT_EQ(all_lines(reloaded).find("no deployment serves"), std::string::npos) << all_lines(reloaded);

  const std::string aliased =
      "model_list:\n  - model_name: a\n    litellm_params: {model: short}\n"
      "litellm_settings: {model_alias_map: {short: openai/behind-an-alias}}\n";
  EXPECT_NE(all_lines(load_text(aliased, options)).find("aliased"), std::string::npos);
}

TEST(Settings, CredentialsAndTheRoutersDefaultsLieUnderADeployment) {
  const Loaded loaded = load_text(
      "credential_list:\n"
      "  - credential_name: eu\n"
      "    credential_values: {api_base: http://eu.example/v1, timeout: 7}\n"
      "router_settings:\n"
      "  default_litellm_params: {model: openai/never, timeout: 9, num_retries: 4, temperature: 0.5, seed: 1}\n"
      "model_list:\n"
      "  - model_name: a\n"
      "    litellm_params: {model: openai/a, litellm_credential_name: eu, api_base: os.environ/UNSET, seed: 2}\n",
      options_with());
  ASSERT_NE(loaded.settings, nullptr) << all_lines(loaded);
  ASSERT_EQ(loaded.settings->models.size(), 1U);
  const ModelEntry& entry = loaded.settings->models[0];
  EXPECT_EQ(entry.model, "openai/a");
  EXPECT_EQ(entry.api_base, "http://eu.example/v1");
  EXPECT_EQ(entry.timeout, std::chrono::seconds(7));
  EXPECT_EQ(entry.num_retries, 4);
  EXPECT_EQ(entry.default_params_json, R"({"seed":2,"temperature":0.5})");
}

TEST(Settings, SupportedEnvironmentsChooseDeployments) {
  const std::string text = std::string(kOneModel) +
                           "  - model_name: b\n    litellm_params: {model: openai/b}\n"
                           "    model_info: {supported_environments: [staging]}\n";
  EXPECT_EQ(load_text(text, options_with()).settings, nullptr);
  EXPECT_EQ(load_text(text, options_with({{"LITELLM_ENVIRONMENT", "staging"}})).settings->models.size(), 2U);
  EXPECT_EQ(load_text(text, options_with({{"LITELLM_ENVIRONMENT", "production"}})).settings->models.size(), 1U);
}

TEST(Settings, DiffNamesWhatChangedAndNoSecret) {
  const auto settings_for = [](const std::string& key, const std::string& rest) {
    return load_text(
               "model_list:\n  - model_name: a\n    litellm_params: {model: openai/a, api_key: " + key + "}\n" + rest,
               options_with())
        .settings;
  };
  const SettingsRef before = settings_for("old-secret", "");
  EXPECT_TRUE(diff(*before, *settings_for("old-secret", "# a remark\n")).empty());
  EXPECT_EQ(before->fingerprint, settings_for("old-secret", "# a remark\n")->fingerprint);

  const SettingsRef after = settings_for(
      "new-secret", "  - model_name: b\n    litellm_params: {model: openai/b}\nrouter_settings: {num_retries: 5}\n");
  const std::vector<std::string> lines = diff(*before, *after);
  EXPECT_NE(before->fingerprint, after->fingerprint);
  EXPECT_EQ(before->models[0].identity, after->models[0].identity);
  EXPECT_NE(before->models[0].id, after->models[0].id);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_NE(lines[0].find("api_key changed"), std::string::npos);
  EXPECT_NE(lines[1].find("deployment b"), std::string::npos);
  EXPECT_EQ(lines[2], "router_settings.num_retries: 2 -> 5");
  for (const std::string& line : lines) EXPECT_EQ(line.find("secret"), std::string::npos) << line;
  EXPECT_EQ(diff(*after, *before).at(1).find("deployment b"), 0U);
  // A name that looks like a provider's parameter and like a price was taken for both, and every reload told of it.
  const auto odd = [&] { return settings_for("a, aws_odd_cost_per_token: 1e-7", ""); };
  EXPECT_TRUE(diff(*odd(), *odd()).empty());
  const SettingsRef store =
      settings_for("old-secret", "turnpike: {journal_keep: 60, stream_idle_timeout: 7, stream_keepalive: 15}\n");
  EXPECT_EQ(diff(*before, *store),
            (std::vector<std::string>{"turnpike.journal_keep: 3600 -> 60 (from the next start on)",
                                      "turnpike.stream_idle_timeout: 300 -> 7", "turnpike.stream_keepalive: 0 -> 15"}));
  EXPECT_EQ(store->turnpike.stream_keepalive, std::chrono::seconds(15));
}

TEST(Settings, SaysWhichVariablesDoNotCount) {
  const Loaded loaded = load_text(
      kOneModel, options_with({{"HTTPS_PROXY", "http://user:hidden@proxy:1"}, {"STORE_MODEL_IN_DB", "False"}}));
  ASSERT_NE(loaded.settings, nullptr);
  EXPECT_EQ(all_lines(loaded), "warning: HTTPS_PROXY: is not honoured yet: providers are reached directly\n");
  const Loaded bucket = load_text(kOneModel, options_with({{"LITELLM_CONFIG_BUCKET_NAME", "configs"}}));
  EXPECT_EQ(bucket.settings, nullptr) << "another file is meant";
}

TEST(Settings, TellsAFindingOnce) {
  const Loaded loaded =
      load_text("model_list:\n  - model_name: a\n    litellm_params: {model: openai/a, input_cost_per_token: -1}\n",
                options_with());
  EXPECT_EQ(loaded.diagnostics.size(), 1U) << all_lines(loaded);
}

TEST(Settings, WithoutAFileProvidersWithKeysAreServed) {
  const std::vector<ProviderKey> providers = {{"openai", {"OPENAI_API_KEY"}}, {"groq", {"GROQ_API_KEY"}}};
  const Loaded loaded = settings_from_environment(providers, environment_of({{"OPENAI_API_KEY", "sk-hidden-text"}}));
  ASSERT_NE(loaded.settings, nullptr) << all_lines(loaded);
  ASSERT_EQ(loaded.settings->models.size(), 1U);
  EXPECT_EQ(loaded.settings->models[0].model_name, "openai/*");
  EXPECT_EQ(loaded.settings->models[0].api_key.reveal(), "sk-hidden-text");
  EXPECT_NE(all_lines(loaded).find("OPENAI_API_KEY"), std::string::npos);
  EXPECT_EQ(all_lines(loaded).find("sk-hidden-text"), std::string::npos);
  const std::vector<ProviderKey> shared = {{"openai", {"OPENAI_API_KEY"}}, {"openai-old", {"OPENAI_API_KEY"}}};
  const Loaded once = settings_from_environment(shared, environment_of({{"OPENAI_API_KEY", "x"}}));
  ASSERT_NE(once.settings, nullptr);
  EXPECT_EQ(once.settings->models.size(), 1U);
  const std::vector<ProviderKey> own = {{"bedrock", {"AWS_ACCESS_KEY_ID"}, true}};
  const Loaded halves = settings_from_environment(own, environment_of({{"AWS_ACCESS_KEY_ID", "x"}}));
  ASSERT_NE(halves.settings, nullptr);
  ASSERT_EQ(halves.settings->models.size(), 1U);
  EXPECT_TRUE(halves.settings->models[0].api_key.empty()) << "half of a pair is no api_key";
  const Loaded none = settings_from_environment(providers, environment_of({}));
  ASSERT_NE(none.settings, nullptr);
  EXPECT_TRUE(none.settings->models.empty());
}

TEST(Settings, WhatIsNoSecretOfAProviderIsPrinted) {
  const Loaded loaded = load_text(
      "model_list:\n  - model_name: a\n    litellm_params: {model: bedrock/a, aws_region_name: eu-central-1, "
      "aws_secret_access_key: hidden-text, vertex_credentials: hidden-text, azure_ad_token: hidden-text}\n",
      options_with());
  ASSERT_NE(loaded.settings, nullptr);
  const std::string printed = to_yaml(*loaded.settings);
  EXPECT_NE(printed.find("aws_region_name: \"eu-central-1\""), std::string::npos) << printed;
  EXPECT_EQ(printed.find("hidden-text"), std::string::npos) << printed;
}

TEST(Settings, WhatIsPrintedLoadsAgain) {
  const Loaded loaded =
      load_text(std::string(kOneModel) + "router_settings: {timeout: 2.5, fallbacks: [{a: [a]}]}\n", options_with());
  ASSERT_NE(loaded.settings, nullptr);
  const Loaded again = load_text(to_yaml(*loaded.settings), options_with());
  ASSERT_NE(again.settings, nullptr) << all_lines(again);
  EXPECT_EQ(effective(again.settings->router), effective(loaded.settings->router));
  EXPECT_EQ(again.settings->turnpike, loaded.settings->turnpike);
  EXPECT_EQ(again.settings->models[0].id, loaded.settings->models[0].id);
}

}  // namespace
}  // namespace turnpike::config::settings_test
