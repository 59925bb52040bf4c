#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "account/key_list.h"
#include "account/key_row.h"
#include "base/result.h"
#include "base/task.h"
#include "db/database.h"
#include "domain/caller.h"
#include "net/io_threads.h"

namespace turnpike::account {

/// Keys as those read them who change nothing (key_records.h: what changes them).
class KeyStore {
 public:
  /// `on_change(hash)` is called (any thread) after a commit that changed the key.
  KeyStore(db::Database& database, std::function<void(const std::string& hash)> on_change);

  Task<Result<std::optional<KeyRow>>> find(std::string hash);
  Task<Result<KeyPage>> list(KeyQuery query);
  /// Makes a key on behalf of `row.created_by`. Errors: those of create_key.
  Task<Result<KeyRow>> create(KeyRow row);

 private:
  db::Database& database_;
  std::function<void(const std::string&)> on_change_;
};

}  // namespace turnpike::account
