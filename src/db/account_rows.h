#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/money.h"
#include "db/database.h"
#include "domain/budget.h"

namespace turnpike::db {

/// What administrators do to ledger accounts, as statements inside the transaction that changes the entity itself.
/// Sums stay provable: an edited spend is an entry of its own, numbered by replica 0, which stands for the database.
/// Order of tables in every transaction: replica, account, account_window, entry, daily.
enum class EntryKind : std::int16_t { Call = 0, Adjust = 1, WriteOff = 2, Opening = 3 };

/// An account and its running window.
struct AccountState {
  std::int64_t account_id = 0;
  std::int64_t version = 0;  // How often it has been edited: rises with its terms, its spend, its end and its return.
  domain::BudgetTerms terms;
  domain::BudgetWindow window;
  Money spent;  // Booked in that window; unshipped entries of the process are not in it.
};
struct AccountRow : AccountState {
  std::optional<AccountState> tokens;  // The account in tokens beside this one, once there was one (caller_account.h).

  /// The same while it has a budget; null: calls are not booked there.
  const AccountState* budget_in_tokens() const {
    return tokens && (tokens->terms.limit || tokens->terms.soft) ? &*tokens : nullptr;
  }
};
/// What `read_account` reads, of tables `account a` and `account_window w`, and how w is joined; the same of the
/// account in tokens, `ta` and `tw`.
extern const std::string_view kAccountColumns;
extern const std::string_view kJoinWindow;
/// From column `at` on, which ends behind them. A window that has ended by `now_us` is followed by the one that runs
/// then: nobody may have turned it yet.
Result<AccountRow> read_account(Transaction& transaction, const Row& row, std::size_t& at, std::int64_t now_us);
Result<std::optional<AccountRow>> find_account(Transaction& transaction, std::int64_t account_id, std::int64_t now_us);

/// Which account: of an entity, or of its calls to one model.
struct AccountName {
  std::int16_t kind = 6;  // Spec money 4.
  std::string entity;
  std::string model = {};
};
/// What the ledger knows an account by. `label`: what people call the entity.
domain::CallerAccount facts_of(const AccountState& account, const AccountName& name, std::string label);

/// New terms. Where the duration is another than before, the running window goes on and ends at `ends_us`, else when
/// the calendar says.
struct NewTerms {
  domain::BudgetTerms terms;
  std::optional<std::int64_t> ends_us = {};
};

/// The account of that name, made on first use; reopened when it was closed. Returns its id.
Result<std::int64_t> open_account(Transaction& transaction, const AccountName& name, const NewTerms& terms,
                                  std::int64_t now_us);
Status set_account_terms(Transaction& transaction, std::int64_t account_id, const NewTerms& terms, std::int64_t now_us);
Result<std::int64_t> account_version(Transaction& transaction, std::int64_t account_id);
Status close_account(Transaction& transaction, std::int64_t account_id, std::int64_t now_us);
/// An amount that no call has cost; of an account in tokens they stand in the entry as those of a prompt.
struct DatabaseEntry {
  std::int64_t account_id = 0, window_id = 0, nano = 0;
  EntryKind kind = EntryKind::Adjust;
  std::string by = {};
  std::string reason;
};
/// Books it in that window, as an entry of the database itself.
Status book_entry(Transaction& transaction, const DatabaseEntry& entry, std::int64_t now_us);
/// Books `spend - booked` as an entry of `kind` in the running window and returns that difference.
Result<Money> set_account_spend(Transaction& transaction, std::int64_t account_id, Money spend, EntryKind kind,
                                const std::string& by, std::int64_t now_us);

/// Every window that has ended is followed by the one that runs now. Whoever is first does it, others find it done.
/// Returns how many.
Result<std::int64_t> turn_windows(Transaction& transaction, std::int64_t now_us);

}  // namespace turnpike::db
