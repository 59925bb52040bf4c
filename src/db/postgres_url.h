#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace turnpike::db {

/// A `postgresql://` URL taken apart for libpq. Parameters that only Prisma knows (LiteLLM's URLs carry them) are
/// understood: `schema` becomes the search path, `pgbouncer` says that there is a pooler, the rest has no meaning here.
struct PostgresUrl {
  std::vector<std::pair<std::string, std::string>> words;  // Keywords and values; the password is among them.
  bool pooler = false;
  std::string shown;  // "host:5432/database": what people may see.
};

/// Errors: InvalidRequest; the message never repeats the URL, which may hold a password anywhere when it is malformed.
Result<PostgresUrl> read_postgres_url(std::string_view url);

}  // namespace turnpike::db
