#include "app/open_database.h"

namespace turnpike::app {

Result<std::unique_ptr<db::Database>> open_database(const config::GeneralSettings& settings,
                                                    const std::string& data_dir) {
  if (settings.database_url.empty()) return db::open_sqlite(data_dir + "/turnpike.db");
  db::PostgresOptions options;
  options.connections_max = static_cast<std::size_t>(settings.database_connection_pool_limit);
  options.connect_timeout = settings.database_connection_timeout;
  options.listen = settings.database_listen;
  Result<std::unique_ptr<db::Database>> database = db::open_postgres(settings.database_url.reveal(), options);
  if (!database) return base::fail(std::move(database.error()));
  if (Status opened = (*database)->opened(); !opened) {
    Error error = std::move(opened.error());
    error.message = "the database cannot be used: " + error.message;
    if (!error.detail.empty()) error.message += " (" + error.detail + ")";
    return base::fail(std::move(error));
  }
  return database;
}

}  // namespace turnpike::app
