#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "api/record_route.h"

/// Rows of users as several routes work with them.
namespace turnpike::api {

/// LiteLLM's user row: columns, spend; never the password. `teams`, `organization_memberships` come with it.
Status write_user(json::Writer& writer, const Context& context, account::Records& records, const account::Record& row);

/// Columns of a user that the caller does not see of others: for who is no proxy admin all that says what he may.
std::span<const std::string_view> hidden_columns(const domain::Caller& caller);

/// Exactly one of `user_id` and `user_email` of `body`, or both of the same user. Nothing where nobody is called so.
/// Errors: InvalidRequest where neither is sent, or several users have that address.
Result<std::optional<account::Record>> find_user(account::Records& records, const json::Value& body);
Result<std::optional<account::Record>> find_user_by_email(account::Records& records, const std::string& email);

/// The same; who is not known yet is made with `role`.
Result<account::Record> find_or_make_user(account::Records& records, const json::Value& body, std::string_view role);

/// With his keys, memberships and invitations.
Status remove_user(account::Records& records, const account::Record& user);

/// scrypt of a password, in the form "scrypt$15$8$1$salt$hash". Takes 100 ms and 32 MB: not for I/O threads.
std::string password_hash(std::string_view password);

}  // namespace turnpike::api
