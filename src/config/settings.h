#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error_counts.h"
#include "base/money.h"
#include "base/result.h"
#include "base/secret.h"
#include "config/budget_settings.h"
#include "config/diagnostic.h"
#include "config/jwt_settings.h"
#include "config/key_settings.h"
#include "config/priority_settings.h"
#include "config/redis_settings.h"
#include "config/user_settings.h"

/// What the configuration says, typed and checked once; every folder reads its own section of it.
///
/// Source:    the `config.yaml` of the LiteLLM Proxy 1.80 plus the top-level key `turnpike:` for settings of our own;
///            docs/config.md lists every key, config/keys.h how each is treated.
/// Units:     durations are std::chrono types; a price is the decimal text of the file, never a binary float.
/// Threading: `Settings` is immutable after `load` and shared as `SettingsRef`; a reload makes a new one.
namespace turnpike::config {

using Milliseconds = std::chrono::milliseconds;

/// A price key as written beside a deployment ("input_cost_per_token", "2.5e-06"): dollars per unit in decimal text.
struct PriceOverride {
  std::string name;
  std::string decimal;
  bool operator==(const PriceOverride&) const = default;
};

/// One `model_list` entry: a deployment. `organization` lists have been expanded, credentials of `credential_list`
/// merged in, `os.environ/` resolved, elements whose `supported_environments` leave us out dropped.
struct ModelEntry {
  // Identity.
  std::string id;          // model_info.id, else SHA-256 hex over the group name and litellm_params (config.md 2.2).
  std::string identity;    // Group, model, address, account and ordinal: stays the same when only parameters change, so
                           // that cooldown, limits and health survive a reload.
  std::string model_name;  // The public name, may contain '*'.
  std::string model;       // litellm_params.model, "provider/model" or a bare name, may contain '*'.
  std::string custom_llm_provider;

  // Connection.
  base::Secret api_key;
  std::string missing_variable;  // The variable an absent api_key was to come from; empty when none was named.
  std::string api_base;          // Without a trailing slash.
  std::string api_version;
  std::string organization;
  std::string litellm_credential_name;
  std::vector<std::pair<std::string, base::Secret>> extra_headers;
  /// aws_*, vertex_*, azure_*, watsonx_* and the like: provider parameters as text, read by the codec that needs them.
  std::vector<std::pair<std::string, base::Secret>> provider_params;

  // Choosing.
  std::optional<std::int64_t> rpm;
  std::optional<std::int64_t> tpm;
  std::optional<double> weight;
  std::optional<std::int64_t> order;  // 1 is tried first.
  std::vector<std::string> tags;
  std::vector<std::string> tag_regex;  // Of "User-Agent: <what the caller says>".
  std::string region_name;
  std::optional<std::int64_t> max_parallel_requests;
  std::optional<BudgetEntry> budget;        // max_budget, budget_duration.
  std::optional<bool> drain_on_disconnect;  // Unset: turnpike.drain_on_disconnect.
  std::vector<std::string> silent_models;   // Groups that get every call of this deployment as well.

  // Time and tries. Absent: the router's.
  std::optional<Milliseconds> timeout;
  std::optional<Milliseconds> stream_timeout;
  std::optional<std::int64_t> num_retries;
  std::optional<Milliseconds> cooldown_time;

  // What is sent.
  std::string default_params_json;   // A JSON object of the default request parameters; "{}" when there are none.
  std::string default_params_shown;  // The same with secrets masked: what may be printed.
  std::optional<bool> drop_params;
  std::vector<std::string> additional_drop_params;
  std::vector<std::string> allowed_openai_params;
  std::optional<std::string> mock_response_json;  // JSON text of the value: a string or an object.
  bool mock_timeout = false;
  bool use_litellm_proxy = false;

