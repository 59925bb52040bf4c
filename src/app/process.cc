#include "app/process.h"

#include <sys/stat.h>

#include <algorithm>
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "account/authenticator.h"
#include "account/jwt_callers.h"
#include "api/records.h"
#include "app/findings.h"
#include "app/host_name.h"
#include "app/open_database.h"
#include "base/log.h"
#include "base/text.h"
#include "net/blocking.h"
#include "pipeline/drain.h"
#include "pipeline/idempotency.h"
#include "pipeline/own_call.h"
#include "provider/provider.h"
#include "router/stored_fallbacks.h"

namespace turnpike::app {
namespace {

using base::LogLevel;

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

/// AC-SEC-8: without a master key only this machine is served, unless somebody insists.
Result<std::string> choose_host(const Options& options, const config::Settings& settings) {
  if (!settings.general.master_key.empty()) return options.host.empty() ? std::string("0.0.0.0") : options.host;
  if (options.host.empty()) {
    base::log(LogLevel::Warning,
              "No master key: everybody who reaches this port is admin, so only 127.0.0.1 is served. "
              "Set general_settings.master_key or LITELLM_MASTER_KEY to serve others.");
    return std::string("127.0.0.1");
  }
  if (is_loopback(options.host) || options.allow_no_auth) {
    base::log(LogLevel::Warning, "No master key: everybody who reaches {} is admin.", options.host);
    return options.host;
  }
  return base::fail(ErrorKind::Unavailable,
                    "Refusing to serve " + options.host +
                        " without a master key: everybody there would be admin. Set general_settings.master_key "
                        "(or LITELLM_MASTER_KEY), or pass --allow_no_auth if that is meant.");
}

std::size_t body_bytes_max(const config::Settings& settings) {
  return settings.general.request_bytes_max.value_or(http::ServerLimits().body_bytes_max);
}

account::AuthSettings auth_settings(const config::Settings& settings,
                                    const std::unique_ptr<account::ChangeFeed>& feed) {
  account::AuthSettings auth;
  auth.staleness_max = settings.turnpike.key_cache_max_staleness;
  auth.behind = [&feed] { return feed ? feed->behind() : std::chrono::milliseconds(0); };
  auth.master_key = settings.general.master_key;
  auth.key_header_name = settings.general.litellm_key_header_name;
  // What check_config has let through is a range.
  for (const std::string& text : settings.general.allowed_ips)
    auth.allowed_ips.push_back(domain::parse_ip_range(text).value_or(domain::IpRange{}));
  for (const std::string& text : settings.turnpike.trusted_proxies)
    auth.trusted_proxies.push_back(domain::parse_ip_range(text).value_or(domain::IpRange{}));
  return auth;
}

lease::LeaseTerms lease_terms(const config::TurnpikeSettings& ours) {
  const auto microseconds = [](config::Milliseconds length) { return std::chrono::microseconds(length).count(); };
  lease::LeaseTerms terms;
  terms.lease_us = microseconds(ours.lease_seconds);
  terms.idle_us = microseconds(ours.lease_idle);
  terms.wait_us = microseconds(ours.budget_wait);
  terms.held_wait_us = microseconds(ours.budget_held_wait);
  terms.may_cross = ours.budget_crossing == config::BudgetCrossing::Allow;
  return terms;
}

ledger::BudgetAway budget_away(config::BudgetAway away) {
  switch (away) {
    case config::BudgetAway::Allow:
      return ledger::BudgetAway::Allow;
    case config::BudgetAway::Refuse:
      return ledger::BudgetAway::Refuse;
    case config::BudgetAway::Lease:
      break;
  }
  return ledger::BudgetAway::Lease;
}

constexpr std::size_t kKnownKeysBytesMax = std::size_t{256} * 1024 * 1024;  // Of all threads together.

/// What other replicas have made of accounts that this one knows.
void learn_terms(ledger::Ledger& ledger, const domain::Caller& caller) {
  for (const std::vector<domain::CallerAccount>* accounts : {&caller.accounts, &caller.model_accounts}) {
    for (const domain::CallerAccount& account : *accounts) ledger.account_read(account);
  }
}

/// What helps after a configuration was refused at start.
std::string remedy(const std::string& file) {
  if (file.empty()) return {};
  std::error_code failure;
  if (!std::filesystem::exists(file, failure)) return "\nTo write a first one: turnpike init " + file;
  return "\nTo check it without starting: turnpike check-config " + file;
}

/// Those that the loader has not told already.
void log_problems(const pipeline::Snapshot& snapshot) {
  const config::Settings& settings = *snapshot.settings;
  const auto in = [](const std::vector<std::string>& lines, const std::string& line) {
    return std::find(lines.begin(), lines.end(), line) != lines.end();
  };
  for (const std::string& problem : snapshot.problems) {
    if (!in(settings.unenforced, problem) && !in(settings.left_out, problem)) {
      base::log(LogLevel::Warning, "{}", problem);
    }
  }
}

/// Reads files and the database and makes tables away from the I/O thread: its calls go on meanwhile.
template <class T>
struct Elsewhere {
  Process& process;
  T (Process::*work)();
  net::IoThread& thread;
  T result = {};

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    net::run_blocking([this, waiter] {
      result = (process.*work)();
      thread.post([waiter] { waiter.resume(); });
    });
  }
  T await_resume() { return std::move(result); }
};

template <class T>
Task<T> elsewhere(Process& process, T (Process::*work)(), net::IoThread& thread) {
  Elsewhere<T> place{process, work, thread};
  co_return co_await place;
}

/// Stored fallbacks that lead nowhere: their models may have left the configuration since.
void log_fallbacks(const pipeline::Snapshot& snapshot, const std::vector<router::StoredFallbacks>& stored) {
  router::GroupCache cache;
  for (const router::StoredFallbacks& own : stored) {
    std::vector<std::string> names = own.targets;
    if (!names.empty()) names.push_back(own.model);
    for (const std::string& name : names) {
      if (snapshot.routing->find_named(name, cache)) continue;
      base::log(LogLevel::Warning, "POST /fallback has set {} fallbacks of {}, but nobody serves {} now",
                router::name_of(own.list), own.model, name);
    }
  }
  if (!stored.empty()) {
    base::log(LogLevel::Info,
              "Lists of fallbacks set by POST /fallback, which stand in the place of the configuration's: {}",
              stored.size());
  }
}

}  // namespace

