#include <fmt/format.h>

#include "base/text.h"
#include "config/readers.h"

namespace turnpike::config {
namespace {

std::optional<std::string> variable(const Reading& reading, const char* name) {
  auto value = reading.document.environment(name);
  if (value && value->empty()) return std::nullopt;
  return value;
}

/// Text as a part of a URL: whatever is not plainly a letter, a digit or one of "-._~" as %XX.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char byte : text) {
    const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                       std::string_view("-._~").find(byte) != std::string_view::npos;
    out += plain ? std::string(1, byte) : fmt::format("%{:02X}", static_cast<unsigned char>(byte));
  }
  return out;
}

/// DATABASE_URL, or what LiteLLM makes of DATABASE_HOST and its companions.
std::string url_of_variables(const Reading& reading) {
  if (const auto url = variable(reading, "DATABASE_URL"); url) return *url;
  const auto host = variable(reading, "DATABASE_HOST");
  auto user = variable(reading, "DATABASE_USERNAME");
  if (!user) user = variable(reading, "DATABASE_USER");
  const auto name = variable(reading, "DATABASE_NAME");
  if (!host || !user || !name) return {};
  std::string url = "postgresql://" + escaped(*user);
  if (const auto password = variable(reading, "DATABASE_PASSWORD")) url += ":" + escaped(*password);
  url += "@" + *host;
  if (const auto port = variable(reading, "DATABASE_PORT")) url += ":" + *port;
  url += "/" + escaped(*name);
  if (const auto schema = variable(reading, "DATABASE_SCHEMA")) url += "?schema=" + escaped(*schema);
  return url;
}

}  // namespace

void read_database(Reading& reading, GeneralSettings& settings) {
  const Node& section = reading.section("general_settings");
  const Node* const written = section.find("database_url");
  const std::string url = take(section, "database_url", &Node::as_text).value_or(url_of_variables(reading));
  settings.database_url = base::Secret(url);
  if (!url.empty() && !url.starts_with("postgresql://") && !url.starts_with("postgres://")) {
    constexpr std::string_view kRemedy =
        "is no URL of PostgreSQL; write postgresql://user:password@host:5432/database, or remove it to use the "
        "embedded SQLite";
    reading.diagnostics.push_back(written != nullptr
                                      ? written->error(std::string(kRemedy))
                                      : Diagnostic{Severity::Error, {}, 0, "DATABASE_URL", std::string(kRemedy)});
  }
  if (const auto limit = take_count(reading, section, "database_connection_pool_limit")) {
    if (*limit < 1 || *limit > 1000) {
      reading.diagnostics.push_back(
          section.find("database_connection_pool_limit")->error("must lie between 1 and 1000"));
    } else {
      settings.database_connection_pool_limit = *limit;
    }
  }
  take_into(settings.database_connection_timeout, section, "database_connection_pool_timeout", &Node::as_time);
  take_into(settings.database_connection_timeout, section, "database_connection_timeout", &Node::as_time);
  take_into(settings.allow_requests_on_db_unavailable, section, "allow_requests_on_db_unavailable", &Node::as_bool);

  const Node* const listen = reading.section("turnpike").find("database_listen");
  if (listen == nullptr) return;
  const std::string word = base::to_lower(listen->scalar());
  settings.database_listen = word == "auto";
  if (word != "auto" && word != "off" && word != "false") {
    reading.diagnostics.push_back(listen->error("write auto or off"));
  }
}

}  // namespace turnpike::config
