#pragma once

#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/block_pool.h"
#include "ledger/hold_record.h"
#include "ledger/journal.h"
#include "ledger/ledger.h"
#include "ledger/replay.h"
#include "ledger/shipper.h"

namespace turnpike::ledger {

class LedgerImpl;

/// What a live Hold owns. The HOLD record is built at admission and written together with the first ATTEMPT, before
/// anything goes upstream: one `pwrite` less per call.
struct Hold::State : base::PooledObject {
  LedgerImpl* ledger = nullptr;
  std::uint64_t id = 0;
  std::int64_t amount_nano = 0;
  bool free_model = false;
  bool attempted = false;
  std::vector<AccountRef> accounts;
  RecordBatch record;          // HOLD, not sealed; its payload also serves a Hold that is dropped.
  Segment* segment = nullptr;  // Where HOLD was written, pinned.
  std::string price_version;
};

class LedgerImpl final : public Ledger {
 public:
  LedgerImpl(LedgerOptions options, db::Database& database) : options_(std::move(options)), database_(database) {}
  ~LedgerImpl() override;
  Status start();
  Status start_without_journal();

  Result<Hold> admit(const Admission& admission) override;
  std::optional<Error> look(const Admission& admission) override;
  AccountRef account(const AccountFacts& facts) override;
  AccountRef find_account(std::int64_t account_id) const override;
  std::vector<AccountRef> budgeted_accounts(std::int16_t kind, std::size_t count_max) const override;
  void limit_changed(std::int64_t account_id, std::optional<Money> limit, std::int64_t version) override;
  void account_closed(std::int64_t account_id, std::int64_t version) override;
  void spend_changed(std::int64_t account_id, Money spent, Money difference, std::int64_t version) override;
  void close(std::chrono::milliseconds patience) override;
  Task<void> shipped() override;
  Task<void> durable() override;
  const LedgerCounters& counters() const override;
  std::string readiness() const override;

  // For Hold.
  bool attempt(Hold::State& hold, std::uint32_t number, std::string_view deployment_id, std::string_view price_version);
  void write(Hold::State& hold, RecordBatch& records);
  bool take(Hold::State& hold, std::int64_t nano);
  void take_anyway(Hold::State& hold, std::int64_t nano);
  void settle(Hold::State& hold, domain::CallRecord& record);
  void settle_dropped(Hold::State& hold);
  void undo(Hold::State& hold);

 private:
  /// Which account refused, if one did; what was taken is given back then.
  AccountWindow* take_all(const std::vector<AccountRef>& accounts, std::int64_t nano, std::uint64_t crossing_id);
  Error refusal(const AccountWindow& account, std::int64_t needed_nano, bool last_try);
  Result<ReplicaRow> join(const std::string& journal_id, std::uint64_t epoch);
  bool joins_later(const Error& error) const;
  std::unique_ptr<Shipper> make_shipper(const ReplicaRow& replica, std::function<Result<ReplicaRow>()> join,
                                        std::uint64_t last_no = 0);
  void finish(Hold::State& hold, EntryRow& row);
  bool has_room() const;
  std::uint64_t next_entry_no();
  std::uint64_t last_entry_no() const;

  const LedgerOptions options_;
  db::Database& database_;
  const std::uint64_t instance_ = next_instance();
  mutable LedgerCounters counters_;
  std::unique_ptr<Journal> journal_;  // Null with --no-journal.
  std::unique_ptr<Shipper> shipper_;
  std::atomic<std::uint64_t> entry_no_{0}, hold_id_{0};  // Used without a journal.
  std::atomic<bool> closing_{false};
  bool closed_ = false;

  struct EarlyEdit {
    std::int64_t nano = 0;
    std::int64_t version = 0;
  };
  using EarlyEdits = std::unordered_map<std::int64_t, EarlyEdit>;
  static void keep_early(EarlyEdits& edits, std::int64_t account_id, EarlyEdit edit);

  mutable std::mutex accounts_mutex_;
  std::map<std::int64_t, AccountRef> accounts_;
  EarlyEdits early_limits_, early_spends_;  // Changed before this process knew the account.

  static std::uint64_t next_instance();
};

/// The limit as `free` counts it: none is 0, and nobody asks `free` then.
inline std::int64_t counted_limit(std::int64_t limit_nano) {
  return limit_nano < 0 ? 0 : limit_nano;
}

}  // namespace turnpike::ledger
