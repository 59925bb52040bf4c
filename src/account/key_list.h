#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "account/key_row.h"
#include "base/result.h"
#include "db/database.h"

namespace turnpike::account {

/// Which keys, in which order; every condition must hold.
struct KeyQuery {
  std::optional<std::string> user_id, team_id, organization_id, hash, alias;
  /// One of these must hold too; nothing given: no condition.
  struct AnyOf {
    std::optional<std::string> user_id, created_by;
    std::vector<std::string> team_ids;
  };
  std::optional<AnyOf> any_of;
  std::string sort_by = "created_at";  // spend, max_budget, created_at, updated_at, token, key_alias.
  bool ascending = false;
  std::uint64_t page = 1, size = 10;
};

struct KeyPage {
  std::vector<KeyRow> rows;
  std::uint64_t total = 0;
};

/// Of a filter so many keys are counted at most; a page of all keys takes the count that is kept (`row_count`).
constexpr std::uint64_t kKeysCountedMax = 100'000;
/// Among more keys than these none is found by its spend: that order stands in no index.
constexpr std::uint64_t kKeysSortedBySpendMax = 200'000;

/// A page. It is walked in an index, from whichever end is nearer.
/// Errors: InvalidRequest param "sort_by" when too many keys are to be sorted by their spend.
Result<KeyPage> list_keys(db::Transaction& transaction, const KeyQuery& query);

/// A key that was: what it said when it was deleted, by whom and when.
struct DeletedKey {
  std::string hash, body_json;
  std::string deleted_by, deleted_by_key;
  std::int64_t deleted_us = 0;
};
struct DeletedKeyPage {
  std::vector<DeletedKey> rows;
  std::uint64_t total = 0;
};
/// By when they were deleted, whatever `sort_by` says.
Result<DeletedKeyPage> list_deleted_keys(db::Transaction& transaction, const KeyQuery& query);

/// Every alias in its order; `any_of` as above. At most `most`.
Result<std::vector<std::string>> list_key_aliases(db::Transaction& transaction,
                                                  const std::optional<KeyQuery::AnyOf>& any_of, std::size_t most);

}  // namespace turnpike::account