Process::~Process() {
  if (access_log_) finish();
}

Result<config::SettingsRef> Process::load_settings(bool reload) {
  if (trial_.settings) return trial_.settings;
  config::Loaded loaded;
  if (!options_.config.empty()) {
    loaded = config::load(load_options(reload));
  } else if (!options_.single.model.empty()) {
    loaded = config::load_text(config_text(options_.single), load_options(reload));
  } else {
    const config::Environment environment = config::process_environment();
    loaded = config::settings_from_environment(provider_keys(environment), environment);
    if (loaded.settings && loaded.settings->models.empty()) {
      loaded.diagnostics.assign(
          1,
          {config::Severity::Warning,
           {},
           0,
           {},
           "there is no config file and no provider key in the environment, so no model is served: set OPENAI_API_KEY "
           "(turnpike providers lists the variables), or write a file with turnpike init and name it with --config"});
    }
  }
  if (!loaded.settings) {
    if (reload) log_diagnostics(loaded.diagnostics);
    return base::fail(ErrorKind::InvalidRequest, errors_of(loaded.diagnostics));
  }
  document_ = loaded.document;
  // What stands in the database is read next, and what is found in both told then.
  if (!loaded.settings->general.store_model_in_db) log_diagnostics(loaded.diagnostics);
  return loaded.settings;
}

