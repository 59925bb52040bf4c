#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "account/change_feed.h"
#include "base/money.h"
#include "base/result.h"
#include "db/account_rows.h"
#include "db/database.h"
#include "json/write.h"

/// Rows of the entities that administrators keep: organisations, teams, users, budgets, ... Each table is described
/// once (`tables.h`); what is done to a row is the same for all, and is written into the audit log and the change feed
/// in the transaction that does it.
namespace turnpike::account {

enum class ColumnKind : std::uint8_t { Text, Whole, Amount, Flag, Time, Object, List };

/// A column under LiteLLM's field name. In SQL an Amount is `<name>_nano`, a Time `<name>_us`, an Object and a List are
/// JSON text, a Flag is 0 or 1.
struct Column {
  std::string_view name;
  ColumnKind kind = ColumnKind::Text;
  bool nullable = true;  // Objects, lists and flags never are.
};

struct Table {
  std::string_view sql;         // "team"
  std::string_view audit_name;  // "LiteLLM_TeamTable"
  std::span<const Column> columns;
  std::size_t keys = 1;           // How many leading columns are the key.
  std::int16_t account_kind = 0;  // Kind of its ledger account (spec money 4); 0: it has none.
  bool feeds = true;              // Its changes reach other replicas (change_feed.h).

  bool has(std::string_view column) const;
};

/// One row with its bookkeeping columns.
class Record {
 public:
  explicit Record(const Table& table);

  const Table& table() const { return *table_; }
  std::string key(std::size_t at = 0) const { return db::as_text(values_.at(at)); }
  /// The key as audit log, change feed and ledger account name it; of two columns "first::second".
  std::string id() const;

  const db::Value& operator[](std::string_view column) const;
  bool is_null(std::string_view column) const { return db::is_null((*this)[column]); }
  std::string text(std::string_view column) const { return db::as_text((*this)[column]); }
  std::optional<std::string> maybe_text(std::string_view column) const;
  std::optional<std::int64_t> whole(std::string_view column) const;
  std::optional<Money> amount(std::string_view column) const;
  bool flag(std::string_view column) const { return db::as_int((*this)[column]) != 0; }
  std::vector<std::string> list(std::string_view column) const;

  Record& set(std::string_view column, db::Value value);  // Text, whole, flag (0, 1), time (us), JSON text; null.
  Record& set(std::string_view column, std::optional<Money> amount);
  Record& set_list(std::string_view column, const std::vector<std::string>& texts);

  std::int64_t created_us = 0, updated_us = 0;
  std::string created_by, updated_by;
  std::int64_t account_id = 0;             // 0 where the table has no accounts.
  std::int64_t account_version = 0;        // How often that account has been edited.
  Money spend;                             // Booked in the running window.
  Money spend_edit;                        // By how much the change that returned this row changed what is booked.
  domain::BudgetTerms terms;               // The account's: the row's own, else those of the budget it is linked to;
  domain::BudgetWindow window;             // and which window runs there.
  std::optional<db::AccountState> tokens;  // The account of its budget in tokens, while it has one.

  void take(db::AccountRow account);  // Everything of the account's into the members above.

 private:
  friend class Records;
  std::size_t place(std::string_view column) const;
  const Table* table_;
  std::vector<db::Value> values_;  // In the order of table().columns.
};

/// Who changes something, and in which request: goes into the audit log and the *_by columns.
struct Actor {
  std::string name;      // `litellm-changed-by`, else the user, else the key's name.
  std::string key_hash;  // Empty for the master key.
  std::string request_id;
  std::int64_t now_us = 0;
  bool audited = true;              // False: nothing goes into the audit log (litellm_settings.store_audit_logs).
  std::string calendar = "UTC";     // By which budgets begin anew (domain/budget.h).
  mutable std::uint64_t lines = 0;  // Written into the audit log so far: what orders them.
};

/// One condition of a list; all must hold. `values` empty: nothing fits.
struct Condition {
  enum class Test : std::uint8_t { Equals, Contains, AnyOf, IsNull, From, Until };  // Contains: part of a text.
  std::string_view column;                                                          // Of the table, or "created_at".
  Test test = Test::Equals;
  std::vector<db::Value> values;
};

struct Query {
  std::vector<Condition> where;
  std::string_view sort_by;  // A column of the table, "spend", "created_at" or "updated_at"; empty: by creation.
  bool ascending = true;
  std::uint64_t page = 1;
  std::uint64_t size = 100;  // 0: all.
};

struct RecordPage {
  std::vector<Record> rows;
  std::uint64_t total = 0;
};

/// What the ledger of this process is told once the unit of work is committed (ledger.h: terms_changed, spend_changed,
/// account_closed); other replicas read it with their callers.
struct AccountNews {
  enum class What : std::uint8_t { Terms, Spend, Closed } what = What::Terms;
  domain::CallerAccount account;  // As it stands now.
  Money edit;                     // Spend: by how much what is booked has changed.
};

/// Rows inside one transaction on behalf of one actor.
///
/// Errors: InvalidRequest with code "unique" where the key or a unique column is taken, NotFound by `get`, else the
///         database's own.
class Records {
 public:
  Records(db::Transaction& transaction, const Actor& actor) : transaction_(transaction), actor_(actor) {}

