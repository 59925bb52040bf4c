#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "account/key_row.h"
#include "account/record.h"
#include "api/context.h"
#include "api/key_fields.h"
#include "base/money.h"
#include "json/write.h"
#include "ledger/ledger.h"

namespace turnpike::api {

/// What the caller may see of a secret: its last four characters.
std::string key_name_of(std::string_view secret);

/// A new secret, "sk-" and 16 random bytes.
std::string make_secret();
/// Errors: InvalidRequest for a secret that is none, or the master key.
Status check_custom_secret(std::string_view field, const std::string& secret, const config::Settings& settings);

/// The lower-case hex SHA-256 a reference to a key means: a secret ("sk-...") is hashed, 64 hex digits are the hash
/// itself. Empty for anything else.
std::string hash_of_reference(std::string_view reference);
/// The hash of the key a body names. Errors: InvalidRequest for no reference.
Result<std::string> named_key(std::string_view reference);

Error key_not_found(const Context& context, std::string_view reference);

/// The spend in force: booked plus settled in this process; what the row says for a key that has made no call yet.
account::KeySpend live_spend(const ledger::Ledger& ledger, const account::KeyRow& row);

/// A key with what it is linked to.
struct ShownKey {
  account::KeyRow row;
  std::optional<account::Record> budget, user;
};
/// Reads the linked budget, and the user if asked.
Result<ShownKey> show_key(account::Records& records, account::KeyRow row, bool with_user = false);

/// Writes the members of LiteLLM's key row and `litellm_budget_table` into an open object. `with_token`: the hash too.
void write_key(json::Writer& writer, const ShownKey& key, account::KeySpend spend, bool with_token);

/// The row as the routes that change a key answer it. A secret is shown once, where it is made: elsewhere `key` is the
/// hash.
Reply key_reply(const Context& context, const ShownKey& key, const std::string& as_sent);
/// The row of a key that was made: with its secret, and every field that was asked for.
Reply secret_reply(const KeyChange& change, const ShownKey& key, const std::string& secret);

/// Names what had no effect and what is not in force yet in the reply's header.
void tell_fields(const KeyChange& change, Reply& reply);

}  // namespace turnpike::api
