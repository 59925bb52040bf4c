#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "account/change_feed.h"
#include "account/key_life.h"
#include "account/key_store.h"
#include "account/stored.h"
#include "api/api.h"
#include "app/data_dir.h"
#include "app/limits.h"
#include "app/options.h"
#include "app/snapshot.h"
#include "db/database.h"
#include "http/server.h"
#include "ledger/ledger.h"
#include "ledger/retention.h"
#include "pipeline/gateway.h"
#include "pipeline/hang_watch.h"
#include "pipeline/probes.h"
#include "prompt/prompt_store.h"

namespace turnpike::account {
class JwtCallers;
class JwtKeys;
}  // namespace turnpike::account

namespace turnpike::app {

/// What a gateway on trial takes in the place of its configuration file and of its providers' addresses.
struct Trial {
  config::SettingsRef settings;
  Redirect redirect;
};

/// All parts of a running gateway and their order: what is declared last ends first.
class Process {
 public:
  explicit Process(const Options& options, Trial trial = {}) : options_(options), trial_(std::move(trial)) {}
  ~Process();

  /// Errors: what is wrong and what to do, for stderr.
  Status start();
  /// The address people open: "http://127.0.0.1:4000".
  std::string address() const;
  std::uint16_t port() const { return server_->port(); }

  /// Reads the config again and swaps it whole, or keeps the old one (AC-CONF-1). The text is the diff.
  Result<std::string> reload();
  /// Puts the fallbacks that stand in the database in force (POST and DELETE /fallback).
  Status read_fallbacks();
  /// The same with models, credentials and access groups of the database (stored.cc).
  Status read_stored();
  /// Errors: what keeps the database from ever being used, found after the start: it was away then.
  Status database_usable() const { return database_ ? database_->usable() : Status(); }
  /// True when a file of the configuration has changed since it was read (or refused).
  bool files_changed();

  /// Graceful end in three steps (AC-STOP-1).
  void begin_drain();  // Readiness says 503, the listener stays open.
  void stop_listening();
  std::int64_t calls_open() const { return gateway_.calls_open.load(); }
  std::uint64_t connections_open() const;
  void abort_calls();
  void finish();  // Ships the ledger, writes STOP.

  std::chrono::milliseconds shutdown_grace() const;
  /// How long a connection that callers were told is kept may bring another request when nobody listens any more.
  std::chrono::milliseconds last_request_grace() const;
  std::chrono::milliseconds termination_grace() const;

 private:
  config::LoadOptions load_options(bool reload) const;
  Result<config::SettingsRef> load_settings(bool reload);
  /// The settings of the file with what stands in the database beside it (store_model_in_db). A database that is away
  /// leaves what was read last. Errors: InvalidRequest, what is wrong with the file.
  Result<config::SettingsRef> beside_stored(config::SettingsRef of_file);
  Status check_stored(config::Stored stored);
  Status open_stores(const config::Settings& settings);
  void make_workers();
  void register_metrics();
  void know_models();
  void publish(const pipeline::SnapshotRef& snapshot);
  /// Signing in by token (tokens.cc); null: no tokens are taken.
  std::shared_ptr<account::JwtKeys> token_keys(const config::JwtSettings& jwt);
  std::shared_ptr<account::JwtCallers> token_callers(net::IoThread& thread, const pipeline::Snapshot& snapshot,
                                                     std::shared_ptr<account::JwtKeys> keys,
                                                     std::function<void(const domain::Caller&)> on_read);
  void follow_changes();
  void tell_alert(const ledger::BudgetAlert& alert);
  void tell_rejected(const ledger::RejectedEntries& rejected);
  void tell(telemetry::Event event);
  void open_budgets();
  void open_missing_budgets();
  void look_after_keys();
  void look_after_entries();
  void open_prompts();
  /// Of this replica, as soon as they are committed, and of the others, as the feed tells them.
  void take_changes(const std::vector<account::Change>& changes);
  std::string files_stamp(const config::Settings& settings) const;

  const Options& options_;
  const Trial trial_;
  std::string host_;
  std::unique_ptr<DataDir> data_dir_;
  std::atomic<telemetry::Events*> alerted_{nullptr};  // For the shipper, which is there before.
  std::unique_ptr<telemetry::Events> events_;         // Outlives the threads that tell it.
  std::unique_ptr<net::IoThreads> threads_;
  std::unique_ptr<db::Database> database_;
  std::unique_ptr<ledger::Ledger> ledger_;
  std::unique_ptr<prompt::PromptStore> prompts_;
  std::unique_ptr<account::KeyStore> keys_;
  std::unique_ptr<telemetry::Metrics> metrics_;
  std::unique_ptr<telemetry::AccessLog> access_log_;
  pipeline::Gateway gateway_;
  std::mutex reload_mutex_;  // One reload at a time; never on a call's path.
  pipeline::SnapshotRef snapshot_;
  std::shared_ptr<account::JwtKeys> token_keys_;
  std::vector<router::StoredFallbacks> fallbacks_;  // As last read.
  std::string files_stamp_;
  std::shared_ptr<const config::Document> document_;  // The file in force; null on trial.
  account::StoredRows stored_;                        // As last read.
  // What check_stored looks at, from the database's thread: whoever reloads waits for that one.
  std::mutex known_mutex_;
  std::shared_ptr<const config::Document> known_document_;
  std::vector<config::Node> known_credentials_;
  std::unique_ptr<pipeline::Probes> probes_;
  std::unique_ptr<pipeline::HangWatch> hang_watch_;
  std::unique_ptr<Limits> limits_;
  std::unique_ptr<http::Server> server_;
  std::unique_ptr<account::ChangeFeed> feed_;
  std::unique_ptr<account::KeyLife> key_life_;
  std::unique_ptr<ledger::Retention> retention_;  // Null: entries are kept for ever.
};

}  // namespace turnpike::app