Status Process::open_stores(const config::Settings& settings) {
  Result<DataDir> directory = DataDir::open(options_.data_dir.empty() ? settings.turnpike.data_dir : options_.data_dir);
  if (!directory) return base::fail(std::move(directory.error()));
  data_dir_ = std::make_unique<DataDir>(std::move(*directory));

  // A gateway on trial touches nothing outside of its own directory.
  Result<std::unique_ptr<db::Database>> database =
      open_database(trial_.settings ? config::GeneralSettings() : settings.general, data_dir_->path());
  if (!database) return base::fail(std::move(database.error()));
  database_ = std::move(*database);

  const config::TurnpikeSettings& ours = settings.turnpike;
  ledger::LedgerOptions ledger_options;
  ledger_options.journal_dir = ours.journal_dir.empty() ? data_dir_->path() + "/journal" : ours.journal_dir;
  ledger_options.journal_off = options_.no_journal;
  ledger_options.segment_bytes = ours.journal_segment_bytes;
  ledger_options.sync_interval = ours.journal_sync_interval;
  ledger_options.ship_interval = ours.ledger_ship_interval;
  ledger_options.keep = ours.journal_keep;
  ledger_options.serve_when_full = ours.journal_full_policy == config::JournalFullPolicy::Serve;
  ledger_options.ship_batch_rows = static_cast<std::size_t>(ours.ship_batch_rows);
  ledger_options.durability =
      ours.ledger_durability == config::LedgerDurability::Disk ? ledger::Durability::Disk : ledger::Durability::Process;
  ledger_options.strict = ours.budget_mode == config::BudgetMode::Strict;
  ledger_options.database_may_be_away = ledger_options.is_shared = database_->is_shared();
  ledger_options.lease = lease_terms(ours);
  ledger_options.lease_dead_after = ours.lease_dead_after;
  ledger_options.budget_away = budget_away(ours.budget_database_down);
  ledger_options.alert = [this](const ledger::BudgetAlert& alert) { tell_alert(alert); };
  ledger_options.rejected = [this](const ledger::RejectedEntries& rejected) { tell_rejected(rejected); };
  ledger_options.host = host_name();
  ledger_options.version = TURNPIKE_VERSION;
  Result<std::unique_ptr<ledger::Ledger>> ledger = ledger::Ledger::open(std::move(ledger_options), *database_);
  if (!ledger) return base::fail(std::move(ledger.error()));
  ledger_ = std::move(*ledger);
  return {};
}

/// Also where none are kept any more: those of before have their time.
void Process::open_prompts() {
  const config::Settings& settings = *snapshot_->settings;
  prompt::PromptStore::Options options;
  options.string_bytes_max = static_cast<std::size_t>(settings.general.prompt_string_bytes_max);
  options.keep_days = settings.turnpike.prompt_retention_days;
  prompts_ = std::make_unique<prompt::PromptStore>(*database_, options);
}

void Process::make_workers() {
  gateway_.threads = threads_.get();
  gateway_.idempotency = std::make_shared<pipeline::Idempotency>(*threads_->all().front());
  gateway_.database = database_.get();
  gateway_.keys = keys_.get();
  gateway_.ledger = ledger_.get();
  gateway_.prompts = prompts_.get();
  gateway_.metrics = metrics_.get();
  gateway_.access_log = access_log_.get();
  gateway_.events = events_.get();
  for (net::IoThread* thread : threads_->all()) {
    auto worker = std::make_unique<pipeline::Worker>();
    worker->thread = thread;
    worker->index = thread->index();
    worker->snapshot = snapshot_;
    worker->client = http::Client::make(*thread, {});
    account::Authenticator::Limits limits;
    limits.known_bytes_max = std::min(limits.known_bytes_max, kKnownKeysBytesMax / threads_->all().size());
    worker->authenticator = std::make_unique<account::Authenticator>(
        *database_, auth_settings(*snapshot_->settings, feed_), limits,
        [this](const domain::Caller& caller) { learn_terms(*ledger_, caller); });
    worker->authenticator->take_tokens(
        token_callers(*thread, *snapshot_, token_keys(snapshot_->settings->general.jwt),
                      [this](const domain::Caller& caller) { learn_terms(*ledger_, caller); }));
    worker->authenticator->spenders().take_defaults(snapshot_->settings->litellm.budgets,
                                                    api::budget_calendar(*snapshot_->settings));
    gateway_.workers.push_back(std::move(worker));
  }
}

