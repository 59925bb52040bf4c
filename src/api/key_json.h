#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "account/key_store.h"
#include "base/money.h"
#include "json/write.h"
#include "ledger/ledger.h"

namespace turnpike::api {

/// What the caller may see of a secret: its last four characters.
std::string key_name_of(std::string_view secret);

/// The lower-case hex SHA-256 a reference to a key means: a secret ("sk-...") is hashed, 64 hex digits are the hash
/// itself. Empty for anything else.
std::string hash_of_reference(std::string_view reference);

/// The spend in force: booked plus settled in this process; what the row says for a key that has made no call yet.
Money live_spend(const ledger::Ledger& ledger, const account::KeyRow& row);

/// Writes the members of LiteLLM's key row into an open object (spec management-api 20; columns this version does not
/// enforce stand there empty). `with_token`: the hash too.
void write_key_row(json::Writer& writer, const account::KeyRow& row, Money spend, bool with_token);

}  // namespace turnpike::api
