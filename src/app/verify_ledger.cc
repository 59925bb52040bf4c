#include "app/verify_ledger.h"

#include <fmt/core.h>

#include <filesystem>

#include "app/data_dir.h"
#include "app/open_database.h"
#include "db/database.h"
#include "ledger/verify.h"

namespace turnpike::app {
namespace {

Result<std::unique_ptr<db::Database>> open_to_read(const std::string& url, const std::string& directory) {
  if (!url.empty()) {
    config::GeneralSettings settings;
    settings.database_url = base::Secret(url);
    settings.database_listen = false;
    return open_database(settings, directory);
  }
  const std::string path = directory + "/turnpike.db";
  if (!std::filesystem::exists(path)) {
    return base::fail(
        ErrorKind::NotFound,
        fmt::format("There is no ledger at {}. Name its directory: turnpike ledger verify --data_dir DIR, "
                    "or its PostgreSQL: --database_url URL",
                    path));
  }
  return db::open_sqlite_to_read(path);
}

}  // namespace

int verify_ledger(const Options& options) {
  const Result<std::string> directory = DataDir::find(options.data_dir);
  if (!directory) {
    fmt::print(stderr, "{}\n", directory.error().message);
    return 2;
  }
  Result<std::unique_ptr<db::Database>> database = open_to_read(options.database_url, *directory);
  if (!database) {
    fmt::print(stderr, "{}\n", database.error().message);
    return 2;
  }
  const std::string journal = *directory + "/journal";
  const Result<std::vector<ledger::Check>> checks =
      ledger::verify_ledger(**database, std::filesystem::exists(journal) ? journal : "");
  if (!checks) {
    fmt::print(stderr, "{}\n", checks.error().message);
    return 2;
  }
  fmt::print("{}", ledger::format_checks(*checks));
  return std::all_of(checks->begin(), checks->end(), [](const ledger::Check& check) { return check.agrees; }) ? 0 : 1;
}

}  // namespace turnpike::app
