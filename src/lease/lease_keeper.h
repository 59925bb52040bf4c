#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "lease/account_words.h"
#include "lease/lease.h"

namespace turnpike::lease {

constexpr std::int64_t kMillisecondUs = 1'000;
constexpr std::int64_t kSecondUs = 1'000'000;

struct LeaseTerms {
  std::int64_t lease_us = 60 * kSecondUs;            // How much is kept free: what is taken in this time.
  std::int64_t pace_us = 15 * kSecondUs;             // Time constant of that measure.
  std::int64_t idle_us = 10 * kSecondUs;             // Unused for so long, it goes back.
  std::int64_t heartbeat_us = 500 * kMillisecondUs;  // An operation at least so often,
  std::int64_t poll_us = 50 * kMillisecondUs;       // and so often where no notices arrive and somebody waits for them.
  std::int64_t answer_us = 500 * kMillisecondUs;    // No answer for so long: the outcome is unknown; a database that
  std::int64_t answer_most_us = kSecondUs;          // has been slow gets four times what it took, up to this.
  std::int64_t linger_us = 5 * kMillisecondUs;      // What comes back within this time shares an operation.
  std::int64_t wait_us = 1'500 * kMillisecondUs;    // The most a call waits,
  std::int64_t held_wait_us = 50 * kMillisecondUs;  // and the least before it is refused or crosses.
  std::int64_t ask_again_us = 100 * kMillisecondUs;  // While others are asked to return.
  std::int64_t verdict_us = 500 * kMillisecondUs;
  std::int64_t tight_us = 5 * kSecondUs;
  std::int64_t report_us = 2 * kSecondUs;     // How old the report of what is committed may be.
  std::int64_t remember_us = 60 * kSecondUs;  // A fail-over of the database may bring back a lease that was given up.
  bool may_cross = true;                      // budget_crossing: allow
  bool notices = true;                        // They can be received.
  std::size_t groups_max = 8;
  std::size_t lines_max = 1'000;
};

/// A budgeted account in one window, as this replica is to treat it.
struct LeaseAccount {
  LeaseKey key;
  bool strict = false;
  std::int64_t limit_nano = 0;
  std::optional<LeaseKey> after;  // The window before it, whose pace it takes over.
  bool in_tokens = false;         // Its amounts are no money.
};

/// What a call needs of one account.
struct LeaseClaim {
  LeaseKey key;
  std::int64_t nano = 0;
};

/// A call that found too little.
struct WaitingCall {
  std::uint64_t ticket = 0;
  std::vector<LeaseClaim> claims;       // On all of the call's accounts, opened before.
  std::optional<std::int64_t> wait_us;  // Instead of LeaseTerms::wait_us.
  bool may_cross = true;                // Beside what terms and accounts allow.
};

/// What a waiting call was waiting for.
struct LeaseOutcome {
  enum class Kind : std::uint8_t {
    Taken,        // The money is taken on all accounts, for this call: it is admitted.
    Refused,      // `key` has not enough: spent or held.
    Unavailable,  // The database could not be asked.
  };
  std::uint64_t ticket = 0;
  Kind kind = Kind::Taken;
  LeaseKey key;
  bool crossed = false;  // More was taken of `key` than was left.
};

/// granted + provisional = free + held + settled.
struct LeaseBelief {
  LeaseKey key;
  std::int64_t granted_nano = 0;
  std::int64_t provisional_nano = 0;  // Opened without the database.
  const AccountWords* words = nullptr;
};

/// One replica's side of the escrow protocol (spec: money 7), without sockets, clocks or threads: whoever runs it says
/// what has happened and what time it is, sends what `next` returns and hands over the answer.
///
/// The rules that keep money safe: what is returned leaves `free` before it is told; nothing is added before the answer
/// is read; operations are numbered, one at a time; an unknown outcome is asked for behind a larger number.
///
/// Threading: one thread, but for the `AccountWords`, which calls change meanwhile.
/// Time:      microseconds of any steady clock; never compared with another machine's.
class LeaseKeeper {
 public:
  LeaseKeeper(LeaseTerms terms, std::int64_t epoch) : terms_(terms), epoch_(epoch) {}

