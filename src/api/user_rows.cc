#include "api/user_rows.h"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>

#include "account/owned_keys.h"
#include "account/tables.h"
#include "base/id.h"
#include "base/text.h"

namespace turnpike::api {
namespace {

using account::Record;
using account::Records;

constexpr std::string_view kHidden[] = {"password"};

Result<std::vector<std::string>> ids_of(Records& records, const account::Table& table, const std::string& user_id) {
  Result<std::vector<Record>> memberships = records.all(table, "user_id", user_id);
  if (!memberships) return base::fail(std::move(memberships.error()));
  std::vector<std::string> ids;
  for (const Record& membership : *memberships) ids.push_back(membership.key());
  return ids;
}

}  // namespace

Status write_user(json::Writer& writer, const Context& context, Records& records, const Record& row) {
  write_live(writer, context, row, kHidden);
  writer.key("teams").begin_array();
  const Result<std::vector<std::string>> teams = ids_of(records, account::kTeamMembers, row.key());
  if (!teams) return base::fail(teams.error());
  for (const std::string& team : *teams) writer.string(team);
  writer.end_array().key("organization_memberships").begin_array();
  const auto memberships = records.all(account::kOrganizationMembers, "user_id", row.key());
  if (!memberships) return base::fail(memberships.error());
  for (const Record& membership : *memberships) {
    writer.begin_object();
    write_live(writer, context, membership);
    writer.end_object();
  }
  writer.end_array();
  return {};
}

std::span<const std::string_view> hidden_columns(const domain::Caller& caller) {
  constexpr static std::string_view kForeign[] = {"password",          "sso_user_id",        "models",
                                                  "metadata",          "max_budget",         "soft_budget",
                                                  "max_budget_tokens", "soft_budget_tokens", "max_parallel_requests",
                                                  "tpm_limit",         "rpm_limit",          "budget_duration",
                                                  "budget_reset_at",   "model_max_budget",   "allowed_cache_controls",
                                                  "policies",          "object_permission"};
  if (administers(caller)) return kHidden;
  return kForeign;
}

Result<std::optional<Record>> find_user_by_email(Records& records, const std::string& email) {
  account::Query query;
  query.where.push_back({"user_email", account::Condition::Test::Equals, {email}});
  query.size = 2;
  Result<account::RecordPage> page = records.list(account::kUsers, query);
  if (!page) return base::fail(std::move(page.error()));
  if (page->rows.empty()) return std::optional<Record>();
  if (page->rows.size() > 1) {
    return refuse_field("user_email", "Multiple users found with email: " + email + ". Please use 'user_id' instead.");
  }
  return std::optional<Record>(std::move(page->rows.front()));
}

Result<std::optional<Record>> find_user(Records& records, const json::Value& body) {
  const Result<std::optional<std::string>> user_id = text_member(body, "user_id");
  if (!user_id) return base::fail(user_id.error());
  if (*user_id && !(*user_id)->empty()) return records.find(account::kUsers, **user_id);
  const Result<std::optional<std::string>> email = text_member(body, "user_email");
  if (!email) return base::fail(email.error());
  if (!*email || (*email)->empty()) return refuse_field("user_id", "Say who: user_id or user_email is missing.");
  return find_user_by_email(records, **email);
}

Result<Record> find_or_make_user(Records& records, const json::Value& body, std::string_view role) {
  Result<std::optional<Record>> found = find_user(records, body);
  if (!found) return base::fail(std::move(found.error()));
  if (*found) return std::move(**found);
  const Result<std::optional<std::string>> user_id = text_member(body, "user_id");
  const Result<std::optional<std::string>> email = text_member(body, "user_email");
  if (!email) return base::fail(email.error());
  Record user(account::kUsers);
  user.set("user_id", db::Value(user_id->value_or("").empty() ? new_id(records) : **user_id));
  if (*email && !(*email)->empty()) user.set("user_email", db::Value(**email));
  user.set("user_role", db::Value(std::string(role)));
  return records.create(std::move(user));
}

Status remove_user(Records& records, const Record& user) {
  const Result<std::vector<account::KeyRow>> keys = account::keys_of(records, {{"user_id", user.key()}});
  if (!keys) return base::fail(keys.error());
  if (Status removed = account::remove_keys(records, *keys); !removed) return removed;
  for (const account::Table* table : {&account::kTeamMembers, &account::kOrganizationMembers, &account::kInvitations}) {
    const auto memberships = records.all(*table, "user_id", user.key());
    if (!memberships) return base::fail(memberships.error());
    for (const Record& membership : *memberships) {
      if (Status removed = records.remove(membership); !removed) return removed;
    }
  }
  return records.remove(user);
}

std::string password_hash(std::string_view password) {
  constexpr std::uint64_t kLogN = 15, kBlock = 8, kParallel = 1;
  constexpr std::uint64_t kBytesMax = 64 * 1024 * 1024;
  std::array<std::uint8_t, 16> salt{};
  std::array<std::uint8_t, 32> hash{};
  base::fill_random(salt.data(), salt.size());
  if (EVP_PBE_scrypt(password.data(), password.size(), salt.data(), salt.size(), std::uint64_t{1} << kLogN, kBlock,
                     kParallel, kBytesMax, hash.data(), hash.size()) != 1) {
    throw std::runtime_error("scrypt failed");
  }
  return "scrypt$15$8$1$" + base::to_base64url(salt) + "$" + base::to_base64url(hash);
}

}  // namespace turnpike::api
