#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "judge.h"
#include "ledger/lease_keeper.h"
#include "world.h"

namespace turnpike::escrow {

/// One gateway: a disk that outlives its processes, and the process that runs on it now. The lease keeper and the words
/// of its accounts are the real ones; journal, shipper and callers are models.
class Replica {
 public:
  Replica(World& world, std::int64_t replica_no, std::int64_t clock_offset_us)
      : world_(world), replica_no_(replica_no), clock_offset_us_(clock_offset_us) {}

  std::int64_t number() const { return replica_no_; }
  bool runs() const { return process_ != nullptr; }
  bool disk_lost() const { return disk_lost_; }

  void start();
  void kill();
  void lose_disk();
  /// All that is free goes back and nothing more is admitted.
  void retire();
  /// At the very end.
  void look_at_rest();

  /// A call comes in.
  void serve(Call call);
  void notice(const ledger::LeaseNotice& notice);

 private:
  struct Disk {
    std::int64_t epoch = 0;
    std::vector<Entry> entries;          // Their numbers are 1, 2, 3, ...
    std::map<std::int64_t, Call> holds;  // Open ones, by call.
  };
  struct Covered {
    LeaseKey key;
    std::shared_ptr<ledger::AccountWords> words;
  };
  struct Open {
    Call call;
    std::vector<Covered> covered;
  };
  struct Process {
    Process(const ledger::LeaseTerms& terms, std::int64_t epoch) : keeper(terms, epoch) {}
    ledger::LeaseKeeper keeper;
    bool registered = false;
    bool shipping = false;
    std::int64_t shipped_no = 0;  // As far as it knows.
    std::int64_t entries_at_start = 0;
    std::int64_t waking_at_us = INT64_MAX;
    std::map<std::int64_t, std::optional<std::int64_t>> limits_nano;  // As last read.
    bool knows_limits = false;
    std::map<std::int64_t, std::int64_t> windows;  // The newest that was opened, of each account.
    std::vector<LeaseKey> ended;                   // Windows to be retired.
    std::map<std::int64_t, Open> waiting;
    std::map<std::int64_t, Open> running;
    std::optional<ledger::LeaseOperation> flight;
    std::int64_t sent_at_us = 0;
  };
  using Weak = std::weak_ptr<Process>;

  std::int64_t ledger_time_us() const;
  void send_to_database(std::function<void()> arrive, std::function<void()> refused);
  template <typename Read>
  void send_back(const Weak& to, Read read);
  void every(std::int64_t apart_us, void (Replica::*act)());
  void register_epoch();
  void tick();
  void read_limits();
  void follow_windows();
  std::shared_ptr<ledger::AccountWords> open(std::int64_t account_id, std::int64_t window_id,
                                             std::optional<LeaseKey> after);
  void pump();
  void send_operation(const ledger::LeaseOperation& operation);
  void read_answer(ledger::LeaseAnswer answer);
  void add_unshipped(ledger::LeaseAnswer& answer);
  void end_waits();
  void admit(Open open);
  bool take(Open& open);
  void refuse(const Call& call, Refusal how);
  void settle(std::int64_t call_number);
  void write_entry(const Call& call, std::int64_t cost_nano, std::vector<Booking> bookings);
  void ship();
  // Mutants.
  void break_before_sending(const ledger::LeaseOperation& operation);
  void break_before_reading();
  void break_at_time_out();

  World& world_;
  const std::int64_t replica_no_;
  const std::int64_t clock_offset_us_;
  Disk disk_;
  bool disk_lost_ = false;
  bool retiring_ = false;
  std::shared_ptr<Process> process_;
};

}  // namespace turnpike::escrow
