#include "account/key_records.h"

#include <fmt/format.h>

#include <utility>

#include "account/key_rows.h"
#include "account/model_budgets.h"
#include "account/tables.h"
#include "base/clock.h"
#include "base/text.h"
#include "db/account_rows.h"

namespace turnpike::account {
namespace {

constexpr std::int16_t kKeyAccount = 6;  // Spec money 4: accounts of keys.
constexpr std::string_view kAuditName = "LiteLLM_VerificationToken";

tl::unexpected<Error> refuse(std::string_view param, std::string message) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.type = "bad_request_error";
  error.param = param;
  error.message = std::move(message);
  return base::fail(std::move(error));
}

tl::unexpected<Error> alias_taken(const std::string& alias) {
  return refuse("key_alias",
                "Key with alias '" + alias + "' already exists. Unique key aliases across all keys are required.");
}

tl::unexpected<Error> hash_taken() {
  return refuse("key", "This key exists already. Send another one, or none to have one made.");
}

/// Somebody was faster than what was asked before.
tl::unexpected<Error> taken(const Error& error, const KeyRow& row) {
  if (error.code != "unique") return base::fail(error);
  if (row.key_alias) return alias_taken(*row.key_alias);
  return hash_taken();
}

Result<std::optional<KeyRow>> select_one(db::Transaction& transaction, std::string_view column,
                                         const std::string& value, std::int64_t now_us) {
  const Result<db::Rows> rows = transaction.run(select_key() + " WHERE k." + std::string(column) + " = $1", {value});
  if (!rows) return base::fail(rows.error());
  if (rows->rows.empty()) return std::optional<KeyRow>();
  Result<KeyRow> key = read_key_row(transaction, rows->rows.front(), now_us);
  if (!key) return base::fail(std::move(key.error()));
  return std::optional(std::move(*key));
}

/// The unique indexes decide in the end; asking first gives the better text.
Status check_alias_free(db::Transaction& transaction, const KeyRow& row, const std::string& own_hash) {
  if (!row.key_alias) return {};
  const auto other = transaction.run("SELECT hash FROM verification_key WHERE key_alias = $1", {*row.key_alias});
  if (!other) return base::fail(other.error());
  if (other->rows.empty() || db::as_text(other->rows[0][0]) == own_hash) return {};
  return alias_taken(*row.key_alias);
}

/// Whether no key has this hash, nor had it and may still be called with it.
Status check_hash_free(db::Transaction& transaction, const std::string& hash) {
  const auto other = transaction.run(
      "SELECT hash FROM verification_key WHERE hash = $1 UNION ALL SELECT hash FROM deprecated_key WHERE hash = $1",
      {hash});
  if (!other) return base::fail(other.error());
  if (!other->rows.empty()) return hash_taken();
  return {};
}

/// What the key says itself comes before the budget it is linked to. `before`: null for a new key.
Result<db::NewTerms> terms_of(Records& records, const KeyRow& row, const KeyRow* before) {
  db::NewTerms wanted;
  domain::BudgetTerms& terms = wanted.terms;
  terms.limit = row.max_budget;
  terms.soft = row.soft_budget;
  terms.strict = is_strict(row.metadata_json);
  terms.duration = row.budget_duration.value_or("");
  if (row.budget_duration && (before == nullptr || before->budget_duration != row.budget_duration))
    wanted.ends_us = row.budget_reset_us;
  if (row.budget_id) {
    const Result<std::optional<Record>> found = records.find(kBudgets, *row.budget_id);
    if (!found) return base::fail(found.error());
    if (!*found) {
      Error error;
      error.kind = ErrorKind::NotFound;
      error.param = "budget_id";
      error.message = "Budget " + *row.budget_id + " does not exist. Make it with /budget/new, or leave budget_id out.";
      return base::fail(std::move(error));
    }
    const Record& budget = **found;
    if (!terms.limit) terms.limit = budget.amount("max_budget");
    if (!terms.soft) terms.soft = budget.amount("soft_budget");
    if (budget.maybe_text("budget_mode") == "strict") terms.strict = true;
    const std::optional<std::string> duration = budget.maybe_text("budget_duration");
    if (terms.duration.empty() && duration) {
      terms.duration = *duration;
      const bool linked_anew = before == nullptr || before->budget_id != row.budget_id || before->budget_duration;
      if (linked_anew) wanted.ends_us = budget.whole("budget_reset_at");
    }
  }
  if (!terms.duration.empty()) terms.zone = records.actor().calendar;
  const std::optional<TempBudget> raised = temp_budget_of(row.metadata_json);
  if (raised && raised->expiry_us > records.actor().now_us) {
    terms.increase = raised->increase;
    terms.increase_until_us = raised->expiry_us;
  }
  return wanted;
}

/// What the key's account in tokens is held to, where its account of money has the terms it has.
Result<domain::BudgetTerms> token_terms_of(Records& records, const KeyRow& row) {
  std::optional<std::int64_t> limit = row.max_budget_tokens, soft = row.soft_budget_tokens;
  if (row.budget_id && !(limit && soft)) {
    const Result<std::optional<Record>> budget = records.find(kBudgets, *row.budget_id);
    if (!budget) return base::fail(budget.error());
    if (*budget && !limit) limit = (*budget)->whole("max_budget_tokens");
    if (*budget && !soft) soft = (*budget)->whole("soft_budget_tokens");
  }
  return row.terms.in_tokens(limit, soft);
}

/// Columns that follow from others.
void derive(KeyRow& row, std::int64_t now_us) {
  const std::optional<TempBudget> raised = temp_budget_of(row.metadata_json);
  row.temp_budget_expiry_us = raised && raised->expiry_us > now_us ? std::optional(raised->expiry_us) : std::nullopt;
  const std::optional<std::int64_t> interval =
      row.auto_rotate && row.rotation_interval ? base::parse_duration_seconds(*row.rotation_interval) : std::nullopt;
  row.key_rotation_us = interval
                            ? std::optional(row.last_rotation_us.value_or(row.created_us) + *interval * base::kSecondUs)
                            : std::nullopt;
}

Status reread_account(Records& records, KeyRow& row) {
  Result<std::optional<db::AccountRow>> account =
      db::find_account(records.transaction(), row.account_id, records.actor().now_us);
  if (!account) return base::fail(std::move(account.error()));
  if (*account) take_account(row, std::move(**account));
  return {};
}

/// Behind a change of the row, whose account of money has its new terms.
Status tokens_follow(Records& records, KeyRow& row, bool is_new) {
  const Result<domain::BudgetTerms> terms = token_terms_of(records, row);
  if (!terms) return base::fail(terms.error());
  const db::AccountName name{kKeyAccount, row.hash};
  if (Status set = records.set_token_account(name, *terms, row.window.ends_us); !set) return set;
  if (Status read = reread_account(records, row); !read) return read;
  return is_new && row.tokens ? records.begin_tokens_anew(name, *row.tokens) : Status();
}

void tell(Records& records, AccountNews::What what, const KeyRow& row) {
  records.tell({what,
                db::facts_of(db::AccountState{row.account_id, row.account_version, row.terms, row.window, row.spend},
                             {kKeyAccount, row.hash}, row.key_alias.value_or("")),
                row.spend_edit});
}

/// Budgets per model: the key's own, else those of the linked budget.
Result<std::string> model_budgets_of(Records& records, const KeyRow& row) {
  if (row.model_max_budget_json != "{}" || !row.budget_id) return row.model_max_budget_json;
  const Result<std::optional<Record>> budget = records.find(kBudgets, *row.budget_id);
  if (!budget) return base::fail(budget.error());
  return *budget ? (*budget)->text("model_max_budget") : std::string("{}");
}

Status models_follow(Records& records, const KeyRow& row, const KeyRow* before) {
  const Result<std::string> now = model_budgets_of(records, row);
  if (!now) return base::fail(now.error());
  const Result<std::string> then = before == nullptr ? Result<std::string>("{}") : model_budgets_of(records, *before);
  if (!then) return base::fail(then.error());
  return *now == *then ? Status() : set_model_budgets(records, kKeyAccount, row.hash, *now);
}

Status count_keys(db::Transaction& transaction, std::int64_t more) {
  const auto counted =
      transaction.run("UPDATE row_count SET row_total = row_total + $1 WHERE table_name = 'verification_key'", {more});
  if (!counted) return base::fail(counted.error());
  return {};
}

/// Callers know a key by the secret they hold: also by one that was rotated away and still works.
Status note_key(Records& records, const std::string& hash) {
  const auto older = records.transaction().run("SELECT hash FROM deprecated_key WHERE active_hash = $1", {hash});
  if (!older) return base::fail(older.error());
  for (const db::Row& row : older->rows) {
    if (Status noted = records.note("key", db::as_text(row.at(0))); !noted) return noted;
  }
  return records.note("key", hash);
}

Status audit(Records& records, std::string_view action, const std::string& hash, const KeyRow* before,
             const KeyRow* after) {
  return write_audit(records.transaction(), records.actor(), action, kAuditName, hash,
                     before == nullptr ? std::string() : key_row_json(*before),
                     after == nullptr ? std::string() : key_row_json(*after));
}

/// The accounts of a key are named after its hash, and follow it.
Status rename_account(db::Transaction& transaction, const KeyRow& before, const std::string& new_hash) {
  constexpr std::string_view kKinds =
      "6, 12, 106, 112";  // In dollars and tokens, of all calls and of those to a model.
  // An account of a deleted key that had the new secret once keeps its entries under another name.
  const auto moved_away = transaction.run(
      fmt::format("UPDATE account SET entity = entity || '#' || account_id WHERE kind IN ({}) AND entity = $1", kKinds),
      {new_hash});
  if (!moved_away) return base::fail(moved_away.error());
  const auto renamed =
      transaction.run(fmt::format("UPDATE account SET entity = $2 WHERE kind IN ({}) AND entity = $1", kKinds),
                      {before.hash, new_hash});
  if (!renamed) return base::fail(renamed.error());
  return {};
}

constexpr std::string_view kKeepDeleted =
    "INSERT INTO deleted_verification_key (deletion_no, hash, key_name, key_alias, models, aliases, config, metadata, "
    "permissions, user_id, team_id, organization_id, max_budget_nano, expires_us, blocked, account_id, spend_nano, "
    "created_by, updated_by, created_us, updated_us, router_settings, body, deleted_by, deleted_by_key, deleted_us) "
    "SELECT (SELECT coalesce(max(deletion_no), 0) + 1 FROM deleted_verification_key), hash, key_name, key_alias, "
    "models, aliases, config, metadata, permissions, user_id, team_id, organization_id, max_budget_nano, expires_us, "
    "blocked, account_id, $2, created_by, updated_by, created_us, updated_us, router_settings, $3, $4, $5, $6 "
    "FROM verification_key WHERE hash = $1";

}  // namespace

