#include "journal/replay.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

namespace turnpike::journal {
namespace {

// Threads write side by side: a kill may leave one record missing before others that are whole.
constexpr std::uint64_t kTornSequences = 256;

EntryId moved_of(const RecordView& record) {
  PayloadReader payload(record.payload);
  EntryId id;
  id.entry_no = payload.u64();
  id.hold_id = payload.u64();
  return id;
}

/// Numbers seen, kept as sorted runs: a healthy journal is one run.
class NumberSet {
 public:
  void add(std::uint64_t number) {
    if (!runs_.empty() && runs_.back().second + 1 == number) {
      runs_.back().second = number;
    } else {
      runs_.emplace_back(number, number);
    }
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> holes() {
    std::sort(runs_.begin(), runs_.end());
    std::vector<std::pair<std::uint64_t, std::uint64_t>> holes;
    reach_ = 0;
    for (std::size_t i = 1; i < runs_.size(); ++i) {
      reach_ = std::max(reach_, runs_[i - 1].second);
      if (runs_[i].first > reach_ + 1) holes.emplace_back(reach_ + 1, runs_[i].first - 1);
    }
    return holes;
  }
  bool empty() const { return runs_.empty(); }
  bool contains(std::uint64_t number) const {
    return std::any_of(runs_.begin(), runs_.end(),
                       [&](const auto& run) { return run.first <= number && number <= run.second; });
  }

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> runs_;
  std::uint64_t reach_ = 0;
};

class Reader {
 public:
  explicit Reader(Replay& replay) : replay_(replay) {}

  void read(const RecordView& record) {
    if ((record.flags & kWrittenAgain) != 0 && sequences_.contains(record.sequence)) return;
    replay_.max_sequence = std::max(replay_.max_sequence, record.sequence);
    sequences_.add(record.sequence);
    replay_.clean_stop = record.type == RecordType::Stop;
    PayloadReader payload(record.payload);
    switch (record.type) {
      case RecordType::Hold:
        hold(record);
        return;
      case RecordType::Entry:
        entry(record);
        return;
      case RecordType::Attempt:
        if (OpenHold* open = find(payload.u64())) {
          payload.u32();
          open->attempted = open->awaited = true;
          open->deployment_id = payload.text();
          open->price_version = payload.text();
        }
        return;
      case RecordType::Answer:
        if (OpenHold* open = find(payload.u64())) {
          payload.u32();
          open->answered = true;
          open->awaited = false;
          open->prompt_tokens = payload.u64();
          open->cost = Money::from_nano(payload.i64());
        }
        return;
      case RecordType::Progress:
        if (OpenHold* open = find(payload.u64())) {
          open->answered = true;
          open->awaited = false;
          open->prompt_tokens = payload.u64();
          open->completion_tokens = payload.u64();
          open->cost = Money::from_nano(payload.i64());
        }
        return;
      case RecordType::Extend:
        if (OpenHold* open = find(payload.u64())) {
          open->extended += Money::from_nano(payload.i64());
          if (!payload.done()) open->extended_tokens += payload.i64();
        }
        return;
      case RecordType::Shipped:
        replay_.shipped_no = std::max(replay_.shipped_no, payload.u64());
        return;
      case RecordType::Open: {
        const std::uint64_t next_entry = payload.u64();
        if (next_entry > 0) {
          replay_.max_entry_no = std::max(replay_.max_entry_no, next_entry - 1);
          before_no_ = std::min(before_no_, next_entry - 1);
        }
        replay_.shipped_no = std::max(replay_.shipped_no, payload.u64());
        return;
      }
      case RecordType::Moved: {
        const EntryId id = moved_of(record);
        replay_.moved.insert(id);
        closed_.erase(id.hold_id);  // What ends the hold stands behind it, or only in the database.
        std::erase(replay_.interrupted_nos, id.entry_no);
        return;
      }
      case RecordType::Start:
      case RecordType::Stop:
        return;
    }
  }

