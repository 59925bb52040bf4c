#include "db/migrations.h"

#include <fmt/format.h>

#include <set>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "db/migration_texts.h"

namespace turnpike::db {
namespace {

// Amounts are nanodollars, times unix microseconds, days unix days (UTC) of `started_us`. Lists are JSON text.
constexpr std::string_view kFirst = R"sql(
CREATE TABLE replica (
  replica_no BIGINT NOT NULL PRIMARY KEY,
  journal_id TEXT NOT NULL UNIQUE,
  host TEXT NOT NULL DEFAULT '',
  version TEXT NOT NULL DEFAULT '',
  instance TEXT NOT NULL DEFAULT '',
  epoch BIGINT NOT NULL DEFAULT 0,
  shipped_no BIGINT NOT NULL DEFAULT 0,
  heartbeat_us BIGINT NOT NULL DEFAULT 0,
  state SMALLINT NOT NULL DEFAULT 0
);
INSERT INTO replica (replica_no, journal_id) VALUES (0, 'database');

CREATE TABLE account (
  account_id BIGINT NOT NULL PRIMARY KEY,
  kind SMALLINT NOT NULL,
  entity TEXT NOT NULL,
  model TEXT NOT NULL DEFAULT '',
  limit_nano BIGINT,
  window_id BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 0,
  closed_us BIGINT,
  UNIQUE (kind, entity, model)
);

CREATE TABLE account_window (
  account_id BIGINT NOT NULL,
  window_id BIGINT NOT NULL,
  spent_nano BIGINT NOT NULL DEFAULT 0,
  calls BIGINT NOT NULL DEFAULT 0,
  dropped_nano BIGINT NOT NULL DEFAULT 0,
  dropped_calls BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (account_id, window_id)
) /*sqlite: WITHOUT ROWID */;

CREATE TABLE entry (
  day INTEGER NOT NULL,
  replica_no BIGINT NOT NULL,
  entry_no BIGINT NOT NULL,
  kind SMALLINT NOT NULL,
  record_id TEXT,
  call_id TEXT,
  provider_request_id TEXT,
  trace_id TEXT,
  started_us BIGINT NOT NULL,
  first_byte_us BIGINT,
  ended_us BIGINT NOT NULL,
  upstream_us BIGINT NOT NULL DEFAULT 0,
  status SMALLINT NOT NULL,
  http_status INTEGER NOT NULL DEFAULT 0,
  marks BIGINT NOT NULL DEFAULT 0,
  cost_nano BIGINT NOT NULL,
  saved_nano BIGINT NOT NULL DEFAULT 0,
  exposure_nano BIGINT NOT NULL DEFAULT 0,
  provider_cost_nano BIGINT,
  held_nano BIGINT NOT NULL DEFAULT 0,
  prompt_tokens BIGINT NOT NULL DEFAULT 0,
  completion_tokens BIGINT NOT NULL DEFAULT 0,
  cache_read_tokens BIGINT NOT NULL DEFAULT 0,
  cache_write_tokens BIGINT NOT NULL DEFAULT 0,
  reasoning_tokens BIGINT NOT NULL DEFAULT 0,
  usage TEXT,
  price_version TEXT,
  attempts TEXT,
  operation SMALLINT NOT NULL DEFAULT 0,
  stream SMALLINT NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0,
  fallbacks INTEGER NOT NULL DEFAULT 0,
  key_hash TEXT,
  key_alias TEXT,
  team_id TEXT,
  user_id TEXT,
  organization_id TEXT,
  end_user TEXT,
  tags TEXT,
  route TEXT,
  requested_model TEXT,
  model_group TEXT,
  model TEXT,
  provider TEXT,
  deployment_id TEXT,
  api_base TEXT,
  client_ip TEXT,
  user_agent TEXT,
  error_kind TEXT,
  error_text TEXT,
  end_reason TEXT,
  request_bytes BIGINT NOT NULL DEFAULT 0,
  reply_bytes BIGINT NOT NULL DEFAULT 0,
  accounts TEXT NOT NULL DEFAULT '[]',
  PRIMARY KEY (day, replica_no, entry_no)
) /*sqlite: WITHOUT ROWID */ /*postgres: PARTITION BY RANGE (day) */;
CREATE INDEX entry_call ON entry (call_id);
CREATE INDEX entry_record ON entry (record_id) WHERE record_id IS NOT NULL;
CREATE INDEX entry_provider_request ON entry (provider_request_id) WHERE provider_request_id IS NOT NULL;
CREATE INDEX entry_key ON entry (key_hash, started_us);

CREATE TABLE entry_rejected (
  replica_no BIGINT NOT NULL,
  entry_no BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  accounts TEXT NOT NULL,
  body TEXT NOT NULL,
  reason TEXT NOT NULL,
  rejected_us BIGINT NOT NULL,
  PRIMARY KEY (replica_no, entry_no)
);

CREATE TABLE daily (
  day INTEGER NOT NULL,
  entity_kind SMALLINT NOT NULL,
  entity TEXT NOT NULL,
  key_hash TEXT NOT NULL,
  model_group TEXT NOT NULL,
  model TEXT NOT NULL,
  provider TEXT NOT NULL,
  route TEXT NOT NULL,
  cost_nano BIGINT NOT NULL,
  calls BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  cached BIGINT NOT NULL,
  prompt_tokens BIGINT NOT NULL,
  completion_tokens BIGINT NOT NULL,
  cache_read_tokens BIGINT NOT NULL,
  cache_write_tokens BIGINT NOT NULL,
  PRIMARY KEY (day, entity_kind, entity, key_hash, model_group, model, provider, route)
) /*sqlite: WITHOUT ROWID */;

CREATE TABLE replica_day (
  replica_no BIGINT NOT NULL,
  day INTEGER NOT NULL,
  entries BIGINT NOT NULL,
  cost_nano BIGINT NOT NULL,
  PRIMARY KEY (replica_no, day)
);

CREATE TABLE verification_key (
  hash TEXT NOT NULL PRIMARY KEY,
  key_name TEXT NOT NULL,
  key_alias TEXT UNIQUE,
  models TEXT NOT NULL DEFAULT '[]',
  aliases TEXT NOT NULL DEFAULT '{}',
  config TEXT NOT NULL DEFAULT '{}',
  metadata TEXT NOT NULL DEFAULT '{}',
  permissions TEXT NOT NULL DEFAULT '{}',
  user_id TEXT,
  team_id TEXT,
  organization_id TEXT,
  max_budget_nano BIGINT,
  expires_us BIGINT,
  blocked SMALLINT NOT NULL DEFAULT 0,
  account_id BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_by TEXT NOT NULL DEFAULT '',
  created_us BIGINT NOT NULL,
  updated_us BIGINT NOT NULL
);
CREATE INDEX verification_key_user ON verification_key (user_id);
CREATE INDEX verification_key_team ON verification_key (team_id);

CREATE TABLE deleted_verification_key (
  deletion_no BIGINT NOT NULL PRIMARY KEY,
  hash TEXT NOT NULL,
  key_name TEXT NOT NULL,
  key_alias TEXT,
  models TEXT NOT NULL,
  aliases TEXT NOT NULL,
  config TEXT NOT NULL,
  metadata TEXT NOT NULL,
  permissions TEXT NOT NULL,
  user_id TEXT,
  team_id TEXT,
  organization_id TEXT,
  max_budget_nano BIGINT,
  expires_us BIGINT,
  blocked SMALLINT NOT NULL,
  account_id BIGINT NOT NULL,
  spend_nano BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  updated_by TEXT NOT NULL,
  created_us BIGINT NOT NULL,
  updated_us BIGINT NOT NULL,
  deleted_by TEXT NOT NULL,
  deleted_us BIGINT NOT NULL
);
CREATE INDEX deleted_verification_key_hash ON deleted_verification_key (hash)
)sql";

// `list`: 0 general, 1 context window, 2 content policy. `targets`: an empty list says that there are none, whatever
// the configuration says.
constexpr std::string_view kSecond = R"sql(
CREATE TABLE fallback (
  model_group TEXT NOT NULL,
  list SMALLINT NOT NULL,
  targets TEXT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT '',
  updated_us BIGINT NOT NULL,
  PRIMARY KEY (model_group, list)
);
ALTER TABLE verification_key ADD COLUMN router_settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE deleted_verification_key ADD COLUMN router_settings TEXT NOT NULL DEFAULT '{}'
)sql";

