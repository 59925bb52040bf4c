#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "db/change_rows.h"
#include "db/database.h"

/// What replicas on one database tell each other: which rows have changed. Every change takes the next number of one
/// counter, whose row stays locked until the commit, so that numbers become visible in their order.
namespace turnpike::account {

struct Change {
  std::int64_t number = 0;  // 0: not read from the feed.
  std::string kind;    // "key", or the SQL name of the table: "team", "internal_user", "stored_model", "fallback", ...
  std::string entity;  // Its id.
};

using db::note_change;

/// Follows the feed: asks the database twice a second, and at once when `wake` is called or the database wakes it.
///
/// When changes may have been missed (the database was away longer than the feed is kept, db::kChangesKept), `lost` is
/// called: forget everything.
class ChangeFeed {
 public:
  static constexpr std::chrono::milliseconds kPollInterval{500};

  struct Hooks {
    std::function<void(const std::vector<Change>&)> changed;  // On the feed's thread.
    std::function<void()> lost;
  };
  /// Begins behind the newest change there is; asks once before it returns.
  ChangeFeed(db::Database& database, Hooks hooks);
  ~ChangeFeed();

  void wake();
  /// How long ago the feed last answered: what replicas may be behind.
  std::chrono::milliseconds behind() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace turnpike::account