Result<std::optional<KeyRow>> find_key(db::Transaction& transaction, const std::string& hash, std::int64_t now_us) {
  return select_one(transaction, "hash", hash, now_us);
}

Result<std::optional<KeyRow>> find_key_by_alias(db::Transaction& transaction, const std::string& alias,
                                                std::int64_t now_us) {
  return select_one(transaction, "key_alias", alias, now_us);
}

Result<KeyRow> create_key(Records& records, KeyRow row) {
  db::Transaction& transaction = records.transaction();
  if (Status free = check_hash_free(transaction, row.hash); !free) return base::fail(std::move(free.error()));
  if (Status free = check_alias_free(transaction, row, row.hash); !free) return base::fail(std::move(free.error()));
  const Actor& actor = records.actor();
  row.created_by = row.updated_by = actor.name;
  row.created_us = row.updated_us = actor.now_us;
  derive(row, actor.now_us);
  const Result<db::NewTerms> terms = terms_of(records, row, nullptr);
  if (!terms) return base::fail(terms.error());
  const Result<std::int64_t> account = db::open_account(transaction, {kKeyAccount, row.hash}, *terms, actor.now_us);
  if (!account) return base::fail(account.error());
  row.account_id = *account;
  if (const Result<db::Rows> inserted = transaction.run(insert_key(), key_values(row)); !inserted)
    return taken(inserted.error(), row);
  // Also for a spend of 0: a key that was deleted and is made again finds its old account, and begins anew.
  const Result<Money> opened =
      db::set_account_spend(transaction, *account, row.spend, db::EntryKind::Opening, actor.name, actor.now_us);
  if (!opened) return base::fail(opened.error());
  row.spend_edit = *opened;
  if (Status read = reread_account(records, row); !read) return base::fail(std::move(read.error()));
  if (Status counted = tokens_follow(records, row, true); !counted) return base::fail(std::move(counted.error()));
  if (row.account_version > 0) {  // This process goes on with an old account, if it knows it.
    tell(records, AccountNews::What::Terms, row);
    tell(records, AccountNews::What::Spend, row);
  }
  if (Status followed = models_follow(records, row, nullptr); !followed) return base::fail(std::move(followed.error()));
  if (Status counted = count_keys(transaction, 1); !counted) return base::fail(std::move(counted.error()));
  if (Status noted = audit(records, "created", row.hash, nullptr, &row); !noted)
    return base::fail(std::move(noted.error()));
  if (Status noted = note_key(records, row.hash); !noted) return base::fail(std::move(noted.error()));
  return row;
}