// Links by which a user signs in for the first time.
constexpr std::string_view kFourth = R"sql(
CREATE TABLE invitation (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL,
  is_accepted SMALLINT NOT NULL DEFAULT 0,
  accepted_at_us BIGINT,
  expires_at_us BIGINT NOT NULL,
  created_at_us BIGINT NOT NULL,
  created_by TEXT NOT NULL DEFAULT '',
  updated_at_us BIGINT NOT NULL,
  updated_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX invitation_user ON invitation (user_id)
)sql";

// A key that somebody else than its user knows the secret of does not speak for him.
constexpr std::string_view kFifth = R"sql(
ALTER TABLE verification_key ADD COLUMN handed_over SMALLINT NOT NULL DEFAULT 0
)sql";

const Migration kMigrations[] = {
    {1, "keys, accounts, entries, aggregates", kFirst},
    {2, "fallbacks set at run time, routing of keys", kSecond},
    {3, "organisations, teams, users and what belongs to them", kAccountTree},
    {4, "invitations", kFourth},
    {5, "keys that are made for others", kFifth},
    {6, "leases of money", kEscrow},
    {7, "windows and terms of budgets", kWindows},
    {8, "reports, days that were dropped", kReports},
    {11, "lease operations apart from shipping", kReplicaLease},
    {12, "what was written off for lost replicas", kWriteOff},
    {14, "prompts and answers", kPrompts},
    {15, "budgets in tokens", kTokens},
};

