#include "app/version.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

#include <boost/version.hpp>
#include <string>

#include "app/snapshot.h"
#include "config/settings.h"
#include "ledger/catalogue.h"
#include "provider/provider.h"

namespace turnpike::app {

int print_version() {
  fmt::print("turnpike {}\n", TURNPIKE_VERSION);
  fmt::print("  prices   {}\n", ledger::Catalogue::built_in()->version());
  fmt::print("  compiler {}\n", __VERSION__);
  fmt::print("  boost    {}\n", BOOST_LIB_VERSION);
  fmt::print("  openssl  {}\n", OpenSSL_version(OPENSSL_VERSION_STRING));
  fmt::print("  sqlite   {}\n", sqlite3_libversion());
  return 0;
}

int print_providers() {
  constexpr const char* kRow = "{:<24} {:<14} {:<60} {}\n";
  fmt::print(kRow, "PROVIDER", "", "ADDRESS", "KEY VARIABLE");
  for (const provider::Provider& row : provider::catalogue()) {
    std::string keys;
    for (const std::string_view variable : row.key_variables)
      keys += (keys.empty() ? "" : ", ") + std::string(variable);
    const bool served = row.shape == provider::Shape::OpenAi;
    const std::string_view address = !served ? "-" : row.base_url.empty() ? "api_base of your own" : row.base_url;
    fmt::print(kRow, row.name, served ? "served" : "not served yet", address, keys);
  }
  return 0;
}

int print_found_providers() {
  const std::vector<config::FoundKey> found = config::found_keys(provider_keys(), config::process_environment());
  for (const config::FoundKey& key : found) fmt::print("{} {}\n", key.provider, key.variable);
  return 0;
}

}  // namespace turnpike::app