Status Process::start() {
  Result<config::SettingsRef> settings = load_settings(false);
  if (!settings) {
    settings.error().message += remedy(options_.config);
    return base::fail(std::move(settings.error()));
  }
  Result<std::string> host = choose_host(options_, **settings);
  if (!host) return base::fail(std::move(host.error()));
  host_ = *host;
  for (const std::string& flag : options_.ignored)
    base::log(LogLevel::Info, "{} is LiteLLM's and has no meaning here", flag);
  if (!options_.config.empty() && !options_.single.model.empty())
    base::log(LogLevel::Warning, "--model and the flags that go with it have no effect beside --config");
  for (const auto& [name, value] : (*settings)->environment_variables)
    ::setenv(name.c_str(), value.reveal().c_str(), 1);
  const char* const prefix = std::getenv("SERVER_ROOT_PATH");
  Result<std::string> root_path = api::clean_root_path(prefix == nullptr ? "" : prefix);
  if (!root_path) return base::fail(std::move(root_path.error()));
  if (Status opened = open_stores(**settings); !opened) return opened;
  if (options_.migrate_only) {
    if (!database_->reachable()) {
      return base::fail(ErrorKind::Unavailable, "The database cannot be reached, so nothing was migrated.");
    }
    if (database_->is_shared()) {
      base::log(LogLevel::Info, "The PostgreSQL database is up to date.");
    } else {
      base::log(LogLevel::Info, "The database in {} is up to date.", data_dir_->path());
    }
    return {};
  }

  threads_ = net::IoThreads::start(options_.io_threads);
  const std::size_t thread_count = threads_->all().size();
  keys_ = std::make_unique<account::KeyStore>(*database_,
                                              [this](const std::string& hash) { take_changes({{0, "key", hash}}); });
  telemetry::Metrics::Options metric_options;
  metric_options.threads = thread_count;
  metrics_ = telemetry::Metrics::make(metric_options);
  telemetry::AccessLog::Options log_options;
  log_options.threads = thread_count;
  log_options.enabled = options_.access_log;
  access_log_ = telemetry::AccessLog::start(log_options);
  telemetry::Events::Options event_options;
  event_options.threads = thread_count;
  event_options.alerts = (*settings)->general.alerts;
  events_ = telemetry::Events::start(event_options);
  alerted_ = events_.get();

  Result<std::shared_ptr<const price::Catalogue>> prices = load_catalogue(*threads_->all().front());
  if (!prices) {
    base::log(LogLevel::Warning, "{}; the compiled-in price table is in force.", prices.error().message);
    prices = price::Catalogue::built_in();
  }
  settings = beside_stored(std::move(*settings));
  if (!settings) return base::fail(std::move(settings.error()));
  snapshot_ = make_snapshot(*settings, *prices, nullptr, trial_.redirect);
  files_stamp_ = files_stamp(**settings);
  log_problems(*snapshot_);
  Result<std::vector<router::StoredFallbacks>> stored = router::read_stored_fallbacks(*database_);
  if (stored) {
    fallbacks_ = std::move(*stored);
  } else if (stored.error().kind != ErrorKind::Unavailable) {
    return base::fail(std::move(stored.error()));  // Else the change feed has them read when the database is there.
  }
  snapshot_ = with_fallbacks(*snapshot_, fallbacks_);
  log_fallbacks(*snapshot_, fallbacks_);
  open_budgets();
  open_prompts();
  make_workers();
  limits_ =
      std::make_unique<Limits>(gateway_, **settings, trial_.settings ? config::RedisSettings() : (*settings)->redis);
  probes_ = std::make_unique<pipeline::Probes>(gateway_);
  gateway_.probes = probes_.get();
  hang_watch_ = std::make_unique<pipeline::HangWatch>(gateway_);
  follow_changes();
  look_after_keys();
  look_after_entries();
  register_metrics();
  know_models();

  api::Hooks hooks;
  hooks.version = TURNPIKE_VERSION;
  hooks.root_path = std::move(*root_path);
  hooks.reload = [this](net::IoThread& thread) { return elsewhere(*this, &Process::reload, thread); };
  hooks.fallbacks_changed = [this](net::IoThread& thread) {
    return elsewhere(*this, &Process::read_fallbacks, thread);
  };
  hooks.stored_changed = [this](net::IoThread& thread) { return elsewhere(*this, &Process::read_stored, thread); };
  hooks.check_stored = [this](config::Stored stored) { return check_stored(std::move(stored)); };
  http::Server::Options server_options;
  server_options.host = host_;
  server_options.port = options_.port;
  if (options_.keepalive_seconds)
    server_options.limits.keepalive_timeout = std::chrono::seconds(*options_.keepalive_seconds);
  server_options.limits.body_bytes_max = body_bytes_max(**settings);
  Result<std::unique_ptr<http::Server>> server = http::Server::listen(
      *threads_, std::move(server_options), api::make_handler(gateway_, std::move(hooks)), &api::error_body);
  if (!server) return base::fail(std::move(server.error()));
  server_ = std::move(*server);
  probes_->start();
  base::log(LogLevel::Info, "turnpike {} on {}: {} deployments in {} groups, prices {}, {} I/O threads, data in {}",
            TURNPIKE_VERSION, address(), (*settings)->models.size(), snapshot_->routing->groups().size(),
            snapshot_->prices->version(), thread_count, data_dir_->path());
  return {};
}

