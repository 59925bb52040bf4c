#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/money.h"
#include "domain/routing_wishes.h"

namespace turnpike::domain {

enum class Role : std::uint8_t { ProxyAdmin, InternalUser, Anonymous };

/// Who is calling: the resolved identity of a call, an immutable snapshot. A change of the key makes a new one.
struct Caller {
  Role role = Role::InternalUser;
  base::Sha256 key_hash{};
  std::string key_hash_hex;  // Empty for an anonymous caller.
  std::string key_name;      // "sk-...abcd": what people may see of the secret.
  std::string key_alias;
  std::string user_id;
  std::string team_id;
  std::string organization_id;
  std::vector<std::string> models;             // Allow-list; empty: every model.
  std::map<std::string, std::string> aliases;  // Request model -> real model.
  std::vector<std::string> tags;               // metadata.tags: on every call of the key.
  std::optional<Money> max_budget;
  Money spent;                             // Booked when the key was read; the ledger goes on from there.
  std::int64_t account_version = 0;        // How often limit and spend had been edited by then.
  std::optional<std::int64_t> expires_us;  // Unix microseconds.
  bool blocked = false;
  bool disable_fallbacks = false;
  KeyRoutingRef routing;               // Null: the key says nothing about it.
  std::vector<std::int64_t> accounts;  // Ids of the ledger accounts a call of this key touches, in kind order.

  bool is_admin() const { return role == Role::ProxyAdmin; }
};

using CallerRef = std::shared_ptr<const Caller>;

}  // namespace turnpike::domain
