#include "journal.h"

#include <algorithm>
#include <set>
#include <utility>

namespace turnpike::escrow {
namespace {

constexpr std::int64_t kLingerUs = kMillisecondUs;  // With ledger_durability: disk.

}  // namespace

void Journal::write(Record record, std::int64_t now_us, Dice& dice) {
  const std::int64_t begins_us = plan_.synced ? now_us + kLingerUs : now_us - now_us % plan_.sync_us + plan_.sync_us;
  record.synced_at_us = std::max(synced_at_us(), begins_us + dice.between(500, 5'000));
  record.sequence = records_.empty() ? 1 : records_.back().sequence + 1;
  records_.push_back(std::move(record));
}

void Journal::hold(const Call& call, std::int64_t now_us, Dice& dice) {
  Record record;
  record.kind = Record::Kind::Hold;
  record.call = call;
  write(std::move(record), now_us, dice);
}

void Journal::extend(std::int64_t call, std::int64_t more_nano, std::int64_t now_us, Dice& dice) {
  Record record;
  record.kind = Record::Kind::Extend;
  record.number = call;
  record.more_nano = more_nano;
  write(std::move(record), now_us, dice);
}

void Journal::entry(const Entry& entry, std::int64_t now_us, Dice& dice) {
  Record record;
  record.kind = Record::Kind::Entry;
  record.entry = entry;
  write(std::move(record), now_us, dice);
}

bool Journal::is_synced(std::int64_t entry_no, std::int64_t now_us) const {
  for (auto at = records_.rbegin(); at != records_.rend() && at->synced_at_us > now_us; ++at) {
    if (at->kind == Record::Kind::Entry && at->entry.entry_no == entry_no) return false;
  }
  return true;
}

/// Records stand in the order of their numbers; of two entries with one number the later is true.
Journal::Replay Journal::replay() const {
  Replay replay;
  std::set<std::int64_t> closed;
  std::int64_t sequence = 0;
  for (const Record& record : records_) {
    if (plan_.mutant == Mutant::StopAtGap && record.sequence != sequence + 1) break;
    sequence = record.sequence;
    if (record.torn && plan_.mutant != Mutant::TakeTorn) continue;
    switch (record.kind) {
      case Record::Kind::Hold:
        if (!closed.contains(record.call.number)) replay.open[record.call.number] = record.call;
        break;
      case Record::Kind::Extend:
        if (const auto found = replay.open.find(record.number); found != replay.open.end())
          found->second.hold_nano += record.more_nano;
        break;
      case Record::Kind::Entry: {
        Entry& entry = replay.entries[record.entry.entry_no] = record.entry;
        if (record.torn) entry.cost_nano = 3 * entry.cost_nano + 1;
        replay.last_no = std::max(replay.last_no, entry.entry_no);
        if (entry.call == 0) break;
        closed.insert(entry.call);
        replay.open.erase(entry.call);
        break;
      }
    }
  }
  return replay;
}

Journal::Lost Journal::cut_power(bool torn, std::int64_t now_us, Dice& dice) {
  Lost lost;
  const auto first = std::ranges::find_if(records_, [&](const Record& one) { return one.synced_at_us > now_us; });
  std::vector<Record> unsynced(std::make_move_iterator(first), std::make_move_iterator(records_.end()));
  records_.erase(first, records_.end());
  const auto torn_at = static_cast<std::size_t>(dice.between(0, static_cast<std::int64_t>(unsynced.size()) - 1));
  for (std::size_t i = 0; i < unsynced.size(); ++i) {
    Record& record = unsynced[i];
    record.synced_at_us = now_us;
    const bool is_lost = torn ? i >= torn_at : dice.chance(0.5);
    if (is_lost) {
      ++lost.records;
      if (record.kind == Record::Kind::Hold) lost.holds.push_back(record.call.number);
      if (record.kind == Record::Kind::Entry) lost.entries.push_back(record.entry);
    }
    record.torn = torn && i == torn_at;
    lost.torn = lost.torn || record.torn;
    if (!is_lost || record.torn) records_.push_back(std::move(record));
  }
  return lost;
}

}  // namespace turnpike::escrow
