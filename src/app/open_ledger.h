#pragma once

#include <memory>
#include <string>

#include "app/options.h"
#include "base/result.h"
#include "config/settings.h"
#include "db/database.h"

namespace turnpike::app {

/// The ledger of a gateway, to be read beside it.
struct OpenLedger {
  std::string directory;         // The gateway's data directory.
  config::SettingsRef settings;  // Of --config, with the models of the database; null without one.
  std::unique_ptr<db::Database> database;
};

/// --database_url and --data_dir say where it is, else --config does, else it is where a gateway without one keeps it.
/// Errors: what is wrong and what to do.
Result<OpenLedger> open_ledger(const Options& options);

}  // namespace turnpike::app
