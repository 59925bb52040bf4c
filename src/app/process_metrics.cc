#include "app/process.h"
#include "base/clock.h"
#include "base/log.h"
#include "router/deployment_metrics.h"

namespace turnpike::app {
namespace {

using telemetry::Metrics;

double age_seconds(std::int64_t since_us) {
  return since_us == 0 ? 0.0 : static_cast<double>(base::unix_now_us() - since_us) / 1e6;
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
  const ledger::LedgerCounters& money = ledger_->counters();
  counter("turnpike_entries_estimated_total", "Ledger entries whose usage we counted ourselves.",
          money.entries_estimated);
  counter("turnpike_cost_unknown_total", "Ledger entries without a known price.", money.cost_unknown);
  counter("turnpike_hold_dropped_total", "Holds destroyed without a settlement: a bug.", money.hold_dropped);
  counter("turnpike_hold_exceeded_total", "Calls that cost more than was held.", money.hold_exceeded);
  counter("turnpike_budget_crossings_total", "Calls admitted with less budget left than their hold.", money.crossings);
  counter("turnpike_budget_refusals_spent_total", "Calls refused because a budget is spent.", money.refused_spent);
  counter("turnpike_budget_refusals_held_total", "Calls refused because the rest of a budget is held.",
          money.refused_held);
  counter("turnpike_ship_batches_total", "Batches of entries stored in the database.", money.ship_batches);
  counter("turnpike_ship_retries_total", "Batches that had to be tried again.", money.ship_retries);
  // What the journal keeps is fetched by counters(): these two ask for it anew.
  gauge("turnpike_journal_bytes", "Bytes of journal on disk.",
        [this] { return static_cast<double>(ledger_->counters().journal_bytes.load()); });
  gauge("turnpike_ledger_unshipped_entries", "Entries not yet in the database.",
        [&money] { return static_cast<double>(money.unshipped.load()); });
  gauge("turnpike_journal_oldest_unsynced_seconds", "Age of the oldest record a power cut would lose.",
        [this] { return age_seconds(ledger_->counters().oldest_unsynced_us.load()); });
  gauge("turnpike_ledger_oldest_unshipped_seconds", "Age of the oldest entry not yet in the database.",
        [&money] { return age_seconds(money.oldest_unshipped_us.load()); });
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