std::string for_engine(std::string_view sql, bool sqlite) {
  std::string text(sql);
  const std::string_view open = sqlite ? "/*sqlite:" : "/*postgres:";
  for (std::size_t at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
    text.replace(text.find("*/", at), 2, "");
    text.replace(at, open.size(), "");
  }
  return text;
}

/// What is left of a statement that is for the other database.
bool is_comment(std::string_view statement) {
  return statement.starts_with("/*") && statement.find("*/") == statement.size() - 2;
}

Status run_each(Transaction& transaction, std::string_view sql, bool sqlite) {
  const std::string text = for_engine(sql, sqlite);
  for (std::string_view statement : base::split(text, ';')) {
    statement = base::trim(statement);
    if (statement.empty() || is_comment(statement)) continue;
    if (const auto done = transaction.run(statement, {}); !done) return base::fail(done.error());
  }
  return {};
}

/// Makes all of the schema when the database has nothing but an empty schema_version: each ALTER TABLE of the steps
/// would have SQLite read the whole schema again.
Status make_at_once(Transaction& transaction) {
  const auto found = transaction.run(
      "SELECT 1 FROM schema_version UNION ALL SELECT 1 FROM sqlite_master WHERE tbl_name <> 'schema_version' LIMIT 1",
      {});
  if (!found) return base::fail(found.error());
  return found->rows.empty() ? run_each(transaction, kSqliteSchema, true) : Status();
}

}  // namespace

std::span<const Migration> migrations() {
  return kMigrations;
}

Status migrate(const std::function<Status(const std::function<Status(Transaction&)>&)>& transact, bool sqlite,
               std::optional<int> last) {
  std::set<std::int64_t> have;
  const auto read_version = [&](Transaction& transaction) -> Status {
    const auto made = transaction.run(
        "CREATE TABLE IF NOT EXISTS schema_version (number BIGINT NOT NULL PRIMARY KEY, applied_us BIGINT NOT NULL)",
        {});
    if (!made) return base::fail(made.error());
    if (sqlite && !last) {
      if (Status status = make_at_once(transaction); !status) return status;
    }
    const auto rows = transaction.run("SELECT number FROM schema_version", {});
    if (!rows) return base::fail(rows.error());
    have.clear();
    for (const Row& row : rows->rows) have.insert(as_int(row[0]));
    return {};
  };
  if (const Status status = transact(read_version); !status) return status;

  const int newest = kMigrations[std::size(kMigrations) - 1].number;
  const std::int64_t highest = have.empty() ? 0 : *have.rbegin();
  if (highest > newest + 1) {
    return base::fail(ErrorKind::Unavailable,
                      fmt::format("the database schema has version {}, this program knows {}: start a newer program",
                                  highest, newest));
  }
  for (const Migration& migration : kMigrations) {
    if (have.contains(migration.number) || (last && migration.number > *last)) continue;
    if (migration.number < highest) {  // It was made beside a later one, and released after it.
      base::log(base::LogLevel::Warning, "database: migration {} ({}) is missing below {} and is applied now",
                migration.number, migration.name, highest);
    }
    const auto step = [&](Transaction& transaction) -> Status {
      // Another process on the same database may have been here meanwhile.
      const auto done_before =
          transaction.run("SELECT 1 FROM schema_version WHERE number = $1", {std::int64_t{migration.number}});
      if (!done_before) return base::fail(done_before.error());
      if (!done_before->rows.empty()) return {};
      if (Status status = run_each(transaction, migration.sql, sqlite); !status) return status;
      const auto noted = transaction.run("INSERT INTO schema_version (number, applied_us) VALUES ($1, $2)",
                                         {std::int64_t{migration.number}, base::unix_now_us()});
      if (!noted) return base::fail(noted.error());
      return {};
    };
    if (const Status status = transact(step); !status) {
      Error error = status.error();
      error.message = fmt::format("migration {} ({}) failed: {}", migration.number, migration.name, error.message);
      return base::fail(std::move(error));
    }
  }
  return {};
}

}  // namespace turnpike::db
