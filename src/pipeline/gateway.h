#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "account/authenticator.h"
#include "account/change_feed.h"
#include "account/config_accounts.h"
#include "account/key_store.h"
#include "config/settings.h"
#include "db/database.h"
#include "http/client.h"
#include "ledger/ledger.h"
#include "limit/limiter.h"
#include "net/io_threads.h"
#include "pipeline/calls_under_way.h"
#include "pipeline/known_limits.h"
#include "price/catalogue.h"
#include "price/estimate.h"
#include "prompt/prompt_store.h"
#include "protocol/error_face.h"
#include "router/router.h"
#include "telemetry/access_log.h"
#include "telemetry/events.h"
#include "telemetry/metrics.h"

namespace turnpike::pipeline {

/// One configuration in force, whole: immutable, swapped by a message to each I/O thread; a call keeps the one it
/// started with.
struct Snapshot {
  config::SettingsRef settings;
  std::shared_ptr<const router::RoutingTable> routing;
  std::shared_ptr<const price::Catalogue> prices;
  account::AccessGroups access_groups;
  account::ConfigAccountsRef accounts;  // Of the budgets in `settings`; null: not opened yet, the database is away.
  protocol::Compat compat = protocol::Compat::Later;
  std::uint64_t generation = 0;
  std::vector<std::string> problems;  // Deployments left out, keys not enforced: readiness repeats them.
};
using SnapshotRef = std::shared_ptr<const Snapshot>;

class SilentExchange;

/// What an I/O thread owns for itself.
struct Worker {
  net::IoThread* thread = nullptr;
  std::size_t index = 0;
  SnapshotRef snapshot;
  std::unique_ptr<http::Client> client;
  std::unique_ptr<account::Authenticator> authenticator;
  price::Estimator estimator;
  router::GroupCache groups;  // Of `snapshot`; emptied with every swap.
  CallsUnderWay calls;
  std::unique_ptr<limit::NearMeters> meters;
  KnownLimits known_limits;
  std::unique_ptr<limit::RedisCount> shared_count;  // Null: there is no Redis.
  std::unique_ptr<limit::Limiter> limiter;          // Null: nothing is limited.
  std::vector<SilentExchange*> own_calls;           // Under way on this thread; see own_call.h.
};

/// Files that callers named by URL.
struct MediaCounters {
  std::atomic<std::uint64_t> fetched{0}, refused{0}, bytes{0};
};

/// Calls that wait for room in their limits (turnpike.limit_wait_ms).
struct LimitWaits {
  std::atomic<std::int64_t> waiting{0};
  std::atomic<std::uint64_t> queue_full{0};
};

class Probes;
class SharedRests;
class Idempotency;

/// Calls repeated for comparison.
struct MirrorCounters {
  std::atomic<std::int64_t> open{0};
  std::atomic<std::uint64_t> begun{0}, left_out{0};
};

/// What all threads share; made by `app`, outlives every call.
struct Gateway {
  net::IoThreads* threads = nullptr;
  db::Database* database = nullptr;
  account::KeyStore* keys = nullptr;
  /// Called after a commit on this replica: what was known of these is forgotten at once, others hear by the feed.
  std::function<void(const std::vector<account::Change>&)> changed;
  ledger::Ledger* ledger = nullptr;
  prompt::PromptStore* prompts = nullptr;  // Null: there is nowhere to keep them.
  telemetry::Metrics* metrics = nullptr;
  telemetry::AccessLog* access_log = nullptr;
  telemetry::Events* events = nullptr;           // Null: nobody is told.
  SharedRests* rests = nullptr;                  // Null: no other replica hears of rests.
  Probes* probes = nullptr;                      // Null: there are none.
  std::shared_ptr<Idempotency> idempotency;      // Null: the header Idempotency-Key means nothing.
  std::vector<std::unique_ptr<Worker>> workers;  // By thread index.
  std::atomic<bool> draining{false};             // SIGTERM came: readiness says 503, no new probes.
  std::atomic<std::int64_t> calls_open{0};
  std::atomic<std::uint64_t> master_key_calls{0};  // Calls to models with the master key: on nobody's budget.
  std::atomic<std::int64_t> master_key_warned_us{0};
  std::unique_ptr<limit::Meters> meters;
  limit::LiveReplicas replicas;
  limit::RefusalCounts limit_refusals;
  LimitWaits limit_waits;
  redis::Redis* redis = nullptr;  // Null: there is none, replicas do not count together.
  MediaCounters media;
  MirrorCounters mirrors;

  Worker& worker_of(const net::IoThread& thread) { return *workers[thread.index()]; }
};

}  // namespace turnpike::pipeline