  void finish() {
    std::erase_if(replay_.interrupted_nos, [&](std::uint64_t number) { return number <= replay_.shipped_no; });
    for (auto& [id, open] : open_) {
      replay_.open_holds.push_back(std::move(open));
      OpenHold& last = replay_.open_holds.back();
      last.facts = *read_hold(last.hold);
    }
    std::sort(replay_.open_holds.begin(), replay_.open_holds.end(),
              [](const OpenHold& a, const OpenHold& b) { return a.facts.hold_id < b.facts.hold_id; });
    NumberSet known = entries_;
    if (before_no_ != UINT64_MAX) known.add(before_no_);
    if (const auto holes = known.holes(); !holes.empty()) replay_.first_hole_no = holes.front().first;
    if (!entries_.empty() || replay_.max_entry_no > 0) {
      if (replay_.shipped_no > 0) entries_.add(replay_.shipped_no);
      entries_.add(replay_.max_entry_no + 1);
      if (replay_.shipped_no == 0) entries_.add(0);
      for (const auto& [from, to] : entries_.holes()) {
        for (std::uint64_t number = std::max(from, replay_.shipped_no + 1); number <= to; ++number) {
          replay_.missing_entry_nos.push_back(number);
        }
      }
    }
    for (const auto& hole : sequences_.holes()) {
      if (hole.second + kTornSequences < replay_.max_sequence) {
        replay_.gaps.push_back(hole);
      } else {
        replay_.torn_tail = true;
      }
    }
  }

 private:
  OpenHold* find(std::uint64_t hold_id) {
    const auto found = open_.find(hold_id);
    return found == open_.end() ? nullptr : &found->second;
  }
  void hold(const RecordView& record) {
    const auto facts = read_hold(record.payload);
    if (!facts || closed_.contains(facts->hold_id)) return;
    open_[facts->hold_id].hold = record.payload;
  }
  void entry(const RecordView& record) {
    const auto row = decode_row(record.payload);
    if (!row) return;
    replay_.max_entry_no = std::max(replay_.max_entry_no, row->numbers.entry_no);
    entries_.add(row->numbers.entry_no);
    constexpr auto kInterrupted = static_cast<std::uint8_t>(domain::EntryStatus::Interrupted);
    if (row->numbers.status == kInterrupted) replay_.interrupted_nos.push_back(row->numbers.entry_no);
    if (row->numbers.hold_id == 0) return;  // A number nobody could explain.
    if (!closed_.insert(row->numbers.hold_id).second) replay_.doubled_holds.push_back(row->numbers.hold_id);
    open_.erase(row->numbers.hold_id);
  }

