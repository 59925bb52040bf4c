#include "app/version.h"

#include <fmt/core.h>
#include <openssl/crypto.h>
#include <sqlite3.h>

#include <boost/version.hpp>
#include <span>
#include <string>

#include "app/snapshot.h"
#include "config/settings.h"
#include "price/catalogue.h"
#include "provider/provider.h"

namespace turnpike::app {

namespace {

std::string joined(std::span<const std::string_view> names) {
  std::string text;
  for (const std::string_view name : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text.empty() ? "-" : text;
}

std::string_view tested_name(provider::Tested tested) {
  switch (tested) {
    case provider::Tested::ShapeOnly:
      return "shape only";
    case provider::Tested::Differences:
      return "differences";
    case provider::Tested::Complete:
      return "complete";
  }
  return "";
}

}  // namespace

int print_version() {
  fmt::print("turnpike {}\n", TURNPIKE_VERSION);
  fmt::print("  prices   {}\n", price::Catalogue::built_in()->version());
  fmt::print("  compiler {}\n", __VERSION__);
  fmt::print("  boost    {}\n", BOOST_LIB_VERSION);
  fmt::print("  openssl  {}\n", OpenSSL_version(OPENSSL_VERSION_STRING));
  fmt::print("  sqlite   {}\n", sqlite3_libversion());
  return 0;
}

int print_providers() {
  constexpr const char* kRow = "{:<24} {:<12} {:<66} {:<58} {}\n";
  std::size_t usable = 0;
  fmt::print(kRow, "PROVIDER", "TESTED", "ADDRESS", "SERVES", "VARIABLES OF THE KEY; OF THE ADDRESS");
  for (const provider::Provider& row : provider::catalogue()) {
    const bool served = row.shape != provider::Shape::Other;
    const bool fixed = !row.base_url.empty() && row.base_url.find('{') == std::string_view::npos;
    if (served && fixed && !row.self_hosted) ++usable;
    const std::string_view address = !served ? "-" : row.base_url.empty() ? "your own" : row.base_url;
    fmt::print(kRow, row.name, served ? tested_name(row.tested) : "not served", address, served ? row.serves : "-",
               joined(row.key_variables) + "; " + joined(row.base_url_variables));
  }
  fmt::print(
      "\n{} providers need nothing but a key. complete: every case of test/wire/chat; differences: where it differs "
      "from\n"
      "its dialect; shape only: its dialect is tested, the provider itself is not.\n",
      usable);
  return 0;
}

int print_found_providers() {
  const config::Environment environment = config::process_environment();
  for (const config::FoundKey& key : config::found_keys(provider_keys(environment), environment)) {
    fmt::print("{} {} {}\n", key.provider, key.variable, key.api_key);
  }
  return 0;
}

}  // namespace turnpike::app
