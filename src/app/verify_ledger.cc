#include "app/verify_ledger.h"

#include <fmt/core.h>

#include <filesystem>

#include "app/open_ledger.h"
#include "ledger/verify.h"

namespace turnpike::app {

int verify_ledger(const Options& options) {
  const Result<OpenLedger> opened = open_ledger(options);
  if (!opened) {
    fmt::print(stderr, "turnpike ledger verify: {}\n", opened.error().message);
    return 2;
  }
  const std::string journal = opened->directory + "/journal";
  const Result<std::vector<ledger::Check>> checks =
      ledger::verify_ledger(*opened->database, std::filesystem::exists(journal) ? journal : "");
  if (!checks) {
    fmt::print(stderr, "{}\n", checks.error().message);
    return 2;
  }
  fmt::print("{}", ledger::format_checks(*checks));
  return std::all_of(checks->begin(), checks->end(), [](const ledger::Check& check) { return check.agrees; }) ? 0 : 1;
}

}  // namespace turnpike::app
