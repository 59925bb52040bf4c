#pragma once

#include <memory>
#include <string>

#include "config/settings.h"
#include "db/database.h"

namespace turnpike::app {

/// The database the configuration names: PostgreSQL, else SQLite in `data_dir`. PostgreSQL may be away; what it says
/// for itself then is `reachable`.
/// Errors: what is wrong and what to do, with no secret in it; a migration that failed is one.
Result<std::unique_ptr<db::Database>> open_database(const config::GeneralSettings& settings,
                                                    const std::string& data_dir);

}  // namespace turnpike::app