Result<KeyRow> update_key(Records& records, const KeyRow& before, KeyRow after, std::string_view action) {
  db::Transaction& transaction = records.transaction();
  if (Status free = check_alias_free(transaction, after, before.hash); !free)
    return base::fail(std::move(free.error()));
  const Actor& actor = records.actor();
  after.updated_by = actor.name;
  after.updated_us = actor.now_us;
  derive(after, actor.now_us);
  std::vector<db::Value> values = key_values(after);
  values.emplace_back(before.hash);
  values.emplace_back(before.updated_us);
  const Result<db::Rows> updated = transaction.run(update_key_sql(), values);
  if (!updated) return taken(updated.error(), after);
  if (updated->changed == 0) {
    Error error;
    error.kind = ErrorKind::Unavailable;
    error.message = "The key was changed by somebody else at the same moment. Please retry.";
    error.retry_after = std::chrono::seconds(1);
    return base::fail(std::move(error));
  }
  const Result<db::NewTerms> terms = terms_of(records, after, &before);
  if (!terms) return base::fail(terms.error());
  const bool other_terms = terms->terms != before.terms || terms->ends_us;
  if (other_terms) {
    if (Status set = db::set_account_terms(transaction, after.account_id, *terms, actor.now_us); !set)
      return base::fail(std::move(set.error()));
  }
  const bool other_spend = after.spend != before.spend;
  if (after.spend != before.spend) {
    const Result<Money> adjusted = db::set_account_spend(transaction, after.account_id, after.spend,
                                                         db::EntryKind::Adjust, actor.name, actor.now_us);
    if (!adjusted) return base::fail(adjusted.error());
    after.spend_edit = *adjusted;
  }
  if (Status read = reread_account(records, after); !read) return base::fail(std::move(read.error()));
  if (Status counted = tokens_follow(records, after, false); !counted) return base::fail(std::move(counted.error()));
  if (other_terms) tell(records, AccountNews::What::Terms, after);
  if (other_spend) tell(records, AccountNews::What::Spend, after);
  if (Status followed = models_follow(records, after, &before); !followed)
    return base::fail(std::move(followed.error()));
  if (Status noted = audit(records, action, after.hash, &before, &after); !noted)
    return base::fail(std::move(noted.error()));
  if (Status noted = note_key(records, after.hash); !noted) return base::fail(std::move(noted.error()));
  return after;
}

