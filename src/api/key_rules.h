#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "account/key_row.h"
#include "api/context.h"
#include "api/key_fields.h"
#include "api/permission.h"
#include "base/result.h"

/// What holds for the keys that are made and changed, whoever does it.
namespace turnpike::api {

/// The body with the fields that `default_key_generate_params` give to keys whose body does not have them.
Result<std::string> with_key_defaults(std::string_view body, const config::KeySettings& settings);

/// `upperbound_key_generate_params`: more is refused. A new key that does not say gets the ceiling.
Status hold_to_ceilings(KeyChange& change, KeyRoute route, const config::KeySettings& settings);

/// `turnpike.key_issuance` and `key_generation_settings`: whether this caller may make a key by this body.
Status may_issue(account::Records& records, const Context& context, std::string_view body, const KeyChange& change);

/// Everything but the secret.
void apply_key_change(const KeyChange& change, std::int64_t now_us, account::KeyRow& row);

KeyOwners owners_of(const account::KeyRow& row);
/// Whose the key is to become: there one has to be allowed to make one.
Status may_move_key(account::Records& records, const domain::Caller& caller, const account::KeyRow& after);
/// What the body gives to the key as it is to be (AC-SEC-4). `before`: null for a new key; `after`: the row with the
/// change applied.
Status may_grant(account::Records& records, const Context& context, const KeyChange& change,
                 const account::KeyRow* before, const account::KeyRow& after);
/// All that a change of a key asks of its caller: whose it is and becomes, what it gives, what it takes off. `after` is
/// narrowed where the key leaves its team. `permission`: "/key/update" or "/key/regenerate", by which the caller also
/// learns the secret.
Status may_change_key(account::Records& records, const Context& context, const KeyChange& change,
                      const account::KeyRow& before, account::KeyRow& after, std::string_view permission);
/// Who may do to the key what its owner must not do for himself: unblock it, set its spend, raise its budget, lift its
/// restrictions. Administrators, admins of its team and of its organisation. `what` completes "may ...".
Status may_govern_key(account::Records& records, const domain::Caller& caller, const KeyOwners& key,
                      std::string_view what);
/// Fields by which an owner would free his key of what others have put on it ask for that right.
Status may_change_protection(account::Records& records, const domain::Caller& caller, const KeyChange& change,
                             const account::KeyRow& before, const account::KeyRow& after);

/// A key that is rotated automatically needs an interval, and a place where its new secret is handed over.
Status may_rotate_by_itself(const Context& context, const account::KeyRow& row);

}  // namespace turnpike::api
