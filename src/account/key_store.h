#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "db/database.h"
#include "domain/caller.h"
#include "net/io_threads.h"

namespace turnpike::account {

/// A row of the key table, whole: what /key/info shows. The secret is never in it.
struct KeyRow {
  std::string hash;      // Lower-case hex SHA-256 of the secret: LiteLLM's own form.
  std::string key_name;  // "sk-...abcd"
  std::optional<std::string> key_alias;
  std::vector<std::string> models;
  std::string aliases_json = "{}";
  std::string config_json = "{}";
  std::string metadata_json = "{}";
  std::string permissions_json = "{}";
  std::string router_settings_json = "{}";
  std::optional<std::string> user_id, team_id, organization_id;
  std::optional<Money> max_budget;
  Money spend;       // Booked.
  Money spend_edit;  // By how much the update that returned this row changed what is booked.
  std::optional<std::int64_t> expires_us;
  bool blocked = false;
  std::int64_t account_id = 0;       // Its ledger account,
  std::int64_t account_version = 0;  // and how often that has been edited.
  std::string created_by, updated_by;
  std::int64_t created_us = 0, updated_us = 0;
};

/// Keys in the database. Every change is published so that each I/O thread forgets what it knew.
class KeyStore {
 public:
  /// `on_change(hash)` is called (any thread) after a commit that changed the key.
  KeyStore(db::Database& database, std::function<void(const std::string& hash)> on_change);

  Task<Result<KeyRow>> create(KeyRow row);  // Errors: InvalidRequest when hash or alias exists.
  Task<Result<std::optional<KeyRow>>> find(std::string hash);
  Task<Result<std::optional<KeyRow>>> find_by_alias(std::string alias);
  Task<Result<KeyRow>> update(std::string hash, std::function<Status(KeyRow&)> change);  // NotFound
  /// Those that there were, as they were.
  Task<Result<std::vector<KeyRow>>> remove(std::vector<std::string> hashes, std::string by);

  struct Filter {
    std::optional<std::string> user_id, team_id, organization_id, hash, alias;
    std::string sort_by = "created_at";
    bool ascending = false;
    std::uint64_t page = 1, size = 10;
  };
  struct Page {
    std::vector<KeyRow> rows;
    std::uint64_t total = 0;
  };
  Task<Result<Page>> list(Filter filter);

 private:
  db::Database& database_;
  std::function<void(const std::string&)> on_change_;
};

domain::CallerRef to_caller(const KeyRow& row);

}  // namespace turnpike::account