  // Facts about the model.
  std::vector<PriceOverride> prices;  // litellm_params first, then model_info; the first of a name wins.
  bool free = false;                  // Both token prices written as 0: budget checks are skipped (config.md 2.2).
  std::string base_model;
  std::string mode;
  std::optional<std::int64_t> max_tokens;
  std::optional<std::int64_t> max_input_tokens;
  std::optional<std::int64_t> max_output_tokens;
  std::vector<std::string> access_groups;
  std::string health_check_model;  // Of a wildcard: the model it is probed with.
  std::optional<Milliseconds> health_check_timeout;
  std::optional<std::int64_t> health_check_max_tokens, health_check_max_tokens_reasoning;
  std::optional<std::int64_t> health_check_max_tokens_non_reasoning;
  bool disable_background_health_check = false;
  std::string model_info_json;         // The whole model_info with `id`, for /model/info; secrets never stand in it.
  std::string team_id;                 // Only keys of this team may call it; empty: everybody's.
  std::string team_public_model_name;  // What the team calls it, whose model_name is one of our own making.
  bool stored = false;                 // Of the database (store_model_in_db), not of the file.

  std::string file;
  int line = 0;

  bool operator==(const ModelEntry& other) const;
};

/// A group to go to, and the request's parameters it is asked with instead.
struct FallbackTarget {
  std::string model;
  std::string overrides_json;                                          // An object; empty: none.
  FallbackTarget(std::string model_in, std::string overrides_in = {})  // NOLINT(google-explicit-constructor)
      : model(std::move(model_in)), overrides_json(std::move(overrides_in)) {}
  FallbackTarget(const char* model_in) : model(model_in) {}  // NOLINT(google-explicit-constructor): a name will do.
  bool operator==(const FallbackTarget&) const = default;
};

struct Fallback {
  std::string model_group;  // "*" for every group.
  std::vector<FallbackTarget> targets;
  bool operator==(const Fallback&) const = default;
};

using base::ErrorCounts;

struct GroupRetryPolicy {
  std::string model_group;
  ErrorCounts retries;
  bool operator==(const GroupRetryPolicy&) const = default;
};

struct GroupAlias {
  std::string alias;
  std::string target;
  bool hidden = false;  // Served but not listed.
  bool operator==(const GroupAlias&) const = default;
};

inline constexpr std::array<std::string_view, 6> kStrategies = {"simple-shuffle",         "least-busy",
                                                                "latency-based-routing",  "usage-based-routing",
                                                                "usage-based-routing-v2", "cost-based-routing"};

struct GroupStrategy {
  std::string model_group;
  std::string strategy;
  bool operator==(const GroupStrategy&) const = default;
};

/// What keeps calls with the deployment that knows them: of optional_pre_call_checks.
struct Affinity {
  bool prompt_caching = false;  // Those that begin with the same prompt,
  bool deployment = false;      // those of a key (deployment_affinity),
  bool session = false;         // and those of a session (session_affinity).
  bool operator==(const Affinity&) const = default;
};

struct GroupAffinity {
  std::string model_group;
  Affinity affinity;
  bool operator==(const GroupAffinity&) const = default;
};

/// `router_settings`, with what `litellm_settings` says where the router says nothing, and the defaults.
struct RouterSettings {
  std::string routing_strategy = "simple-shuffle";
  std::vector<GroupStrategy> model_group_routing_strategy;  // Groups that have another one.
  Milliseconds latency_ttl{3'600'000};                      // routing_strategy_args: ttl,
  double lowest_latency_buffer = 0;                         // lowest_latency_buffer
  std::int64_t max_latency_list_size = 10;                  // and max_latency_list_size.
  bool enable_pre_call_checks = false;
  bool enforce_model_rate_limits = false;                  // Of optional_pre_call_checks,
  Affinity affinity;                                       // and these,
  std::vector<GroupAffinity> model_group_affinity_config;  // which groups may choose anew.
  std::optional<std::int64_t> default_max_parallel_requests;
  bool enable_tag_filtering = false;
  bool tag_filtering_match_any = true;
  std::int64_t num_retries = 2;
  ErrorCounts retry_policy;  // By class of error; what it leaves out is num_retries.
  std::vector<GroupRetryPolicy> model_group_retry_policy;
  Milliseconds retry_after{0};  // Least wait before a retry.
  Milliseconds timeout{6'000'000};
  std::optional<Milliseconds> stream_timeout;
  std::int64_t allowed_fails = 3;
  bool allowed_fails_written = false;  // A written 3 counts too, unlike in LiteLLM (routing.md 6.4).
  ErrorCounts allowed_fails_policy;
  Milliseconds cooldown_time{5'000};
  bool disable_cooldowns = false;
  std::vector<Fallback> fallbacks;
  std::vector<Fallback> context_window_fallbacks;
  std::vector<Fallback> content_policy_fallbacks;
  std::vector<std::string> default_fallbacks;
  std::int64_t max_fallbacks = 5;
  std::vector<GroupAlias> model_group_alias;
  bool enable_health_check_routing = false;                // A deployment whose latest probe failed is left out,
  Milliseconds health_check_staleness_threshold{600'000};  // while the result is younger than this,
  bool health_check_ignore_transient_errors = false;       // and was no 408 or 429.

  bool operator==(const RouterSettings&) const = default;
};

/// `litellm_settings` that are not the router's.
struct LitellmSettings {
  bool drop_params = false;
  bool modify_params = false;
  std::vector<std::pair<std::string, std::string>> model_alias_map;  // Provider model string -> real one, applied last.
  bool ssl_verify = true;
  std::string ssl_ca_file;  // When ssl_verify names a file.
  bool include_cost_in_streaming_usage = false;
  bool forward_traceparent_to_llm_provider = false;
  bool redact_user_api_key_info = false;
  bool turn_off_message_logging = false;  // No prompt and no answer is stored.
  bool json_logs = false;
  bool prometheus = true;  // GET /metrics is always served; kept for the start-up line.
  bool require_auth_for_metrics_endpoint = false;
  std::vector<std::string> callbacks;  // Every name of callbacks, success_callback and failure_callback, once.
  std::string timezone = "UTC";
  KeySettings keys;  // What holds for keys that are made.
  UserSettings users;
  BudgetSettings budgets;
  PrioritySettings priorities;
  bool store_audit_logs = true;              // Every change of what administrators keep, from what to what.
  std::vector<std::string> available_teams;  // default_internal_user_params.available_teams: any user may join them.

  bool operator==(const LitellmSettings&) const = default;
};

/// What is told of providers in trouble, and when: `alerting_threshold` and `alerting_args`.
struct AlertSettings {
  Milliseconds threshold{300'000};  // An answer that takes longer is too slow, a call without one hangs.
  Milliseconds outage_ttl{60'000};  // Failures that lie further apart are no outage; the same is told once in it.
  Milliseconds region_outage_ttl{60'000};
  std::int64_t minor_outage_threshold = 5;
  std::int64_t major_outage_threshold = 10;

  bool operator==(const AlertSettings&) const = default;
};

/// Which tokens count against limits of tokens per minute.
enum class TokenRateLimit : std::uint8_t { Total, Input, Output };

/// `general_settings`.
struct GeneralSettings {
  base::Secret master_key;    // Empty: no authentication (AC-SEC-8 decides whether that may start).
  base::Secret database_url;  // Of PostgreSQL; empty: SQLite under data_dir.
  std::int64_t database_connection_pool_limit = 10;
  std::chrono::milliseconds database_connection_timeout{5000};
  bool database_listen = true;                    // turnpike.database_listen: auto, off.
  bool allow_requests_on_db_unavailable = false;  // Readiness stays 200 while the database is away.
  std::string litellm_key_header_name;
  std::string user_header_name;
  std::optional<std::uint64_t> request_bytes_max;  // max_request_size_mb, in bytes.
  bool always_include_stream_usage = false;
  std::optional<std::int64_t> max_parallel_requests, global_max_parallel_requests;  // Of the whole gateway, both.
  TokenRateLimit token_rate_limit_type = TokenRateLimit::Total;
  bool forbid_master_key_inference = false;  // Ours: calls of the master key are refused, not only warned of.
  std::string completion_model;              // Overrides the requested model of every call of the kind; empty: none.
  std::string embedding_model;
  std::string image_generation_model;
  std::string moderation_model;
  std::vector<std::string> allowed_ips;             // Addresses and ranges that may call; empty: everybody.
  std::vector<std::string> enforced_params;         // What every call of a model has to carry.
  std::vector<std::string> service_account_params;  // And those of service accounts (service_account_settings).
  bool enforce_user_param = false;
  bool reject_clientside_metadata_tags = false;
  bool disable_spend_logs = false;
  bool store_prompts_in_spend_logs = false;
  std::int64_t prompt_string_bytes_max = 2048;               // MAX_STRING_LENGTH_PROMPT_IN_DB
  std::optional<std::chrono::seconds> spend_logs_retention;  // maximum_spend_logs_retention_period
  std::chrono::seconds spend_logs_retention_interval{86'400};
  Milliseconds user_api_key_cache_ttl{60'000};
  bool background_health_checks = false;
  Milliseconds health_check_interval{300'000};
  bool health_check_details = true;
  std::int64_t health_check_concurrency = 4;
  AlertSettings alerts;
  bool store_model_in_db = false;  // Models and credentials may be kept in the database beside those of the file.
  JwtSettings jwt;

  bool operator==(const GeneralSettings& other) const;
};

enum class LedgerDurability : std::uint8_t { Process, Disk };
enum class BudgetAway : std::uint8_t { Lease, Allow, Refuse };
enum class JournalFullPolicy : std::uint8_t { Refuse, Serve };
enum class BudgetMode : std::uint8_t { Default, Strict };
enum class BudgetCrossing : std::uint8_t { Allow, Refuse };
enum class StreamOverBudget : std::uint8_t { Finish, Cut };
enum class UnknownPrice : std::uint8_t { Refuse, Allow };
enum class TpmReserve : std::uint8_t { Prompt, PromptAndOutput };
enum class StoreFailure : std::uint8_t { Local, Open, Closed };
enum class FreeModelsOverBudget : std::uint8_t { Allow, Refuse };

enum class StickyBy : std::uint8_t { Key, User, Header };

/// One of `turnpike.hedging`: a group whose slow calls get a second attempt beside the first.
struct GroupHedging {
  std::string model_group;         // "*": every group without a rule of its own.
  double extra_spend_percent = 5;  // Of what the group costs: the most that attempts which lost may cost.
  bool operator==(const GroupHedging&) const = default;
};

/// One of `turnpike.mirroring`: a share of a group's calls goes to another group as well, for comparison.
struct GroupMirroring {
  std::string model_group;
  std::string to;
  double percent = 0;  // Of the calls.
  bool operator==(const GroupMirroring&) const = default;
};

/// One of `turnpike.sticky`: calls of one key, of one user, or with one value of a header stay with one deployment.
struct Sticky {
  std::string model_group;  // "*": every group that is not named itself.
  StickyBy by = StickyBy::Key;
  std::string header;  // For Header.
  bool operator==(const Sticky&) const = default;
};

enum class ProviderShape : std::uint8_t { OpenAi, Anthropic, Gemini };
enum class ProviderAuth : std::uint8_t { Bearer, Header, None };

/// One of `turnpike.providers`: a provider that the catalogue does not know.
struct ProviderRow {
  std::string name;      // Before the slash of a model.
  std::string base_url;  // Without a trailing slash.
  ProviderShape shape = ProviderShape::OpenAi;
  ProviderAuth auth = ProviderAuth::Bearer;
  std::string auth_header;                                  // For Header.
  std::string key_env;                                      // Variable that holds the key; empty: none.
  std::vector<std::pair<std::string, std::string>> rename;  // OpenAI's name, the provider's.
  std::vector<std::string> drop;
  std::string file;
  int line = 0;

  bool operator==(const ProviderRow& other) const;
};

/// `turnpike:`, the settings LiteLLM does not have (docs/config.md gives each its reason).
struct TurnpikeSettings {
  std::string data_dir;     // Empty: the caller's choice (flag, TURNPIKE_DATA_DIR, XDG state directory).
  std::string journal_dir;  // Empty: data_dir/journal.
  KeyIssuance key_issuance = KeyIssuance::Federated;
  std::string rotated_keys_dir;  // Where secrets of keys that rotate by themselves are handed over; empty: none does.
  std::string litellm_compat;    // "1.81" restores that release's status codes; empty: the later ones.

  // Ledger (money.md 12).
  LedgerDurability ledger_durability = LedgerDurability::Process;
  std::uint64_t journal_segment_bytes = 64ull << 20;
  Milliseconds journal_sync_interval{50};
  std::chrono::seconds journal_keep{3600};
  std::int64_t ledger_retention_days = 0;  // 0: as maximum_spend_logs_retention_period says, else for ever.
  std::int64_t prompt_retention_days = 30;
  JournalFullPolicy journal_full_policy = JournalFullPolicy::Refuse;
  Milliseconds ledger_ship_interval{100};
  std::int64_t ship_batch_rows = 1000;
  BudgetMode budget_mode = BudgetMode::Default;
  BudgetCrossing budget_crossing = BudgetCrossing::Allow;
  double hold_quantile = 0.90;
  std::int64_t hold_output_tokens_max = 32'000;
  std::int64_t hold_output_prior = 1024;
  StreamOverBudget stream_over_budget = StreamOverBudget::Finish;
  bool strict_insert_max_tokens = false;
  // Money leased to this replica (PostgreSQL).
  Milliseconds lease_seconds{60'000};      // So long does what is leased last at the pace of late,
  Milliseconds lease_idle{10'000};         // and so long it is kept unused.
  Milliseconds lease_dead_after{600'000};  // What a replica held that is silent for so long is taken back.
  Milliseconds budget_wait{1500};          // At most, for money that is not here.
  Milliseconds budget_held_wait{50};       // At least, before a call is refused whose money others hold.
  BudgetAway budget_database_down = BudgetAway::Lease;
  UnknownPrice unknown_price = UnknownPrice::Refuse;
  bool unknown_price_written = false;  // Then it decides for self-hosted deployments too, which else cost 0.
  FreeModelsOverBudget free_models_over_budget = FreeModelsOverBudget::Allow;
  std::string budget_week_start = "monday";

  // Answers kept for calls that come again with the same Idempotency-Key.
  Milliseconds idempotency_lifetime{3'600'000};  // From the end of the answer; 0: the header means nothing.
  std::int64_t idempotency_entries_max = 10'000;
  std::uint64_t idempotency_bytes_max = 64ull << 20;        // Of all answers kept.
  std::uint64_t idempotency_answer_bytes_max = 4ull << 20;  // A longer answer is not kept.

  // A caller who hangs up (AC-DISC-3): the answer under way is read to its end, for its usage.
  bool drain_on_disconnect = false;
  Milliseconds drain_timeout{60'000};

  // Limits (money.md 8, docs/limits.md).
  TpmReserve tpm_reserve = TpmReserve::Prompt;
  bool tpm_count_cached = false;                                   // Prompt tokens read from a provider's cache count.
  StoreFailure rate_limit_on_store_failure = StoreFailure::Local;  // What limits are held to while Redis is away.
  std::int64_t limiter_shards = 1;  // Over how many slots of a Redis organisations are spread.
  Milliseconds limit_wait{0};       // limit_wait_ms: how long a call waits for room in its limits.

  // Waiting (AC-TIME-1) and stopping (AC-STOP-1).
  Milliseconds connect_timeout{10'000};
  Milliseconds stream_idle_timeout{300'000};
  Milliseconds stream_keepalive{0};  // Comments on a stream that is silent for so long (AC-TIME-3); 0: none.

  Milliseconds key_cache_max_staleness{0};   // How long known keys are let in unseen by the database; 0: always.
  std::vector<std::string> trusted_proxies;  // Addresses and ranges whose X-Forwarded-For is believed.

  // Files that callers name by URL, for providers that take bytes only (docs/security.md).
  std::vector<std::string> media_fetch_allow;  // Hosts, addresses and ranges beside the public ones.
  std::int64_t media_fetch_count_max = 20;     // Per call; 0: none is fetched.
  std::uint64_t media_fetch_bytes_max = 20ull << 20;
  std::uint64_t media_fetch_call_bytes_max = 50ull << 20;
  Milliseconds media_fetch_timeout{30'000};  // All of one call's.

  Money health_check_budget_per_day = Money::from_nano(1'000'000'000);  // What probes may cost, all together.

  Milliseconds shutdown_grace{2'000};       // The listener stays open so long after SIGTERM.
  Milliseconds termination_grace{600'000};  // Running calls may finish for so long.

  std::vector<Sticky> sticky;  // In file order.
  std::vector<GroupHedging> hedging;
  std::vector<GroupMirroring> mirroring;
  std::int64_t mirror_calls_max = 64;  // At a time; further ones are left out and counted.
  std::vector<ProviderRow> providers;  // In file order.

  bool operator==(const TurnpikeSettings&) const = default;
};

/// One of `credential_list`.
struct Credential {
  std::string name;
  std::vector<std::pair<std::string, base::Secret>> values;
  std::string info_json = "{}";
  bool stored = false;
};

struct Settings {
  std::vector<ModelEntry> models;  // In file order, then those of the database.
  std::vector<Credential> credentials;
  RouterSettings router;
  RedisSettings redis;
  LitellmSettings litellm;
  GeneralSettings general;
  TurnpikeSettings turnpike;
  /// `environment_variables`: for the process environment, which main sets before any thread starts.
  std::vector<std::pair<std::string, base::Secret>> environment_variables;
  /// Protecting keys let through by --allow_unenforced, one line each; readiness repeats them.
  std::vector<std::string> unenforced;
  std::vector<std::string>
      left_out;                    // Deployments that cannot be built, "file:line: group: why"; readiness shows them.
  std::string file;                // The main file; empty when built from the environment.
  std::vector<std::string> files;  // The main file and every included one: what a file watch looks at.
  std::string fingerprint;         // SHA-256 hex over every value in force: equal means nothing changed.
};

using SettingsRef = std::shared_ptr<const Settings>;

/// Looks one environment variable up; nothing when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
Environment process_environment();

/// Why a deployment cannot be built.
struct Refusal {
  std::string why;
  bool later = false;  // Known and not served by this version: left out, on a reload as well.
};

struct LoadOptions {
  std::string path;
  Environment environment = process_environment();
  /// Protecting keys that may be set although this version does not enforce them: the dotted path of the file
  /// ("litellm_settings.max_budget"), for an entry of a list its name alone or behind the path
  /// ("pii-mask-presidio", "litellm_settings.guardrails/pii-mask-presidio").
  std::vector<std::string> allow_unenforced;
  bool nobody_is_served = false;  // A trial of the configuration: all of them may.
  /// On a reload a deployment that cannot be built is an error; at start it is skipped with its line (AC-CONF-2).
  bool reload = false;
  /// Says why a deployment cannot be built (unknown provider, no address), or nothing. The catalogue of providers
  /// lives above this folder, so its owner is asked; the environment is that of the file, environment_variables
  /// included.
  std::function<std::optional<Refusal>(const ModelEntry&, const Environment&, const std::vector<ProviderRow>&)> refusal;
  /// Whether the catalogue has a provider of this name.
  std::function<bool(std::string_view)> built_in_provider;
};

struct Document;
struct Stored;

struct Loaded {
  SettingsRef settings;  // Null when the configuration would not start.
  std::vector<Diagnostic> diagnostics;
  std::shared_ptr<const Document> document;  // What was read, for load_document; null where there was nothing to read.
};

/// Reads and checks the file and what it includes. Always returns: what is wrong stands in the diagnostics, and
/// `settings` is null when one of them is an error. Reads files and the environment, changes nothing.
Loaded load(const LoadOptions& options);

/// `text` in place of the file `options.path`; `include` is resolved against its directory.
Loaded load_text(std::string_view text, const LoadOptions& options);

/// The same for a file that has been read, with what stands in the database beside it (stored.h). Rows of the database
/// never keep the file from being served: one that cannot be is left out with a warning that names it.
Loaded load_document(std::shared_ptr<const Document> document, const LoadOptions& options, const Stored& stored);

/// A provider of the catalogue and the variables that may hold its key, in order of preference.
struct ProviderKey {
  std::string provider;
  std::vector<std::string> variables;
  bool found_by_provider = false;  // Not to be written as `api_key`.
};

/// A provider whose key is in the environment, and the variable that holds it.
struct FoundKey {
  std::string provider;
  std::string variable;
  std::string api_key;  // What stands in the file: "os.environ/<variable>", or nothing.
};

/// Rows of one company share a key; only the first of them is found: it is the one people mean.
std::vector<FoundKey> found_keys(const std::vector<ProviderKey>& providers, const Environment& environment);

/// Without a config file: each provider whose key is in the environment becomes the wildcard group "provider/*".
/// The variable that was found is named in a diagnostic, its value nowhere.
Loaded settings_from_environment(const std::vector<ProviderKey>& providers, const Environment& environment);

/// One line per difference, for the reload report: "router_settings.num_retries: 2 -> 5", "deployment gpt-4o (id ab12):
/// api_base changed", "deployment x added". Secrets are told as "changed". Empty when nothing changed.
std::vector<std::string> diff(const Settings& before, const Settings& after);

}  // namespace turnpike::config
