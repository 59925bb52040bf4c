#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "account/change_feed.h"
#include "account/record.h"
#include "base/result.h"
#include "db/database.h"

/// What happens by the clock: keys are rotated, raised budgets end, secrets that were replaced stop working, windows of
/// budgets that nobody spends are turned.
namespace turnpike::account {

struct KeyLifeOptions {
  std::string rotated_keys_dir;    // Where new secrets are handed over, a file per key; empty: no key is rotated.
  std::int64_t grace_seconds = 0;  // How long the old secret of a rotated key works on.
  std::chrono::seconds interval{60};
  std::string calendar = "UTC";  // Of new terms (domain/budget.h).
  /// A unit of work has been committed (any thread).
  std::function<void(const std::vector<Change>&, const std::vector<AccountNews>&)> done;
};

/// Looks at what is due by `now_us`, a bounded number of keys at a time. Returns how many it has dealt with.
///
/// A new secret stands in `<dir>/.<name>.new` before the key has it and in `<dir>/<name>` afterwards (mode 0600), so
/// that no secret in force is ever lost; <name> is the key's alias, else its hash. Of several replicas one does it: the
/// other's unit of work finds the key changed.
/// Errors: the database's; Unavailable when a secret cannot be written.
Result<std::size_t> tend_keys(db::Database& database, const KeyLifeOptions& options, std::int64_t now_us);

/// Does so again and again on a thread of its own.
class KeyLife {
 public:
  KeyLife(db::Database& database, KeyLifeOptions options);
  ~KeyLife();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace turnpike::account