std::string Process::address() const {
  const std::string shown = host_ == "0.0.0.0" || host_ == "::" ? "127.0.0.1" : host_;
  return "http://" + shown + ":" + std::to_string(server_ ? server_->port() : options_.port);
}

void Process::publish(const pipeline::SnapshotRef& snapshot) {
  events_->set_alerts(snapshot->settings->general.alerts);
  threads_->publish([this, snapshot, keys = token_keys(snapshot->settings->general.jwt)](net::IoThread& thread) {
    pipeline::Worker& worker = gateway_.worker_of(thread);
    worker.snapshot = snapshot;
    worker.groups.groups.clear();
    Limits::settings_changed(worker, *snapshot->settings);
    worker.authenticator->replace_settings(auth_settings(*snapshot->settings, feed_));
    worker.authenticator->spenders().take_defaults(snapshot->settings->litellm.budgets,
                                                   api::budget_calendar(*snapshot->settings));
    worker.authenticator->take_tokens(token_callers(
        thread, *snapshot, keys, [this](const domain::Caller& caller) { learn_terms(*ledger_, caller); }));
  });
}

Result<std::string> Process::reload() {
  // Before the lock: a URL is fetched on an I/O thread, which may be asked for metrics meanwhile.
  Result<std::shared_ptr<const price::Catalogue>> prices = load_catalogue(*threads_->all().front());
  const std::lock_guard lock(reload_mutex_);
  const std::shared_ptr<const config::Document> document = document_;
  Result<config::SettingsRef> settings = load_settings(true);
  if (settings) settings = beside_stored(std::move(*settings));
  if (!settings) {
    document_ = document;
    files_stamp_ = files_stamp(*snapshot_->settings);
    base::log(LogLevel::Error, "The new configuration is refused, the old one stays in force.");
    return base::fail(std::move(settings.error()));
  }
  std::vector<std::string> changes = config::diff(*snapshot_->settings, **settings);
  if (!prices) {
    base::log(LogLevel::Warning, "{}; the price table in force stays.", prices.error().message);
    prices = snapshot_->prices;
  }
  if ((*prices)->version() != snapshot_->prices->version()) {
    changes.push_back("prices: " + std::string(snapshot_->prices->version()) + " -> " +
                      std::string((*prices)->version()));
  }
  snapshot_ = with_fallbacks(*make_snapshot(*settings, *prices, snapshot_.get()), fallbacks_);
  open_budgets();
  know_models();
  files_stamp_ = files_stamp(**settings);
  publish(snapshot_);
  if (server_) server_->set_body_bytes_max(body_bytes_max(**settings));
  std::string report;
  for (const std::string& change : changes) report += change + "\n";
  if (report.empty()) report = "nothing changed\n";
  base::log(LogLevel::Info, "Configuration reloaded (generation {}): {} changes", snapshot_->generation,
            changes.size());
  for (const std::string& change : changes) base::log(LogLevel::Info, "  {}", change);
  log_problems(*snapshot_);
  log_fallbacks(*snapshot_, fallbacks_);
  return report;
}

/// What the shipper tells of is an event; before these are there, at start, a line of the log alone.
void Process::tell(telemetry::Event event) {
  event.at_us = base::unix_now_us();
  if (telemetry::Events* const events = alerted_.load())
    events->raise(std::move(event));
  else
    base::log(LogLevel::Warning, "{}: {}", telemetry::event_kind_name(event.kind), event.text);
}

void Process::tell_alert(const ledger::BudgetAlert& alert) {
  telemetry::Event event;
  event.kind = telemetry::EventKind::Budget;
  event.level = alert.threshold == ledger::BudgetAlert::Threshold::All ? telemetry::EventLevel::High
                                                                       : telemetry::EventLevel::Medium;
  event.text = ledger::alert_text(alert);
  event.value = static_cast<double>(alert.spent.nano()) / (domain::counts_tokens(alert.kind) ? 1.0 : 1e9);
  tell(std::move(event));
}

void Process::tell_rejected(const ledger::RejectedEntries& rejected) {
  telemetry::Event event;
  event.kind = telemetry::EventKind::FailedTracking;
  event.level = telemetry::EventLevel::High;
  event.text = ledger::rejection_text(rejected);
  event.value = static_cast<double>(rejected.count);
  tell(std::move(event));
}