Result<KeyRow> rotate_key(Records& records, const KeyRow& before, KeyRow after,
                          std::optional<std::int64_t> old_until_us) {
  db::Transaction& transaction = records.transaction();
  if (Status free = check_hash_free(transaction, after.hash); !free) return base::fail(std::move(free.error()));
  const std::int64_t now_us = records.actor().now_us;
  after.rotation_count = before.rotation_count + 1;
  after.last_rotation_us = now_us;
  if (Status renamed = rename_account(transaction, before, after.hash); !renamed)
    return base::fail(std::move(renamed.error()));
  const auto followed =
      transaction.run("UPDATE deprecated_key SET active_hash = $2 WHERE active_hash = $1", {before.hash, after.hash});
  if (!followed) return base::fail(followed.error());
  if (old_until_us && *old_until_us > now_us) {
    const auto kept = transaction.run(
        "INSERT INTO deprecated_key (hash, active_hash, revoke_at_us, created_at_us) VALUES ($1, $2, $3, $4)",
        {before.hash, after.hash, *old_until_us, now_us});
    if (!kept) return base::fail(kept.error());
  } else if (Status noted = records.note("key", before.hash); !noted) {
    return base::fail(std::move(noted.error()));
  }
  return update_key(records, before, std::move(after), "rotated");
}