  Replay& replay_;
  NumberSet sequences_, entries_;
  std::uint64_t before_no_ = UINT64_MAX;  // The last entry number that was given out before the oldest segment here.
  std::unordered_map<std::uint64_t, OpenHold> open_;
  std::unordered_set<std::uint64_t> closed_;
};

/// What the newest OPEN record says replay needs; 0: everything.
std::uint64_t needed_from(const KeptSegment& newest) {
  std::uint64_t needed = 0;
  bool first = true;
  const auto scanned = scan_segment(newest, [&](const RecordView& record) {
    if (first && record.type == RecordType::Open) {
      PayloadReader payload(record.payload);
      payload.u64();
      payload.u64();
      needed = payload.u64();
    }
    first = false;
  });
  return scanned ? needed : 0;
}

}  // namespace

Result<Replay> replay_journal(const std::string& directory, bool everything) {
  Replay replay;
  auto listing = list_journal(directory);
  if (!listing) return base::fail(listing.error());
  replay.segments = std::move(listing->segments);
  replay.unused_files = std::move(listing->unused_files);
  replay.damaged_files = std::move(listing->unreadable_files);
  replay.last_number = listing->last_number;
  for (const KeptSegment& segment : replay.segments) {
    if (segment.header_damaged) replay.damaged_files.push_back(segment.path);
  }
  if (replay.segments.empty()) return replay;
  replay.first_needed_segment = everything ? 0 : needed_from(replay.segments.back());

  Reader reader(replay);
  for (const KeptSegment& segment : replay.segments) {
    replay.last_epoch = std::max(replay.last_epoch, segment.header.epoch);
    if (segment.number < replay.first_needed_segment) continue;
    const auto scanned = scan_segment(segment, [&](const RecordView& record) { reader.read(record); });
    if (!scanned) return base::fail(scanned.error());
    replay.bytes_skipped += scanned->bytes_skipped;
    if (scanned->bytes_skipped > 0) replay.torn_tail = true;
  }
  reader.finish();
  return replay;
}

Status read_entries(const std::vector<KeptSegment>& segments, std::uint64_t from, std::uint64_t to,
                    const std::set<EntryId>& moved,
                    const std::function<bool(std::uint64_t number, std::string_view payload)>& found) {
  bool more = true;
  for (const KeptSegment& segment : segments) {
    if (!more) break;
    const auto scanned = scan_segment(segment, [&](const RecordView& record) {
      if (!more || record.type != RecordType::Entry) return;
      const auto id = entry_id_of(record.payload);
      if (id && id->entry_no >= from && id->entry_no <= to && !moved.contains(*id))
        more = found(id->entry_no, record.payload);
    });
    if (!scanned) return base::fail(scanned.error());
  }
  return {};
}

Result<std::set<EntryId>> read_moved(const std::vector<KeptSegment>& segments) {
  std::set<EntryId> moved;
  for (const KeptSegment& segment : segments) {
    const auto scanned = scan_segment(segment, [&](const RecordView& record) {
      if (record.type == RecordType::Moved) moved.insert(moved_of(record));
    });
    if (!scanned) return base::fail(scanned.error());
  }
  return moved;
}

void put_moved(std::string& out, EntryId id) {
  put_u64(out, id.entry_no);
  put_u64(out, id.hold_id);
}

EntryRow nobodys_row(std::uint64_t entry_no, std::int64_t now_us) {
  EntryRow row;
  row.numbers.entry_no = entry_no;
  row.numbers.started_us = row.numbers.ended_us = now_us;
  row.numbers.status = static_cast<std::uint8_t>(domain::EntryStatus::Interrupted);
  row.numbers.marks = domain::kInterrupted;
  row.text(Text::EndReason) = "journal_gap";
  return row;
}

EntryRow closing_row(const OpenHold& hold, std::uint64_t entry_no, std::int64_t now_us, bool strict,
                     std::string& record_id) {
  EntryRow row;
  EntryNumbers& numbers = row.numbers;
  const Money held = hold.facts.amount + hold.extended;
  numbers.entry_no = entry_no;
  numbers.hold_id = hold.facts.hold_id;
  numbers.started_us = hold.facts.started_us;
  numbers.ended_us = now_us;
  numbers.held_nano = held.nano();
  numbers.status = static_cast<std::uint8_t>(domain::EntryStatus::Interrupted);
  numbers.marks = domain::kInterrupted;
  if (hold.answered) {
    numbers.marks |= domain::kEstimated;
    numbers.prompt_tokens = hold.prompt_tokens;
    numbers.completion_tokens = hold.completion_tokens;
    numbers.cost_nano = hold.cost.nano();
  }
  if (hold.awaited) numbers.exposure_nano = std::max<std::int64_t>(held.nano() - numbers.cost_nano, 0);
  if (strict && hold.attempted) {
    numbers.cost_nano = std::max(numbers.cost_nano, held.nano());
    // An entry has no tokens but those of prompt and answer: what is held beyond them counts as answer.
    if (hold.facts.accounts.tokens != 0) {
      const std::int64_t lacking_tokens = hold.facts.tokens + hold.extended_tokens - tokens_of(numbers);
      numbers.completion_tokens += static_cast<std::uint64_t>(std::max<std::int64_t>(lacking_tokens, 0));
    }
  }
  row.accounts = hold.facts.accounts;
  record_id = hold.facts.record_id.to_string();
  row.text(Text::RecordId) = record_id;
  row.text(Text::CallId) = hold.facts.call_id;
  row.text(Text::KeyHash) = hold.facts.key_hash;
  row.text(Text::ModelGroup) = hold.facts.model_group;
  row.text(Text::DeploymentId) = hold.deployment_id;
  row.text(Text::PriceVersion) = hold.price_version;
  row.text(Text::ErrorText) = "The gateway ended while the call was running.";
  row.text(Text::EndReason) = "gateway_crash";
  return row;
}

}  // namespace turnpike::journal
