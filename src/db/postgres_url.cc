#include "db/postgres_url.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "db/database.h"

namespace turnpike::db {
namespace {

constexpr std::string_view kPrismaOnly[] = {"connection_limit",     "pool_timeout", "socket_timeout",
                                            "statement_cache_size", "sslaccept",    "sslidentity",
                                            "sslpassword"};

tl::unexpected<Error> malformed(std::string_view why) {
  return base::fail(ErrorKind::InvalidRequest,
                    fmt::format("{}; write postgresql://user:password@host:5432/database, with %XX for what is special "
                                "in user and password",
                                why));
}

/// Leaves libpq's parameters in the URL and takes out the others.
std::string without_foreign_words(std::string_view url, PostgresUrl& read) {
  const std::size_t mark = url.find('?');
  std::string text(url.substr(0, mark));
  if (mark == std::string_view::npos) return text;
  char separator = '?';
  for (const std::string_view word : base::split(url.substr(mark + 1), '&')) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
    if (name == "pgbouncer") {
      read.pooler = value == "true";
    } else if (name == "schema") {
      if (value != "public") read.words.emplace_back("options", fmt::format("-csearch_path={}", value));
    } else if (std::ranges::find(kPrismaOnly, name) == std::end(kPrismaOnly) && !word.empty()) {
      text += separator;
      text += word;
      separator = '&';
    }
  }
  return text;
}

std::string find_word(const PostgresUrl& url, std::string_view name, std::string otherwise) {
  for (const auto& [key, value] : url.words) {
    if (key == name) return value;
  }
  return otherwise;
}

}  // namespace

bool is_postgres_url(std::string_view url) {
  return url.starts_with("postgres://") || url.starts_with("postgresql://");
}

Status check_postgres_url(std::string_view url) {
  const Result<PostgresUrl> read = read_postgres_url(url);
  return read ? Status() : base::fail(read.error());
}

Result<PostgresUrl> read_postgres_url(std::string_view url) {
  if (!is_postgres_url(url)) return malformed("the URL of the database does not begin with postgresql://");
  PostgresUrl read;
  const std::string text = without_foreign_words(url, read);
  char* problem = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> options(PQconninfoParse(text.c_str(), &problem),
                                                                             &PQconninfoFree);
  if (problem != nullptr) PQfreemem(problem);
  if (!options) return malformed("the URL of the database cannot be read");
  for (const PQconninfoOption* option = options.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr && *option->val != '\0') read.words.emplace_back(option->keyword, option->val);
  }
  const std::string port = find_word(read, "port", "5432");
  if (port.find_first_not_of("0123456789,") != std::string::npos)
    return malformed("the port of the database is no number");
  read.shown = fmt::format("{}:{}/{}", find_word(read, "host", "(socket)"), port, find_word(read, "dbname", ""));
  return read;
}

}  // namespace turnpike::db
