#include "app/version.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

#include <boost/version.hpp>
#include <string>

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
  for (const provider::Provider& row : provider::catalogue()) {
    std::string keys;
    for (const std::string_view variable : row.key_variables)
      keys += (keys.empty() ? "" : ", ") + std::string(variable);
    fmt::print("{:<24} {:<14} {:<60} {}\n", row.name,
               row.shape == provider::Shape::OpenAi ? "served" : "not served yet",
               row.base_url.empty() ? "(api_base needed)" : row.base_url, keys);
  }
  return 0;
}

}  // namespace turnpike::app