/// Accounts of the configuration's budgets, into the snapshot. While the database is away those of before are in force.
void Process::open_budgets() {
  const config::Settings& settings = *snapshot_->settings;
  account::ConfigBudgets budgets{settings.litellm.budgets, {}, api::budget_calendar(settings)};
  for (const config::ModelEntry& entry : settings.models) {
    if (entry.budget) budgets.deployments.emplace(entry.id, *entry.budget);
  }
  std::vector<account::AccountNews> news;
  Result<account::ConfigAccountsRef> accounts =
      account::open_config_accounts(*database_, budgets, base::unix_now_us(), news);
  if (!accounts)
    base::log(LogLevel::Warning, "Budgets of the configuration cannot be opened: {}", accounts.error().message);
  auto snapshot = std::make_shared<pipeline::Snapshot>(*snapshot_);
  if (accounts) snapshot->accounts = std::move(*accounts);
  if (const account::ConfigAccounts* opened = snapshot->accounts.get()) {
    const auto read = [this](const account::BudgetAccounts& accounts_of) {
      ledger_->account_read(accounts_of.money);
      if (accounts_of.tokens) ledger_->account_read(*accounts_of.tokens);
    };
    if (opened->proxy) read(*opened->proxy);
    for (const auto* named : {&opened->providers, &opened->deployments}) {
      for (const auto& [name, accounts_of] : *named) read(accounts_of);
    }
  }
  snapshot_ = std::move(snapshot);
  api::tell_ledger(*ledger_, news);
}

/// Those that could not be opened at the start.
void Process::open_missing_budgets() {
  const std::lock_guard lock(reload_mutex_);
  if (snapshot_->accounts) return;
  open_budgets();
  if (snapshot_->accounts) publish(snapshot_);
}

Status Process::read_fallbacks() {
  const std::lock_guard lock(reload_mutex_);
  Result<std::vector<router::StoredFallbacks>> stored = router::read_stored_fallbacks(*database_);
  if (!stored) return base::fail(std::move(stored.error()));
  fallbacks_ = std::move(*stored);
  snapshot_ = with_fallbacks(*snapshot_, fallbacks_);
  publish(snapshot_);
  return {};
}

std::string Process::files_stamp(const config::Settings& settings) const {
  std::string stamp;
  for (const std::string& file : settings.files) {
    struct stat facts{};
    if (::stat(file.c_str(), &facts) != 0) continue;
    stamp += file + ":" + std::to_string(facts.st_ino) + ":" + std::to_string(facts.st_size) + ":" +
             std::to_string(facts.st_mtim.tv_sec) + "." + std::to_string(facts.st_mtim.tv_nsec) + ";";
  }
  return stamp;
}

bool Process::files_changed() {
  const std::lock_guard lock(reload_mutex_);
  return !options_.config.empty() && files_stamp(*snapshot_->settings) != files_stamp_;
}

void Process::begin_drain() {
  gateway_.draining.store(true);
  server_->begin_drain(last_request_grace());
}

void Process::stop_listening() {
  server_->stop_listening();
  pipeline::end_own_calls(gateway_);
  probes_->stop();
}

std::uint64_t Process::connections_open() const {
  return server_->counters().connections_open.load();
}

void Process::abort_calls() {
  server_->interrupt_all();
  pipeline::end_own_calls(gateway_);
  pipeline::end_drains(gateway_);
}

void Process::finish() {
  constexpr std::chrono::seconds kShipPatience{30};
  if (probes_) probes_->stop();
  hang_watch_.reset();
  std::unique_ptr<http::Server> server;
  {
    const std::lock_guard lock(reload_mutex_);  // A reload may be under way.
    server = std::move(server_);
  }
  server.reset();
  if (limits_) limits_->stop();
  key_life_.reset();
  retention_.reset();
  feed_.reset();  // Calls ask how old its news is.
  if (ledger_) ledger_->close(kShipPatience);
  access_log_.reset();
}

std::chrono::milliseconds Process::shutdown_grace() const {
  return snapshot_->settings->turnpike.shutdown_grace;
}
std::chrono::milliseconds Process::last_request_grace() const {
  return std::min<std::chrono::milliseconds>(shutdown_grace(), std::chrono::seconds(1));
}
std::chrono::milliseconds Process::termination_grace() const {
  return snapshot_->settings->turnpike.termination_grace;
}

}  // namespace turnpike::app
