#pragma once

#include <initializer_list>
#include <string_view>
#include <vector>

#include "account/key_store.h"
#include "account/record.h"

/// Keys that belong to a team, a user or an organisation, inside the unit of work that changes their owner.
namespace turnpike::account {

struct KeyOwner {
  std::string_view column;  // "team_id", "user_id" or "organization_id".
  std::string_view value;
};

/// The keys of which all of `owners` hold, the oldest first.
Result<std::vector<KeyRow>> keys_of(Records& records, std::initializer_list<KeyOwner> owners);

/// Copies go to the deleted keys, their ledger accounts are closed; audit log and change feed hear of each.
Status remove_keys(Records& records, const std::vector<KeyRow>& keys);

}  // namespace turnpike::account
