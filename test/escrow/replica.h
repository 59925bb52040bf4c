#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "journal.h"
#include "judge.h"
#include "lease/lease_keeper.h"
#include "world.h"

namespace turnpike::escrow {

/// One gateway: a disk that outlives its processes, and the process that runs on it now. The lease keeper and the words
/// of its accounts are the real ones; journal, shipper and callers are models.
class Replica {
 public:
  Replica(World& world, std::int64_t replica_no, std::int64_t clock_offset_us);

  std::int64_t number() const { return replica_no_; }
  bool runs() const { return process_ != nullptr; }
  bool serves() const { return runs() && process_->serves; }
  /// It has heard what is granted to it, and can give it back.
  bool knows_leases() const { return runs() && process_->keeper.started(); }
  bool disk_lost() const { return disk_lost_; }
  /// Nobody starts it until its disk is found.
  bool is_hidden() const { return is_hidden_; }
  void hide(bool hidden) { is_hidden_ = hidden; }

  // starting.cc
  void start();
  void kill();
  /// What was not synced is lost with it.
  void cut_power(bool torn);
  /// The same while something is not synced: soon after it was written, or when it has been shipped.
  struct PowerCut {
    bool torn = false;
    bool after_shipping = false;
  };
  void await_power_cut(PowerCut cut) { power_cut_ = cut; }
  bool awaits_power_cut() const { return power_cut_.has_value(); }
  void lose_disk();

  /// All that is free goes back and nothing more is admitted.
  void retire();
  /// At the very end.
  void look_at_rest();

  /// A call comes in.
  void serve(Call call);
  void notice(const lease::LeaseNotice& notice);

 private:
  struct Covered {
    LeaseKey key;
    std::shared_ptr<lease::AccountWords> words;
  };
  struct Open {
    Call call;
    std::vector<Covered> covered;
    std::int64_t grown_nano = 0;  // Of the hold, since it was admitted.
    std::int64_t held_nano() const { return call.hold_nano + grown_nano; }
  };
  struct Process {
    Process(const lease::LeaseTerms& terms, std::int64_t epoch) : keeper(terms, epoch) {}
    lease::LeaseKeeper keeper;
    bool registered = false;  // The database knows of this start,
    bool serves = false;      // and calls are admitted, with or without that.
    bool shipping = false;
    std::map<std::int64_t, Entry> entries;  // By number, shipped ones too.
    std::map<std::int64_t, Call> open;      // What replay found, until it is closed.
    std::int64_t last_no = 0;
    std::int64_t shipped_no = 0;           // As far as it knows.
    std::set<std::int64_t> earlier_calls;  // Whose entries were there before it served.
    std::int64_t waking_at_us = INT64_MAX;
    std::map<std::int64_t, std::optional<std::int64_t>> limits_nano;  // As last read.
    bool knows_limits = false;
    std::map<std::int64_t, std::int64_t> windows;  // The newest that was opened, of each account.
    std::vector<LeaseKey> ended;                   // Windows to be retired.
    std::map<std::uint64_t, Open> waiting;         // By ticket.
    std::map<std::int64_t, Open> running;          // By call.
    std::optional<lease::LeaseOperation> flight;
    std::int64_t sent_at_us = 0;
  };
  using Weak = std::weak_ptr<Process>;

  // starting.cc
  void register_epoch();
  void registered(const Database::Registered& found);
  void take_up(const Database::Registered* found);
  void reconcile(const Database::Registered& found);
  void take_over(const Entry& stored);
  void close_hold(const Call& call, std::int64_t entry_no);
  void written(bool is_entry);
  void every(std::int64_t apart_us, void (Replica::*act)());

  // replica.cc
  std::int64_t ledger_time_us() const;
  std::int64_t now_us() const;
  void send_to_database(std::function<void()> arrive, std::function<void()> refused);
  template <typename Read>
  void send_back(const Weak& to, Read read) {
    world_.to_replica(replica_no_, [to, read = std::move(read)] {
      if (!to.expired()) read();
    });
  }
  /// Something of this process happens later, if it is still there.
  void later(std::int64_t us, std::function<void()> happen);
  void tick();
  void read_limits();
  void follow_windows();
  std::shared_ptr<lease::AccountWords> open(std::int64_t account_id, std::int64_t window_id,
                                            std::optional<LeaseKey> after);
  void pump();
  void send_operation(const lease::LeaseOperation& operation);
  void read_answer(lease::LeaseAnswer answer);
  void add_unshipped(lease::LeaseAnswer& answer);
  void end_waits();
  void ship();
  // Mutants.
  void break_before_sending(const lease::LeaseOperation& operation);
  void break_before_reading();
  void break_at_time_out();

  // calls.cc
  bool is_refused(const Open& open, std::int64_t amount_nano) const;
  void wait(Open open, std::uint64_t ticket, std::int64_t amount_nano, std::optional<std::int64_t> wait_us);
  void hang_up(std::uint64_t ticket);
  void admit(Open open);
  bool take(const Open& open, std::int64_t amount_nano);
  void refuse(const Call& call, Refusal how);
  void extend(std::int64_t call_number);
  void end_extension(std::int64_t call_number, bool taken);
  void grow(std::int64_t call_number, double done);
  void settle(std::int64_t call_number);
  void answer(std::int64_t call_number);
  void write_entry(std::int64_t entry_no, std::int64_t call, std::int64_t cost_nano, std::vector<Booking> bookings);

  World& world_;
  const std::int64_t replica_no_;
  const std::int64_t clock_offset_us_;
  Journal journal_;
  bool disk_lost_ = false;
  bool is_hidden_ = false;
  bool retiring_ = false;
  std::optional<PowerCut> power_cut_;
  std::shared_ptr<Process> process_;
};

}  // namespace turnpike::escrow
