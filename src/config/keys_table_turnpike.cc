#include "config/keys.h"

namespace turnpike::config {
namespace {

using enum Type;
constexpr Standing kHonoured = Standing::Honoured;
constexpr Standing kNotYet = Standing::NotYet;

constexpr Key kKeys[] = {
    {"turnpike.data_dir", Text, kHonoured, ""},
    {"turnpike.journal_dir", Text, kHonoured, ""},
    {"turnpike.litellm_compat", Text, kHonoured, ""},
    {"turnpike.key_issuance", Text, kHonoured, ""},
    {"turnpike.rotated_keys_dir", Text, kHonoured, ""},
    {"turnpike.hedging", List, kHonoured, ""},
    {"turnpike.hedging[].model_group", Text, kHonoured, ""},
    {"turnpike.hedging[].extra_spend_percent", Number, kHonoured, ""},
    {"turnpike.mirroring", List, kHonoured, ""},
    {"turnpike.mirroring[].model_group", Text, kHonoured, ""},
    {"turnpike.mirroring[].to", Text, kHonoured, ""},
    {"turnpike.mirroring[].percent", Number, kHonoured, ""},
    {"turnpike.mirror_calls_max", Integer, kHonoured, ""},
    {"turnpike.sticky", List, kHonoured, ""},
    {"turnpike.sticky[].model_group", Text, kHonoured, ""},
    {"turnpike.sticky[].by", Text, kHonoured, ""},
    {"turnpike.sticky[].header", Text, kHonoured, ""},
    {"turnpike.providers", List, kHonoured, ""},
    {"turnpike.providers[].name", Text, kHonoured, ""},
    {"turnpike.providers[].base_url", Text, kHonoured, ""},
    {"turnpike.providers[].shape", Text, kHonoured, ""},
    {"turnpike.providers[].auth", Text, kHonoured, ""},
    {"turnpike.providers[].key_env", Text, kHonoured, ""},
    {"turnpike.providers[].rename", Map, kHonoured, ""},
    {"turnpike.providers[].rename.*", Text, kHonoured, ""},
    {"turnpike.providers[].drop", Texts, kHonoured, ""},
    {"turnpike.ledger_durability", Text, kHonoured, ""},
    {"turnpike.journal_segment_bytes", Bytes, kHonoured, ""},
    {"turnpike.journal_sync_interval", Time, kHonoured, ""},
    {"turnpike.journal_keep", Time, kHonoured, ""},
    {"turnpike.journal_full_policy", Text, kHonoured, ""},
    {"turnpike.ledger_ship_interval", Time, kHonoured, ""},
    {"turnpike.ship_batch_rows", Integer, kHonoured, ""},
    {"turnpike.budget_mode", Text, kHonoured, ""},
    {"turnpike.budget_crossing", Text, kHonoured, ""},
    {"turnpike.hold_quantile", Number, kHonoured, ""},
    {"turnpike.hold_output_tokens_max", Integer, kHonoured, ""},
    {"turnpike.hold_output_prior", Integer, kHonoured, ""},
    {"turnpike.stream_over_budget", Text, kHonoured, ""},
    {"turnpike.strict_insert_max_tokens", Bool, kNotYet, "requests are not given a max_tokens"},
    {"turnpike.lease_seconds", Time, kHonoured, ""},
    {"turnpike.lease_idle", Time, kHonoured, ""},
    {"turnpike.lease_dead_after", Time, kHonoured, ""},
    {"turnpike.budget_wait", Time, kHonoured, ""},
    {"turnpike.budget_held_wait", Time, kHonoured, ""},
    {"turnpike.budget_database_down", Text, kHonoured, ""},
    {"turnpike.free_models_over_budget", Text, kHonoured, ""},
    {"turnpike.unknown_price", Text, kHonoured, ""},
    {"turnpike.budget_week_start", Text, kHonoured, ""},
    {"turnpike.database_direct_url", Text, kNotYet, "behind a pooler the database is asked for news twice a second"},
    {"turnpike.database_listen", Any, kHonoured, ""},
    {"turnpike.tpm_reserve", Text, kHonoured, ""},
    {"turnpike.tpm_count_cached", Bool, kHonoured, ""},
    {"turnpike.limiter_shards", Integer, kHonoured, ""},
    {"turnpike.redis_timeout", Time, kHonoured, ""},
    {"turnpike.rate_limit_on_store_failure", Text, kHonoured, ""},
    {"turnpike.limit_wait_ms", Integer, kHonoured, ""},
    {"turnpike.ledger_retention_days", Integer, kHonoured, ""},
    {"turnpike.prompt_retention_days", Integer, kHonoured, ""},
    {"turnpike.idempotency_lifetime", Time, kHonoured, ""},
    {"turnpike.idempotency_entries_max", Integer, kHonoured, ""},
    {"turnpike.idempotency_bytes_max", Bytes, kHonoured, ""},
    {"turnpike.idempotency_answer_bytes_max", Bytes, kHonoured, ""},
    {"turnpike.drain_on_disconnect", Bool, kHonoured, ""},
    {"turnpike.drain_timeout", Time, kHonoured, ""},
    {"turnpike.connect_timeout", Time, kHonoured, ""},
    {"turnpike.stream_idle_timeout", Time, kHonoured, ""},
    {"turnpike.stream_keepalive", Time, kHonoured, ""},
    {"turnpike.key_cache_max_staleness", Time, kHonoured, ""},
    {"turnpike.trusted_proxies", Texts, kHonoured, ""},
    {"turnpike.media_fetch_allow", Texts, kHonoured, ""},
    {"turnpike.media_fetch_count_max", Integer, kHonoured, ""},
    {"turnpike.media_fetch_bytes_max", Bytes, kHonoured, ""},
    {"turnpike.media_fetch_call_bytes_max", Bytes, kHonoured, ""},
    {"turnpike.media_fetch_timeout", Time, kHonoured, ""},
    {"turnpike.health_check_budget_per_day", Price, kHonoured, ""},
    {"turnpike.shutdown_grace", Time, kHonoured, ""},
    {"turnpike.termination_grace", Time, kHonoured, ""},
};

}  // namespace

std::span<const Key> turnpike_keys() {
  return kKeys;
}

}  // namespace turnpike::config