  /// The words of an account; made on first use, or `words`, which then begins from nothing. A window that was retired
  /// must not be opened again.
  std::shared_ptr<AccountWords> open(const LeaseAccount& account, std::int64_t now_us,
                                     std::shared_ptr<AccountWords> words = nullptr);
  /// No further call will take from it: what is free goes back, and when nothing is left it is forgotten.
  void retire(LeaseKey key, std::int64_t now_us);
  /// The process ends: everything goes back.
  void retire_all(std::int64_t now_us);

  /// The outcome follows in `take_outcomes`.
  void wait(WaitingCall call, std::int64_t now_us);
  /// The caller has gone.
  void leave(std::uint64_t ticket);
  /// `settle` asked for it.
  void touched(LeaseKey key, std::int64_t now_us);
  /// What is booked elsewhere may have changed: the next operation asks, if the database knows this lease.
  void look(LeaseKey key, std::int64_t now_us);

  /// The next operation to send, or none now; ask again at `wake_at_us`, after any input, and after an answer.
  std::optional<LeaseOperation> next(std::int64_t now_us);
  std::int64_t wake_at_us() const;
  /// In the first answer of an epoch `own` must tell of this replica's unshipped entries too: in `used_nano`, and in
  /// lines of their own for windows of which the database has no lease.
  void answered(const LeaseAnswer& answer, std::int64_t now_us);
  /// No answer will come to this operation: the connection broke. (`next` sees time-outs itself.)
  void lost(std::int64_t op_no, std::int64_t now_us);
  void noticed(const LeaseNotice& notice, std::int64_t now_us);

  std::vector<LeaseOutcome> take_outcomes();

  /// The first answer of this epoch has been read: what is leased from earlier is known.
  bool started() const { return started_; }
  /// Another process owns the journal: nothing may be admitted any more.
  bool superseded() const { return superseded_; }
  std::int64_t free_nano() const;  // Of money.
  /// Nothing is free, and nothing that was is on its way back.
  bool gave_all_back() const;
  /// The database has not answered for some time.
  bool away() const { return failures_ >= kFailuresOfAway; }
  std::int64_t live_replicas() const { return live_replicas_; }
  std::int64_t rank() const { return rank_; }
  /// Whether notices are heard from now on.
  void hear_notices(bool heard) { terms_.notices = heard; }
  /// What this replica believes of its leases, for reports and tests.
  std::vector<LeaseBelief> beliefs() const;

 private:
  static constexpr int kFailuresOfAway = 2;
  static constexpr std::int64_t kNever = INT64_MIN / 2;

  struct Lease {
    LeaseKey key;
    std::shared_ptr<AccountWords> words;
    bool strict = true;  // Until it is opened and says otherwise.
    bool known = false;  // The database has rows of it.
    bool retired = false;
    bool scarce = false;  // The last operation that needed something found too little.
    bool in_tokens = false;
    bool asks = false;  // For the line's sake, whatever else there is to say.
    std::int64_t limit_nano = 0;
    std::int64_t granted_nano = 0;
    std::int64_t provisional_nano = 0;  // Opened without the database; it becomes debt as far as it is used.
    double pace = 0;                    // Nanodollars taken per second.
    std::int64_t taken_seen_nano = 0;
    std::int64_t pace_at_us = 0, used_at_us = 0, granted_at_us = kNever, reported_at_us = kNever;
    std::int64_t reported_nano = 0;
    std::int64_t recall_no = 0, recall_seen = 0;
    std::int64_t tight_until_us = kNever;
    std::size_t waiting = 0;
  };
  struct Waiting {
    WaitingCall call;
    std::vector<Lease*> leases;
    std::vector<Taking> takings;  // On each of them.
    std::int64_t since_us = 0, ask_at_us = 0, until_us = 0;
    bool asked = false;  // In the operation under way.
    bool heard = false;  // The database has answered it at least once.
    std::optional<LeaseKey> crosses;
  };
  using Queue = std::list<Waiting>;
  struct Flight {
    Flight(LeaseVerb verb_in, std::int64_t op_no_in, std::int64_t sent_us_in)
        : verb(verb_in), op_no(op_no_in), sent_us(sent_us_in) {}
    LeaseVerb verb;
    std::int64_t op_no, sent_us;
    std::vector<LeaseLine> lines;
    std::vector<Lease*> leases;  // By line.
    std::vector<bool> in_full;   // By line: nothing free was kept.
    std::vector<bool> looks;     // By line: asked for when it was sent.
    std::vector<LeaseGroup> groups;
    std::vector<std::uint64_t> tickets;  // By group.
  };
  enum class Standing : std::uint8_t { Unsure, Sure, Bereft };

