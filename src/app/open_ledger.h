#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "app/options.h"
#include "base/result.h"
#include "config/settings.h"
#include "db/database.h"

namespace turnpike::app {

/// The ledger of a gateway.
struct OpenLedger {
  std::string journal;           // The directory of the gateway's journal.
  config::SettingsRef settings;  // Of --config, with the models of the database; null without one.
  std::unique_ptr<db::Database> database;
};

/// SQLite is written by one process only: the gateway must not run then.
enum class LedgerAccess : std::uint8_t { Read, Write };

/// --database_url and --data_dir say where it is, else --config does, else it is where a gateway without one keeps it.
/// Errors: what is wrong and what to do.
Result<OpenLedger> open_ledger(const Options& options, LedgerAccess access = LedgerAccess::Read);

}  // namespace turnpike::app
