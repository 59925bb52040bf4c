#include <algorithm>

#include "app/findings.h"
#include "app/process.h"
#include "base/log.h"
#include "config/document.h"
#include "provider/provider.h"

// What administrators keep in the database beside the configuration file: models and credentials.
namespace turnpike::app {
namespace {

/// The finding that is about this row, whatever its severity; null: none that keeps it from being served.
const config::Diagnostic* finding_of(const std::vector<config::Diagnostic>& diagnostics, const std::string& row) {
  const auto found = std::find_if(diagnostics.begin(), diagnostics.end(), [&](const config::Diagnostic& one) {
    return one.file == row && one.severity != config::Severity::Notice;
  });
  return found == diagnostics.end() ? nullptr : &*found;
}

/// "model_list[0].litellm_params.model" as the body of /model/new has it.
std::string in_body(std::string_view path) {
  constexpr std::string_view kRow = "model_list[0].";
  return std::string(path.starts_with(kRow) ? path.substr(kRow.size()) : path);
}

/// The finding as the answer to whoever wants to store the row.
std::string said_of(const config::Diagnostic& found, const std::string& param) {
  std::string text = param + ": " + found.text;
  constexpr std::string_view kLater = "; this deployment is left out";
  if (text.ends_with(kLater)) text.resize(text.size() - kLater.size());
  return text;
}

}  // namespace

config::LoadOptions Process::load_options(bool reload) const {
  config::LoadOptions load;
  load.path = options_.config.empty() ? "(command line)" : options_.config;
  load.allow_unenforced = options_.allow_unenforced;
  load.reload = reload;
  load.refusal = &deployment_refusal;
  load.built_in_provider = [](std::string_view name) { return provider::find_provider(name) != nullptr; };
  return load;
}

Result<config::SettingsRef> Process::beside_stored(config::SettingsRef of_file) {
  if (!document_ || !of_file->general.store_model_in_db) return of_file;
  const account::Sealer sealer =
      account::make_sealer(config::process_environment()("LITELLM_SALT_KEY"), of_file->general.master_key);
  Result<account::StoredRows> rows = account::read_stored(*database_, sealer);
  if (rows) {
    stored_ = std::move(*rows);
  } else {
    base::log(base::LogLevel::Warning, "Models of the database are as they were read last: {}", rows.error().message);
  }
  config::Loaded loaded = config::load_document(document_, load_options(false), stored_.stored);
  log_diagnostics(loaded.diagnostics);
  for (const std::string& line : stored_.broken) base::log(base::LogLevel::Warning, "{}", line);
  if (!loaded.settings) return base::fail(ErrorKind::InvalidRequest, errors_of(loaded.diagnostics));
  {
    const std::lock_guard lock(known_mutex_);
    known_document_ = document_;
    known_credentials_ = stored_.stored.credentials;
  }
  auto settings = std::make_shared<config::Settings>(*loaded.settings);
  settings->left_out.insert(settings->left_out.end(), stored_.broken.begin(), stored_.broken.end());
  // A configuration without a file of its own names none.
  settings->file = of_file->file;
  settings->files = of_file->files;
  return config::SettingsRef(std::move(settings));
}

Status Process::read_stored() {
  const std::lock_guard lock(reload_mutex_);
  if (!snapshot_->settings->general.store_model_in_db) return {};
  const std::string before = stored_.fingerprint;
  Result<config::SettingsRef> settings = beside_stored(snapshot_->settings);
  if (!settings) return base::fail(std::move(settings.error()));
  if (stored_.fingerprint == before) return {};
  const std::vector<std::string> changes = config::diff(*snapshot_->settings, **settings);
  snapshot_ = with_fallbacks(*make_snapshot(*settings, snapshot_->prices, snapshot_.get()), fallbacks_);
  open_budgets();
  know_models();
  publish(snapshot_);
  for (const std::string& change : changes) base::log(base::LogLevel::Info, "stored in the database: {}", change);
  return {};
}

Status Process::check_stored(config::Stored stored) {
  std::shared_ptr<const config::Document> document;
  std::vector<std::string> rows;
  for (const config::Node& model : stored.models) rows.push_back(model.file());
  {
    const std::lock_guard lock(known_mutex_);
    document = known_document_;
    // A model may name a credential of the database.
    stored.credentials.insert(stored.credentials.end(), known_credentials_.begin(), known_credentials_.end());
  }
  if (!document) return base::fail(ErrorKind::Unavailable, "This gateway keeps no models.");
  const config::Loaded loaded = config::load_document(document, load_options(false), stored);
  for (const std::string& row : rows) {
    const bool served = loaded.settings && std::any_of(loaded.settings->models.begin(), loaded.settings->models.end(),
                                                       [&](const config::ModelEntry& one) { return one.file == row; });
    if (served) continue;
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    const config::Diagnostic* found = finding_of(loaded.diagnostics, row);
    error.param = found == nullptr ? "litellm_params" : in_body(found->path);
    error.message = found == nullptr ? "The model cannot be served as it is." : said_of(*found, error.param);
    return base::fail(std::move(error));
  }
  return {};
}

}  // namespace turnpike::app