Status remove_key(Records& records, const KeyRow& row) {
  db::Transaction& transaction = records.transaction();
  const Actor& actor = records.actor();
  // First: it also keeps others from taking the same number among the deleted keys.
  if (Status noted = note_key(records, row.hash); !noted) return noted;
  const auto kept = transaction.run(
      kKeepDeleted, {row.hash, row.spend.nano(), key_row_json(row), actor.name, actor.key_hash, actor.now_us});
  if (!kept) return base::fail(kept.error());
  const auto gone = transaction.run("DELETE FROM verification_key WHERE hash = $1", {row.hash});
  if (!gone) return base::fail(gone.error());
  const auto older = transaction.run("DELETE FROM deprecated_key WHERE active_hash = $1", {row.hash});
  if (!older) return base::fail(older.error());
  if (Status closed = db::close_account(transaction, row.account_id, actor.now_us); !closed) return closed;
  KeyRow closed = row;
  if (Status read = reread_account(records, closed); !read) return read;
  tell(records, AccountNews::What::Closed, closed);
  if (Status counted = records.close_token_account({kKeyAccount, row.hash}, row.tokens); !counted) return counted;
  if (Status counted = count_keys(transaction, -gone->changed); !counted) return counted;
  return audit(records, "deleted", row.hash, &row, nullptr);
}

Result<std::size_t> end_deprecated_keys(Records& records, std::size_t most) {
  db::Transaction& transaction = records.transaction();
  const auto over = transaction.run("SELECT hash FROM deprecated_key WHERE revoke_at_us <= $1 LIMIT $2",
                                    {records.actor().now_us, static_cast<std::int64_t>(most)});
  if (!over) return base::fail(over.error());
  for (const db::Row& row : over->rows) {
    const std::string hash = db::as_text(row.at(0));
    const auto gone = transaction.run("DELETE FROM deprecated_key WHERE hash = $1", {hash});
    if (!gone) return base::fail(gone.error());
    if (Status noted = records.note("key", hash); !noted) return base::fail(std::move(noted.error()));
  }
  return over->rows.size();
}

}  // namespace turnpike::account
