#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "records.h"

namespace turnpike::escrow {

/// What one gateway has on its disk: its epoch, in a file that is synced before it counts, and the records of its
/// journal, some of them not synced yet. A model of `ledger/journal.h` and `ledger/replay.h`.
class Journal {
 public:
  explicit Journal(const Plan& plan) : plan_(plan) {}

  struct Replay {
    std::map<std::int64_t, Entry> entries;  // By number.
    std::map<std::int64_t, Call> open;      // Holds without an entry, by call.
    std::int64_t last_no = 0;
  };
  Replay replay() const;
  std::int64_t begin_epoch() { return ++epoch_; }
  std::int64_t epoch() const { return epoch_; }

  void hold(const Call& call, std::int64_t now_us, Dice& dice);
  void extend(std::int64_t call, std::int64_t more_nano, std::int64_t now_us, Dice& dice);
  void entry(const Entry& entry, std::int64_t now_us, Dice& dice);
  /// When all that is written is on disk.
  std::int64_t synced_at_us() const { return records_.empty() ? 0 : records_.back().synced_at_us; }
  bool is_synced(std::int64_t entry_no, std::int64_t now_us) const;

  struct Lost {
    std::vector<std::int64_t> holds;  // By call.
    std::vector<Entry> entries;
    std::uint64_t records = 0;
    bool torn = false;
  };
  /// What was not synced may be lost: each record by itself, or from one on that is written in part.
  Lost cut_power(bool torn, std::int64_t now_us, Dice& dice);

 private:
  struct Record {
    enum class Kind : std::uint8_t { Hold, Extend, Entry };
    Kind kind = Kind::Hold;
    std::int64_t sequence = 0;
    std::int64_t synced_at_us = 0;
    bool torn = false;
    Call call;                               // HOLD
    std::int64_t number = 0, more_nano = 0;  // EXTEND
    Entry entry;                             // ENTRY
  };
  void write(Record record, std::int64_t now_us, Dice& dice);

  const Plan& plan_;
  std::int64_t epoch_ = 0;
  std::vector<Record> records_;
};

}  // namespace turnpike::escrow