  Result<std::optional<Record>> find(const Table& table, std::string_view first, std::string_view second = {});
  Result<Record> get(const Table& table, std::string_view first, std::string_view second = {});
  Result<RecordPage> list(const Table& table, const Query& query);
  /// The rows whose `column` is `value`, by their key.
  Result<std::vector<Record>> all(const Table& table, std::string_view column, std::string_view value);

  /// Makes the row; opens its ledger account with `row.spend`.
  Result<Record> create(Record row);
  /// Writes every column; a changed `limit` source or `spend` reaches the account. `before` is the row as it was read.
  /// `action`: what the audit log says: "updated", "blocked", ...
  Result<Record> update(const Record& before, Record after, std::string_view action = "updated");
  /// A copy goes to `deleted_record`, the account is closed.
  Status remove(const Record& row);

  /// What this unit of work has changed so far: its callers on this replica hear of it as soon as it is committed.
  const std::vector<Change>& changes() const { return changes_; }
  const std::vector<AccountNews>& account_news() const { return account_news_; }
  void tell(AccountNews news) { account_news_.push_back(std::move(news)); }
  /// The account of an entity, or of its calls to one model, with these terms; made where there is none. What has
  /// changed is told.
  Status set_account(const db::AccountName& name, const db::NewTerms& terms);
  /// The account beside that of `name` that counts tokens: begins anew with the other one, whose window ends at
  /// `ends_us`. Not made before there is a budget in tokens.
  Status set_token_account(const db::AccountName& name, const domain::BudgetTerms& terms, std::int64_t ends_us);
  /// The entity of `name` is deleted, `tokens` is its account in tokens; or made again, and nothing is booked there
  /// yet.
  Status close_token_account(const db::AccountName& name, const std::optional<db::AccountState>& tokens);
  Status begin_tokens_anew(const db::AccountName& name, db::AccountState& tokens);
  /// What a budget object says for an account that is linked to it now, and for the one in tokens beside it.
  db::NewTerms terms_of_budget(const Record& budget) const;
  domain::BudgetTerms token_terms_of_budget(const Record& budget) const;
  /// Notes a change of something that is no record (a key).
  Status note(std::string_view kind, std::string_view entity);

  db::Transaction& transaction() { return transaction_; }
  const Actor& actor() const { return actor_; }

 private:
  Result<Record> read_back(const Table& table, const db::Row& row);
  Result<db::NewTerms> terms_of(const Record& row, const Record* before);
  Result<domain::BudgetTerms> token_terms_of(const Record& row);
  Status tokens_follow(Record& row, bool is_new);
  Status read_terms(Record& row);
  void show_reset(Record& row) const;
  Status terms_follow(const Record& before, const Record& budget);
  Status tokens_follow_budget(const Record& before, const Record& budget);
  static std::string linked_accounts();
  Status models_follow(const Record& budget);
  Status tell_linked(const Record& budget);

  db::Transaction& transaction_;
  const Actor& actor_;
  std::vector<Change> changes_;
  std::vector<AccountNews> account_news_;
};

/// Whether metadata says `budget_mode: strict`: more than the configuration asks for.
bool is_strict(std::string_view metadata_json);
/// What the ledger is told of a row's account, and of the one in tokens, if it has a budget there.
domain::CallerAccount facts_of(const Record& row, std::string label = {});
std::optional<domain::CallerAccount> token_facts_of(const Record& row, const std::string& label = {});

/// Writes the members of the row into an open object: its columns by their kind, then created_*, updated_*. Columns of
/// `hidden` (passwords) stay out.
void write_record(json::Writer& writer, const Record& row, std::span<const std::string_view> hidden = {});
/// The same as a whole object; what the audit log keeps.
std::string record_json(const Record& row);

/// One line of the audit log. Secrets never come in here: `before` and `after` are rows without them; null: "".
Status write_audit(db::Transaction& transaction, const Actor& actor, std::string_view action,
                   std::string_view table_name, std::string_view object_id, std::string_view before,
                   std::string_view after);

}  // namespace turnpike::account
