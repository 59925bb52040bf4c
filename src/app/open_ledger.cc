#include "app/open_ledger.h"

#include <fmt/format.h>

#include <filesystem>

#include "account/stored.h"
#include "app/data_dir.h"
#include "app/snapshot.h"
#include "config/document.h"
#include "provider/provider.h"

namespace turnpike::app {
namespace {

// Sums over a big day take longer than anything a gateway asks.
constexpr std::chrono::minutes kStatementTimeout{10};

config::LoadOptions load_options(const Options& options) {
  config::LoadOptions load;
  load.path = options.config;
  load.nobody_is_served = true;
  load.refusal = &deployment_refusal;
  load.built_in_provider = [](std::string_view name) { return provider::find_provider(name) != nullptr; };
  return load;
}

Result<config::Loaded> load_config(const Options& options) {
  config::Loaded loaded = config::load(load_options(options));
  if (loaded.settings) return loaded;
  std::string errors;
  for (const config::Diagnostic& diagnostic : loaded.diagnostics) {
    if (diagnostic.severity != config::Severity::Error) continue;
    errors += (errors.empty() ? "" : "\n") + config::format(diagnostic);
  }
  return base::fail(ErrorKind::InvalidRequest, errors);
}

Result<std::unique_ptr<db::Database>> open_postgres(const std::string& url) {
  db::PostgresOptions options;
  options.connections_max = 1;
  options.statement_timeout = kStatementTimeout;
  options.listen = false;
  Result<std::unique_ptr<db::Database>> database = db::open_postgres(url, options);
  if (!database) return database;
  if (Status opened = (*database)->opened(); !opened) return base::fail(std::move(opened.error()));
  return database;
}

Result<std::unique_ptr<db::Database>> open_database_at(const std::string& url, const std::string& directory,
                                                       LedgerAccess access) {
  if (!url.empty()) return open_postgres(url);
  const std::string path = directory + "/turnpike.db";
  if (!std::filesystem::exists(path)) {
    return base::fail(ErrorKind::NotFound,
                      fmt::format("There is no ledger at {}. Name its directory: --data_dir DIR, or "
                                  "its PostgreSQL: --database_url URL, or the gateway's --config",
                                  path));
  }
  return access == LedgerAccess::Read ? db::open_sqlite_to_read(path) : db::open_sqlite(path);
}

/// The same settings with the models that stand in the database.
Result<config::SettingsRef> with_stored(const config::Loaded& loaded, const Options& options, db::Database& database) {
  const account::Sealer sealer =
      account::make_sealer(config::process_environment()("LITELLM_SALT_KEY"), loaded.settings->general.master_key);
  const Result<account::StoredRows> rows = account::read_stored(database, sealer);
  if (!rows) return base::fail(rows.error());
  config::Loaded both = config::load_document(loaded.document, load_options(options), rows->stored);
  return both.settings ? both.settings : loaded.settings;
}

}  // namespace

Result<OpenLedger> open_ledger(const Options& options, LedgerAccess access) {
  OpenLedger ledger;
  std::string url = options.database_url;
  std::string wanted = options.data_dir;
  config::Loaded loaded;
  if (!options.config.empty()) {
    Result<config::Loaded> read = load_config(options);
    if (!read) return base::fail(read.error());
    loaded = std::move(*read);
    ledger.settings = loaded.settings;
    if (url.empty()) url = ledger.settings->general.database_url.reveal();
    if (wanted.empty()) wanted = ledger.settings->turnpike.data_dir;
  }
  Result<std::string> directory = DataDir::find(wanted);
  if (!directory) return base::fail(directory.error());
  if (ledger.settings) ledger.journal = ledger.settings->turnpike.journal_dir;
  if (ledger.journal.empty()) ledger.journal = *directory + "/journal";
  Result<std::unique_ptr<db::Database>> database = open_database_at(url, *directory, access);
  if (!database) return base::fail(database.error());
  ledger.database = std::move(*database);
  if (ledger.settings && ledger.settings->general.store_model_in_db && loaded.document) {
    Result<config::SettingsRef> settings = with_stored(loaded, options, *ledger.database);
    if (!settings) return base::fail(settings.error());
    ledger.settings = std::move(*settings);
  }
  return ledger;
}

}  // namespace turnpike::app