  // lease_keeper.cc: operations and answers.
  void give_up(std::int64_t now_us);
  bool ask_due(std::int64_t now_us) const;
  std::int64_t patience_us() const;
  std::int64_t held_wait_us() const;
  void note_answer_time(std::int64_t took_us);
  LeaseOperation begin(LeaseVerb verb, std::int64_t now_us);
  LeaseOperation ask(std::int64_t now_us);
  LeaseOperation restore(std::int64_t now_us);
  void read_grants(const Flight& flight, const LeaseAnswer& answer, std::int64_t now_us);
  void adopt(const std::vector<OwnLease>& own, std::int64_t now_us);
  void judge(Waiting& waiting, const LeaseGroup& group, const Flight& flight, const LeaseAnswer& answer,
             std::int64_t now_us);
  std::int64_t patient_at_us(const Waiting& waiting, const Lease& lease, std::int64_t nano) const;
  void hear_recall(Lease& lease, std::int64_t recall_no, std::int64_t tight_us, std::int64_t now_us);
  void forget_retired(std::int64_t now_us);

  // lease_lines.cc: how much, when.
  std::vector<Queue::iterator> choose_calls(std::int64_t now_us);
  void add_groups(LeaseOperation& operation, const std::vector<Queue::iterator>& chosen, std::int64_t now_us);
  void add_others(LeaseOperation& operation, std::int64_t now_us);
  std::size_t add_line(LeaseOperation& operation, Lease& lease, const LeaseLine& line);
  LeaseLine line_of(Lease& lease, bool in_full, std::int64_t first_hold_nano, std::int64_t now_us);
  std::int64_t free_to_keep(const Lease& lease, bool in_full, std::int64_t now_us) const;
  std::int64_t target_nano(const Lease& lease) const;
  void measure_pace(Lease& lease, std::int64_t now_us) const;
  bool has_something_to_say(const Lease& lease, const LeaseLine& line, std::int64_t now_us) const;

  // lease_waiting.cc: calls that wait.
  void serve(std::int64_t now_us);
  void open_provisionally(const Waiting& waiting);
  Queue::iterator end_wait(Queue::iterator at, LeaseOutcome::Kind kind, LeaseKey key = {});
  void ask_soon(LeaseKey key, std::int64_t now_us);
  bool may_cross(const WaitingCall& call, const Lease& lease) const {
    return terms_.may_cross && call.may_cross && !lease.strict;
  }

  Lease& find_or_make(LeaseKey key, std::int64_t now_us, bool& is_new);
  Lease* find(LeaseKey key);
  void hurry(Lease& lease, std::int64_t at_us);
  void watch(Lease& lease, std::int64_t now_us) const;

  LeaseTerms terms_;
  const std::int64_t epoch_;
  Standing standing_ = Standing::Unsure;
  bool started_ = false;
  bool superseded_ = false;
  int failures_ = 0;          // Without an answer, in a row.
  std::int64_t slow_us_ = 0;  // What the slowest of the latest answers took.
  struct {
    std::int64_t op_no = 0, sent_us = 0;
  } given_up_;  // The last one.
  std::int64_t op_no_ = 0, acked_no_ = 0;
  std::int64_t live_replicas_ = 1, rank_ = 0;
  std::int64_t sent_at_us_ = kNever, swept_at_us_ = kNever, retry_at_us_ = kNever;
  std::optional<Flight> flight_;

  std::map<LeaseKey, Lease> leases_;
  std::set<LeaseKey> urgent_;              // To be looked at in the next operation,
  std::int64_t urgent_at_us_ = INT64_MAX;  // which is due by then.
  LeaseKey sweep_from_;                    // Where the last sweep ran out of lines.
  Queue waiting_;                          // Oldest first.
  std::vector<LeaseOutcome> outcomes_;
};

}  // namespace turnpike::lease
