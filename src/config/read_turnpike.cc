#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/text.h"
#include "config/readers.h"

namespace turnpike::config {

namespace {

void take_whole(Reading& reading, const Node& section, std::string_view key, std::int64_t& target, std::int64_t least,
                std::int64_t most) {
  const auto value = take(section, key, &Node::as_integer);
  if (!value) return;
  if (*value < least || *value > most) {
    reading.diagnostics.push_back(section.find(key)->error(fmt::format("must lie between {} and {}", least, most)));
    return;
  }
  target = *value;
}

/// Whether "10.0.0.0/8" is what it looks like; a host or an address has no slash.
bool is_range(const std::string& text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return !text.empty();
  unsigned char bytes[16];
  const std::string address = text.substr(0, slash);
  const bool four = ::inet_pton(AF_INET, address.c_str(), bytes) == 1;
  if (!four && ::inet_pton(AF_INET6, address.c_str(), bytes) != 1) return false;
  const std::optional<std::uint64_t> bits = base::parse_unsigned(std::string_view(text).substr(slash + 1));
  return bits && *bits <= (four ? 32u : 128u);
}

void read_media_fetch(Reading& reading, const Node& section, TurnpikeSettings& settings) {
  if (const auto allow = take(section, "media_fetch_allow", &Node::as_text_list)) {
    for (const std::string& entry : *allow) {
      if (is_range(entry)) continue;
      reading.diagnostics.push_back(section.find("media_fetch_allow")
                                        ->error(fmt::format("\"{}\" is no host, address or range; write it like "
                                                            "files.example.com, 10.1.2.3 or 10.0.0.0/8",
                                                            entry)));
    }
    settings.media_fetch_allow = *allow;
  }
  take_whole(reading, section, "media_fetch_count_max", settings.media_fetch_count_max, 0, 1000);
  take_into(settings.media_fetch_bytes_max, section, "media_fetch_bytes_max", &Node::as_bytes);
  take_into(settings.media_fetch_call_bytes_max, section, "media_fetch_call_bytes_max", &Node::as_bytes);
  take_into(settings.media_fetch_timeout, section, "media_fetch_timeout", &Node::as_time);
}

}  // namespace

TurnpikeSettings read_turnpike(Reading& reading) {
  const Node& section = reading.section("turnpike");
  TurnpikeSettings settings;
  take_into(settings.data_dir, section, "data_dir", &Node::as_text);
  take_into(settings.journal_dir, section, "journal_dir", &Node::as_text);
  read_key_access(reading, section, settings);
  read_key_issuance(reading, settings);
  take_into(settings.litellm_compat, section, "litellm_compat", &Node::as_text);
  if (!settings.litellm_compat.empty() && settings.litellm_compat != "1.81") {
    reading.diagnostics.push_back(
        section.find("litellm_compat")->error("only the release \"1.81\" can be imitated; write \"1.81\" or nothing"));
  }

  take_word(reading, section, "ledger_durability", settings.ledger_durability, {"process", "disk"});
  take_word(reading, section, "journal_full_policy", settings.journal_full_policy, {"refuse", "serve"});
  take_word(reading, section, "budget_mode", settings.budget_mode, {"default", "strict"});
  take_word(reading, section, "budget_crossing", settings.budget_crossing, {"allow", "refuse"});
  take_word(reading, section, "stream_over_budget", settings.stream_over_budget, {"finish", "cut"});
  take_word(reading, section, "unknown_price", settings.unknown_price, {"refuse", "allow"});
  settings.unknown_price_written = section.find("unknown_price") != nullptr;
  take_word(reading, section, "free_models_over_budget", settings.free_models_over_budget, {"allow", "refuse"});
  constexpr std::string_view kDays[] = {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"};
  std::uint8_t day = 0;
  take_word(reading, section, "budget_week_start", day,
            {kDays[0], kDays[1], kDays[2], kDays[3], kDays[4], kDays[5], kDays[6]});
  settings.budget_week_start = kDays[day];

  constexpr std::uint64_t kLeastSegmentBytes = 1u << 20;
  constexpr std::uint64_t kMostSegmentBytes = 4ull << 30;
  if (const auto bytes = take(section, "journal_segment_bytes", &Node::as_bytes)) {
    if (*bytes < kLeastSegmentBytes || *bytes > kMostSegmentBytes) {
      reading.diagnostics.push_back(section.find("journal_segment_bytes")->error("must lie between 1MiB and 4GiB"));
    } else {
      settings.journal_segment_bytes = *bytes;
    }
  }
  take_into(settings.journal_sync_interval, section, "journal_sync_interval", &Node::as_time);
  if (const auto keep = take(section, "journal_keep", &Node::as_time)) {
    settings.journal_keep = std::chrono::duration_cast<std::chrono::seconds>(*keep);
  }
  take_into(settings.ledger_ship_interval, section, "ledger_ship_interval", &Node::as_time);
  take_whole(reading, section, "ship_batch_rows", settings.ship_batch_rows, 1, 100'000);
  take_whole(reading, section, "ledger_retention_days", settings.ledger_retention_days, 1, 100'000);
  take_whole(reading, section, "prompt_retention_days", settings.prompt_retention_days, 1, 100'000);
  if (const auto quantile = take(section, "hold_quantile", &Node::as_double)) {
    if (*quantile <= 0 || *quantile > 1) {
      reading.diagnostics.push_back(section.find("hold_quantile")->error("must lie above 0 and at most at 1"));
    } else {
      settings.hold_quantile = *quantile;
    }
  }
  take_whole(reading, section, "hold_output_tokens_max", settings.hold_output_tokens_max, 1, 100'000'000);
  take_whole(reading, section, "hold_output_prior", settings.hold_output_prior, 1, 100'000'000);
  take_into(settings.strict_insert_max_tokens, section, "strict_insert_max_tokens", &Node::as_bool);
  take_into(settings.lease_seconds, section, "lease_seconds", &Node::as_time);
  take_into(settings.lease_idle, section, "lease_idle", &Node::as_time);
  take_into(settings.lease_dead_after, section, "lease_dead_after", &Node::as_time);
  take_word(reading, section, "budget_database_down", settings.budget_database_down, {"lease", "allow", "refuse"});
  take_into(settings.budget_wait, section, "budget_wait", &Node::as_time);
  take_into(settings.budget_held_wait, section, "budget_held_wait", &Node::as_time);

  take_into(settings.idempotency_lifetime, section, "idempotency_lifetime", &Node::as_time);
  take_whole(reading, section, "idempotency_entries_max", settings.idempotency_entries_max, 1, 10'000'000);
  take_into(settings.idempotency_bytes_max, section, "idempotency_bytes_max", &Node::as_bytes);
  take_into(settings.idempotency_answer_bytes_max, section, "idempotency_answer_bytes_max", &Node::as_bytes);
  take_into(settings.drain_on_disconnect, section, "drain_on_disconnect", &Node::as_bool);
  take_into(settings.drain_timeout, section, "drain_timeout", &Node::as_time);
  take_word(reading, section, "tpm_reserve", settings.tpm_reserve, {"prompt", "prompt_and_output"});
  take_into(settings.tpm_count_cached, section, "tpm_count_cached", &Node::as_bool);
  take_word(reading, section, "rate_limit_on_store_failure", settings.rate_limit_on_store_failure,
            {"local", "open", "closed"});
  take_whole(reading, section, "limiter_shards", settings.limiter_shards, 1, 64);
  std::int64_t wait_ms = 0;
  take_whole(reading, section, "limit_wait_ms", wait_ms, 0, 600'000);
  settings.limit_wait = Milliseconds(wait_ms);
  take_into(settings.connect_timeout, section, "connect_timeout", &Node::as_time);
  take_into(settings.stream_idle_timeout, section, "stream_idle_timeout", &Node::as_time);
  take_into(settings.stream_keepalive, section, "stream_keepalive", &Node::as_time);
  read_media_fetch(reading, section, settings);
  read_health_check_budget(reading, settings);
  take_into(settings.shutdown_grace, section, "shutdown_grace", &Node::as_time);
  take_into(settings.termination_grace, section, "termination_grace", &Node::as_time);
  settings.sticky = read_sticky(reading);
  settings.hedging = read_hedging(reading);
  settings.mirroring = read_mirroring(reading);
  take_whole(reading, section, "mirror_calls_max", settings.mirror_calls_max, 0, 10'000);
  settings.providers = read_providers(reading);
  return settings;
}

}  // namespace turnpike::config
