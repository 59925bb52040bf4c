#include "app/process.h"
#include "base/clock.h"
#include "ledger/ledger_metrics.h"
#include "pipeline/idempotency.h"
#include "router/deployment_metrics.h"
#include "telemetry/budget_metrics.h"

namespace turnpike::app {

using telemetry::Metrics;

namespace {

/// Of the keys that have called since the start.
std::vector<telemetry::KeyBudget> key_budgets(const ledger::Ledger& ledger) {
  constexpr std::int16_t kKeyKind = 6;  // Spec money 4.
  std::vector<telemetry::KeyBudget> budgets;
  for (const ledger::AccountRef& account : ledger.budgeted_accounts(kKeyKind, telemetry::kBudgetsMax)) {
    const std::int64_t limit = account->limit.load();
    if (limit < 0) continue;  // Taken away meanwhile.
    const Money budget = Money::from_nano(limit);
    const Money left = Money::from_nano(account->running()->left_nano());
    budgets.push_back({account->entity, account->label, budget, budget - left});
  }
  return budgets;
}

}  // namespace

/// The series that other parts keep; read when somebody scrapes.
void Process::register_metrics() {
  const auto counter = [this](const char* name, const char* help, const std::atomic<std::uint64_t>& value) {
    metrics_->observe(name, help, Metrics::Kind::Counter, [&value] { return static_cast<double>(value.load()); });
  };
  const auto gauge = [this](const char* name, const char* help, std::function<double()> read) {
    metrics_->observe(name, help, Metrics::Kind::Gauge, std::move(read));
  };
  const bool journal_off = options_.no_journal;
  metrics_->observe_text([this, journal_off](std::string& out) {
    const std::lock_guard lock(reload_mutex_);
    const bool strict = snapshot_->settings->turnpike.budget_mode == config::BudgetMode::Strict;
    ledger::append_ledger_metrics(out, ledger_->counters(), strict, journal_off);
  });
  metrics_->observe_text([this](std::string& out) {
    if (prompts_) prompt::append_prompt_metrics(out, prompts_->counters());
  });
  metrics_->observe_text([this](std::string& out) { limits_->append_metrics(out); });
  metrics_->observe_text([this](std::string& out) { telemetry::append_key_budgets(out, key_budgets(*ledger_)); });
  counter("turnpike_master_key_calls_total", "Calls to models with the master key: on nobody's budget.",
          gateway_.master_key_calls);
  counter("turnpike_media_fetched_total", "Files fetched for callers who named them by URL.", gateway_.media.fetched);
  counter("turnpike_media_refused_total", "Files named by URL that were not fetched.", gateway_.media.refused);
  counter("turnpike_media_bytes_total", "Bytes of the files fetched.", gateway_.media.bytes);
  counter("turnpike_mirrors_total", "Calls repeated on another group for comparison.", gateway_.mirrors.begun);
  counter("turnpike_mirrors_left_out_total", "Calls not repeated: mirror_calls_max were under way.",
          gateway_.mirrors.left_out);
  gauge("turnpike_mirrors_open", "Repeated calls under way.",
        [this] { return static_cast<double>(gateway_.mirrors.open.load()); });
  pipeline::observe(*metrics_, *gateway_.idempotency);
  gauge("litellm_in_flight_requests", "Calls being served.",
        [this] { return static_cast<double>(gateway_.calls_open.load()); });
  gauge("turnpike_config_generation", "How many configurations have been in force.", [this] {
    const std::lock_guard lock(reload_mutex_);
    return static_cast<double>(snapshot_->generation);
  });
  metrics_->observe_text([this](std::string& out) {
    const std::lock_guard lock(reload_mutex_);
    router::append_deployment_metrics(out, *snapshot_->routing, base::unix_now_us());
  });
  metrics_->observe_text([this](std::string& out) {
    telemetry::append_event_metrics(out, *events_);
    pipeline::append_probe_metrics(out, *probes_, base::unix_now_us());
  });
  metrics_->observe("turnpike_access_log_dropped_total", "Access log lines lost because the reader was too slow.",
                    Metrics::Kind::Counter, [this] { return static_cast<double>(access_log_->lines_dropped()); });
  const auto server = [this](const char* name, const char* help, Metrics::Kind kind,
                             std::atomic<std::uint64_t> http::ServerCounters::* member) {
    metrics_->observe(name, help, kind, [this, member] {
      return server_ ? static_cast<double>((server_->counters().*member).load()) : 0.0;
    });
  };
  using Kind = Metrics::Kind;
  server("turnpike_connections_open", "Open caller connections.", Kind::Gauge, &http::ServerCounters::connections_open);
  server("turnpike_connections_total", "Caller connections accepted.", Kind::Counter,
         &http::ServerCounters::connections_total);
  server("turnpike_rejected_framing_total", "Requests refused for their framing.", Kind::Counter,
         &http::ServerCounters::rejected_framing);
  server("turnpike_limit_header_bytes_total", "Requests over header_bytes_max or header_count_max.", Kind::Counter,
         &http::ServerCounters::limit_header_bytes);
  server("turnpike_limit_body_bytes_total", "Requests over body_bytes_max.", Kind::Counter,
         &http::ServerCounters::limit_body_bytes);
  server("turnpike_limit_header_timeout_total", "Connections closed by header_timeout.", Kind::Counter,
         &http::ServerCounters::limit_header_timeout);
  server("turnpike_limit_body_timeout_total", "Connections closed by body_timeout.", Kind::Counter,
         &http::ServerCounters::limit_body_timeout);
  server("turnpike_limit_connections_total", "Connections over connections_max.", Kind::Counter,
         &http::ServerCounters::limit_connections);
  server("turnpike_limit_write_stall_total", "Connections closed by write_stall_timeout.", Kind::Counter,
         &http::ServerCounters::limit_write_stall);
  server("turnpike_limit_keepalive_total", "Idle connections closed by keepalive_timeout.", Kind::Counter,
         &http::ServerCounters::limit_keepalive);
  const auto client = [this](const char* name, const char* help, Kind kind,
                             std::atomic<std::uint64_t> http::ClientCounters::* member) {
    metrics_->observe(name, help, kind, [this, member] {
      std::uint64_t sum = 0;
      for (const auto& worker : gateway_.workers) sum += (worker->client->counters().*member).load();
      return static_cast<double>(sum);
    });
  };
  using Client = http::ClientCounters;
  client("turnpike_upstream_connects_total", "Connections opened to providers.", Kind::Counter, &Client::connects);
  client("turnpike_upstream_reused_total", "Requests sent on a connection that had served before.", Kind::Counter,
         &Client::reused);
  client("turnpike_upstream_stale_retries_total", "Requests sent again because a reused connection was dead.",
         Kind::Counter, &Client::stale_retries);
  client("turnpike_upstream_idle", "Provider connections waiting to be reused.", Kind::Gauge, &Client::idle);
  client("turnpike_upstream_tls_full_total", "TLS handshakes with a provider from the start.", Kind::Counter,
         &Client::tls_full);
  client("turnpike_upstream_tls_resumed_total", "TLS handshakes resumed from a session.", Kind::Counter,
         &Client::tls_resumed);
  client("turnpike_limit_upstream_idle_total", "Connections closed by idle_per_origin_max.", Kind::Counter,
         &Client::idle_evicted);
  client("turnpike_limit_upstream_header_total", "Answers over the header limits of the client.", Kind::Counter,
         &Client::limit_header);
  client("turnpike_limit_upstream_body_total", "Answers over reply_bytes_max.", Kind::Counter, &Client::limit_body);
  client("turnpike_limit_connect_timeout_total", "Attempts ended by connect_timeout.", Kind::Counter,
         &Client::timeout_connect);
  client("turnpike_limit_stream_timeout_total", "Attempts ended by stream_timeout.", Kind::Counter,
         &Client::timeout_first_byte);
  client("turnpike_limit_stream_idle_timeout_total", "Attempts ended by stream_idle_timeout.", Kind::Counter,
         &Client::timeout_idle);
  client("turnpike_limit_timeout_total", "Attempts ended by timeout.", Kind::Counter, &Client::timeout_total);
  metrics_->observe("turnpike_log_lines_dropped_total", "Lines of the operator's log lost because its queue was full.",
                    Kind::Counter, [] { return static_cast<double>(base::log_lines_dropped()); });
}

/// Names that may stand in labels from the start.
void Process::know_models() {
  std::vector<std::string> names = snapshot_->routing->public_names();
  for (const router::ModelGroupRef& group : snapshot_->routing->groups()) {
    for (const router::DeploymentRef& deployment : group->deployments) names.push_back(deployment->target.model);
  }
  metrics_->know_models(names);
}

}  // namespace turnpike::app
