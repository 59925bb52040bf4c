#include "app/version.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

#include <boost/version.hpp>
#include <span>
#include <string>

#include "app/snapshot.h"
#include "config/settings.h"
#include "ledger/catalogue.h"
#include "provider/provider.h"

namespace turnpike::app {

namespace {

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text.empty() ? "-" : text;
}

}  // namespace

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
  constexpr const char* kRow = "{:<24} {:<14} {:<66} {:<12} {}\n";
  fmt::print(kRow, "PROVIDER", "", "ADDRESS", "KEY", "VARIABLES OF THE KEY; OF THE ADDRESS");
  for (const provider::Provider& row : provider::catalogue()) {
    const bool served = row.shape == provider::Shape::OpenAi;
    const std::string_view address = !served ? "-" : row.base_url.empty() ? "api_base of your own" : row.base_url;
    const std::string_view key = !served ? "-" : row.self_hosted ? "if wanted" : "needed";
    fmt::print(kRow, row.name, served ? "served" : "not served yet", address, key,
               joined(row.key_variables) + "; " + joined(row.base_url_variables));
  }
  return 0;
}

int print_found_providers() {
  const std::vector<config::FoundKey> found = config::found_keys(provider_keys(), config::process_environment());
  for (const config::FoundKey& key : found) fmt::print("{} {}\n", key.provider, key.variable);
  return 0;
}

}  // namespace turnpike::app
