#include "journal/journal.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "base/fault.h"
#include "journal/replay.h"

namespace turnpike::journal::journal_test {
namespace {

SegmentHeader a_header() {
  SegmentHeader header;
  header.number = 3;
  header.epoch = 2;
  header.created_ns = 17;
  return header;
}

struct Segment3 {
  std::string bytes;
  std::uint32_t crc = 0;
  std::vector<std::size_t> starts;
};

/// A segment of `count` records whose payload tells their sequence.
Segment3 segment_of(std::uint64_t count) {
  Segment3 segment;
  SegmentHeader header = a_header();
  segment.bytes = encode_header(header);
  segment.crc = header.crc;
  for (std::uint64_t i = 0; i < count; ++i) {
    RecordBatch record;
    record.begin(RecordType::Entry);
    record.payload().append(std::string(20 * i, static_cast<char>('a' + i)) + std::to_string(i + 1));
    record.end();
    record.seal(header.crc, i + 1, 99);
    segment.starts.push_back(segment.bytes.size());
    segment.bytes += record.bytes();
  }
  return segment;
}

std::string expected_payload(std::uint64_t sequence) {
  return std::string(20 * (sequence - 1), static_cast<char>('a' + sequence - 1)) + std::to_string(sequence);
}

TEST(JournalFormat, HeaderComesBackAndADamagedOneDoesNot) {
  SegmentHeader header = a_header();
  const std::string bytes = encode_header(header);
  ASSERT_EQ(bytes.size(), kSegmentHeaderBytes);
  const auto read = decode_header(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->number, 3u);
  EXPECT_EQ(read->epoch, 2u);
  EXPECT_EQ(read->crc, header.crc);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_FALSE(decode_header(flipped).has_value()) << i;
  }
}

TEST(JournalFormat, AnyFlippedByteCostsAtMostItsOwnRecord) {
  const Segment3 segment = segment_of(6);
  for (std::size_t i = kSegmentHeaderBytes; i < segment.bytes.size(); ++i) {
    std::string damaged = segment.bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    std::set<std::uint64_t> found;
    const ScanResult result = scan_records(damaged, segment.crc, [&](const RecordView& record) {
      EXPECT_EQ(record.payload, expected_payload(record.sequence)) << "byte " << i;  // Whole or not at all.
      EXPECT_TRUE(found.insert(record.sequence).second);
    });
    EXPECT_GE(found.size(), 5u) << "byte " << i;
    EXPECT_EQ(found.size() == 6, result.bytes_skipped == 0) << "byte " << i;
  }
}

TEST(JournalFormat, AnyCutTailLeavesTheWholeRecordsBeforeIt) {
  const Segment3 segment = segment_of(6);
  for (std::size_t cut = kSegmentHeaderBytes; cut <= segment.bytes.size(); ++cut) {
    std::uint64_t next = 1;
    scan_records(std::string_view(segment.bytes).substr(0, cut), segment.crc, [&](const RecordView& record) {
      EXPECT_EQ(record.sequence, next++);
      EXPECT_EQ(record.payload, expected_payload(record.sequence));
    });
    std::uint64_t whole = 0;
    for (std::size_t i = 0; i < segment.starts.size(); ++i) {
      whole += cut >= segment.starts[i] + kRecordHeaderBytes + expected_payload(i + 1).size() ? 1 : 0;
    }
    EXPECT_EQ(next - 1, whole) << "cut at " << cut;
  }
}

TEST(JournalFormat, BytesOfARecycledSegmentNeverPass) {
  const Segment3 segment = segment_of(3);
  const ScanResult result = scan_records(segment.bytes, segment.crc + 1, [](const RecordView&) { FAIL(); });
  EXPECT_GT(result.bytes_skipped, 0u);
}

TEST(JournalFormat, RowsComeBack) {
  domain::CallRecord record;
  record.call_id = "call";
  record.record_id = "record";
  record.model_group = "gpt";
  record.cost = Money::from_nano(54'399'000);
  record.started_us = 1'700'000'000'000'000;
  record.tags = {"a\"b"};
  record.attempts.resize(2);
  record.attempts[1].model = "gpt-4o";
  record.usage.set(domain::Unit::InputTokens, 10);
  record.usage.set(domain::Unit::CachedInputTokens, 5);
  RowTexts made;
  EntryRow row = row_of(record, made);
  row.numbers.entry_no = 7;
  row.accounts.count = 1;
  row.accounts.values[0] = 42;
  std::string bytes;
  encode_row(row, bytes);
  const auto read = decode_row(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->numbers.cost_nano, 54'399'000);
  EXPECT_EQ(read->numbers.prompt_tokens, 15u);
  EXPECT_EQ(read->text(Text::Tags), "[\"a\\\"b\"]");
  EXPECT_EQ(read->text(Text::Model), "gpt-4o");
  EXPECT_EQ(read->text(Text::RecordId), "record");
  EXPECT_EQ(accounts_json(read->accounts), "[42,0]");
  EXPECT_EQ(entry_id_of(bytes), (EntryId{7, row.numbers.hold_id}));
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) (void)decode_row(std::string_view(bytes).substr(0, cut));
}

TEST(JournalFormat, HoldsSayWhatTheyHoldOfTokens) {
  HoldFacts facts;
  facts.hold_id = 9;
  facts.amount = Money::from_nano(500);
  facts.tokens = 70;
  facts.accounts.count = 2;
  facts.accounts.values = {1, 0, 2, 0};
  facts.accounts.covered = 1;
  std::string plain, counted;
  put_hold(plain, facts);  // As journals have it that know of no tokens.
  facts.accounts.tokens = 2;
  put_hold(counted, facts);
  EXPECT_EQ(read_hold(plain)->accounts.tokens, 0u);
  EXPECT_EQ(read_hold(plain)->tokens, 0);
  EXPECT_EQ(read_hold(plain)->accounts.covered, 1u);
  EXPECT_TRUE(counted.starts_with(plain)) << "an older program reads so far";
  EXPECT_EQ(read_hold(counted)->accounts.tokens, 2u);
  EXPECT_EQ(read_hold(counted)->tokens, 70);
  EXPECT_EQ(read_hold(counted)->amount, Money::from_nano(500));
  RecordBatch record;
  record.begin(RecordType::Hold);
  record.payload() += plain;
  record.end();
  EXPECT_EQ(record.first_payload(), plain) << "what fills a record up is none of its fields";
}

TEST(JournalFormat, ARowBooksOnEachAccountWhatThatCounts) {
  EntryRow row;
  row.numbers.cost_nano = 500;
  row.numbers.prompt_tokens = 30;
  row.numbers.completion_tokens = 12;
  row.accounts.count = 2;
  row.accounts.values = {1, 0, 2, 0};
  row.accounts.tokens = 2;
  std::string bytes;
  encode_row(row, bytes);
  const auto read = decode_row(bytes);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->booked_on(0), 500);
  EXPECT_EQ(read->booked_on(1), 42);
}

// Rows 23 to 25 of spec money 2 for a budget in tokens: `strict` books what was held, else what is known.
TEST(JournalFormat, AnOpenHoldEndsWithTheTokensThatAreKnownOrHeld) {
  struct Case {
    const char* name;
    bool strict, attempted, answered;
    std::int64_t tokens;
  };
  const Case kCases[] = {
      {"nothing was sent", true, false, false, 0},           {"sent, nothing came", false, true, false, 0},
      {"sent, nothing came, strict", true, true, false, 95}, {"half an answer", false, true, true, 42},
      {"half an answer, strict", true, true, true, 95},
  };
  for (const Case& c : kCases) {
    OpenHold open;
    open.facts.accounts.count = 1;
    open.facts.accounts.tokens = 1;
    open.facts.tokens = 70;
    open.extended_tokens = 25;
    open.attempted = c.attempted;
    open.answered = c.answered;
    open.prompt_tokens = c.answered ? 30 : 0;
    open.completion_tokens = c.answered ? 12 : 0;
    std::string record_id;
    EXPECT_EQ(closing_row(open, 1, 1, c.strict, record_id).booked_on(0), c.tokens) << c.name;
  }
}

struct JournalFiles : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/turnpike_journal_test_XXXXXX";
    directory = ::mkdtemp(name);
  }
  void TearDown() override {
    fault::arm("");
    std::filesystem::remove_all(directory);
  }
  std::unique_ptr<Journal> open(std::uint64_t segment_bytes = 64 * 1024,
                                std::chrono::seconds keep = std::chrono::hours(1)) {
    auto taken = JournalDirectory::take(directory);
    EXPECT_TRUE(taken.has_value()) << taken.error().message;
    const auto replay = replay_journal(directory);
    EXPECT_TRUE(replay.has_value());
    JournalOptions options;
    options.directory = directory;
    options.segment_bytes = segment_bytes;
    options.keep = keep;
    options.sync_interval = std::chrono::milliseconds(1);
    EXPECT_TRUE(taken->begin_epoch(replay->last_epoch));
    auto journal = Journal::open(options, std::move(*taken), replay->max_sequence + 1, replay->last_number + 1,
                                 replay->max_entry_no + 1, replay->segments);
    EXPECT_TRUE(journal.has_value()) << (journal ? "" : journal.error().message);
    return std::move(*journal);
  }
  /// An ENTRY with its number; its pin is left on the segment.
  static Segment* append_entry(Journal& journal, std::size_t text_bytes = 100) {
    const std::string text(text_bytes, 'x');
    EntryRow row;
    row.numbers.entry_no = journal.next_entry_no();
    row.text(Text::ErrorText) = text;
    RecordBatch record;
    record.begin(RecordType::Entry);
    encode_row(row, record.payload());
    record.end();
    return journal.append(record, 1);
  }
  static void wait_until_synced(Journal& journal) {
    const base::Completion done = journal.synced(nullptr);
    (void)base::Completion::Awaiter(done).await_ready();
  }
  static void flip(const std::string& path, std::size_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 0x40));
  }
  std::string directory;
};

TEST_F(JournalFiles, ASecondProcessIsRefusedWithThePid) {
  const auto journal = open();
  const auto second = JournalDirectory::take(directory);
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos) << second.error().message;
}

TEST_F(JournalFiles, EightThreadsOverManySegmentsLoseNothing) {
  constexpr int kThreads = 8, kEach = 400;
  {
    const auto journal = open();
    std::vector<std::thread> threads;
    std::atomic<int> refused{0};
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&] {
        for (int i = 0; i < kEach; ++i) {
          // Small segments outrun the preparing thread; an open call would then keep its entry in memory.
          while (!journal->has_room()) std::this_thread::yield();
          if (append_entry(*journal) == nullptr) ++refused;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(refused, 0);
    journal->close();
  }
  const auto replay = replay_journal(directory, true);
  ASSERT_TRUE(replay.has_value());
  EXPECT_EQ(replay->max_entry_no, static_cast<std::uint64_t>(kThreads * kEach));
  EXPECT_TRUE(replay->missing_entry_nos.empty());
  EXPECT_TRUE(replay->gaps.empty());
  EXPECT_FALSE(replay->torn_tail);
  EXPECT_EQ(replay->bytes_skipped, 0u);
  EXPECT_GT(replay->segments.size(), 5u);
}

TEST_F(JournalFiles, AGapInTheMiddleIsReportedATornTailIsNot) {
  {
    const auto journal = open();
    for (int i = 0; i < 40; ++i) {
      while (!journal->has_room()) std::this_thread::yield();
      append_entry(*journal, 2000);
    }
    journal->close();
  }
  const auto whole = replay_journal(directory, true);
  ASSERT_TRUE(whole.has_value());
  const std::string first = whole->segments.front().path;
  const auto damage = [&](const std::string& path, std::uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at));
    file << "damage";
  };
  damage(whole->segments.back().path, std::filesystem::file_size(whole->segments.back().path) - 1000);
  auto replay = replay_journal(directory, true);
  ASSERT_TRUE(replay.has_value());
  EXPECT_TRUE(replay->torn_tail);
  EXPECT_TRUE(replay->gaps.empty());
  EXPECT_EQ(replay->max_entry_no, 39u);

  damage(first, 5000);
  replay = replay_journal(directory, true);
  ASSERT_TRUE(replay.has_value());
  EXPECT_GT(replay->bytes_skipped, 0u);
  EXPECT_EQ(replay->missing_entry_nos.size(), 1u);
}

TEST_F(JournalFiles, ShippedAndOldSegmentsGoAndPinnedOnesStay) {
  const auto journal = open(64 * 1024, std::chrono::seconds(0));
  std::vector<Segment*> pinned;
  for (int i = 0; i < 300; ++i) {
    while (!journal->has_room()) std::this_thread::yield();
    pinned.push_back(append_entry(*journal, 1000));
  }
  const auto count = [&] { return list_segments(directory)->size(); };
  ASSERT_GT(count(), 4u);
  for (std::size_t i = 1; i < pinned.size(); ++i) Journal::unpin(pinned[i]);
  const auto nudge = [&] {
    append_entry(*journal);
    const base::Completion done = journal->synced(nullptr);
    (void)base::Completion::Awaiter(done).await_ready();
  };
  nudge();
  nudge();
  EXPECT_GT(count(), 4u);  // The very first segment is still pinned by one entry: deletion is in order.
  Journal::unpin(pinned[0]);
  for (int i = 0; i < 50 && count() > 2; ++i) nudge();
  EXPECT_LE(count(), 2u);
}

TEST_F(JournalFiles, ADamagedHeaderCostsNoRecord) {
  {
    const auto journal = open();
    for (int i = 0; i < 10; ++i) append_entry(*journal);
    journal->close();
  }
  const std::string path = list_segments(directory)->front().path;
  for (const std::size_t at : {std::size_t{0}, std::size_t{5}, std::size_t{30}, kSegmentHeaderBytes - 1}) {
    SCOPED_TRACE(at);
    flip(path, at);
    const auto replay = replay_journal(directory, true);
    ASSERT_TRUE(replay.has_value());
    EXPECT_EQ(replay->max_entry_no, 10u);
    EXPECT_TRUE(replay->missing_entry_nos.empty());
    EXPECT_EQ(replay->damaged_files, std::vector<std::string>{path});
    EXPECT_TRUE(replay->unused_files.empty());
    flip(path, at);
  }
  // Nothing can be read: the file is named, kept, and its number is not given again.
  std::filesystem::resize_file(path, 1000);
  flip(path, 0);
  std::fstream(path, std::ios::in | std::ios::out | std::ios::binary).seekp(128) << std::string(872, 'z');
  const auto replay = replay_journal(directory, true);
  ASSERT_TRUE(replay.has_value());
  EXPECT_EQ(replay->damaged_files, std::vector<std::string>{path});
  EXPECT_EQ(replay->last_number, 1u);
  EXPECT_TRUE(replay->unused_files.empty());
}

#ifdef TURNPIKE_FAULTS
TEST_F(JournalFiles, AFullDiskRefusesNewCallsAndComesBack) {
  const auto journal = open();
  while (!journal->has_room()) std::this_thread::yield();
  fault::arm("journal.no_spare", 1);
  bool was_full = false;
  for (int i = 0; i < 200; ++i) {
    append_entry(*journal, 1000);
    was_full = was_full || !journal->has_room();
  }
  EXPECT_TRUE(was_full);
  fault::arm("");
  wait_until_synced(*journal);
  for (int i = 0; i < 1000 && !journal->has_room(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_TRUE(journal->has_room());
}

TEST_F(JournalFiles, AWriteThatFailsHalfWayIsWrittenWholeElsewhereUnderTheSameNumber) {
  const auto journal = open();
  wait_until_synced(*journal);  // The spare is made before.
  ASSERT_NE(append_entry(*journal), nullptr);
  fault::arm("journal.short_write", 1);
  EXPECT_NE(append_entry(*journal, 3000), nullptr);
  ASSERT_NE(append_entry(*journal), nullptr);
  journal->close();
  const auto replay = replay_journal(directory, true);
  ASSERT_TRUE(replay.has_value());
  EXPECT_EQ(replay->max_entry_no, 3u);
  EXPECT_TRUE(replay->missing_entry_nos.empty());
  EXPECT_TRUE(replay->gaps.empty());
  EXPECT_GT(replay->bytes_skipped, 0u);
}

TEST_F(JournalFiles, WhatCouldNotBeSyncedIsWrittenAgain) {
  const auto journal = open();
  wait_until_synced(*journal);  // The spare is made before.
  fault::arm("journal.eio_sync", 1);
  for (int i = 0; i < 20; ++i) append_entry(*journal);
  wait_until_synced(*journal);
  for (int i = 0; i < 5; ++i) append_entry(*journal);
  wait_until_synced(*journal);
  EXPECT_EQ(journal->sync_errors.load(), 1u);
  EXPECT_TRUE(journal->has_room());
  journal->close();
  // Both copies together count once.
  auto replay = replay_journal(directory, true);
  ASSERT_TRUE(replay.has_value());
  EXPECT_EQ(replay->max_entry_no, 25u);
  EXPECT_TRUE(replay->gaps.empty());
  EXPECT_TRUE(replay->doubled_holds.empty());
  // A power cut: nothing of the failed segment had reached the disk.
  std::filesystem::resize_file(replay->segments.front().path, kSegmentHeaderBytes);
  replay = replay_journal(directory, true);
  ASSERT_TRUE(replay.has_value());
  EXPECT_EQ(replay->max_entry_no, 25u);
  EXPECT_TRUE(replay->missing_entry_nos.empty());
}

TEST_F(JournalFiles, ADiskThatNeverSyncsRefusesNewCallsAndLetsNobodyBelieveItsEntriesSafe) {
  const auto journal = open();
  wait_until_synced(*journal);  // The spare is made before.
  fault::arm("journal.eio_sync", 1, true);
  append_entry(*journal);
  std::atomic<bool> believed{false};
  std::thread waiter([&] {
    wait_until_synced(*journal);
    believed = true;
  });
  while (journal->has_room()) std::this_thread::yield();  // Two failures in a row.
  EXPECT_FALSE(believed);
  EXPECT_GE(journal->sync_errors.load(), 2u);
  fault::arm("");
  waiter.join();
  EXPECT_TRUE(journal->has_room());
}

TEST_F(JournalFiles, AFailedWriteGoesToTheNextSegment) {
  const auto journal = open();
  wait_until_synced(*journal);
  fault::arm("journal.enospc", 1);
  EXPECT_NE(append_entry(*journal), nullptr);
  journal->close();
  const auto replay = replay_journal(directory, true);
  ASSERT_TRUE(replay.has_value());
  EXPECT_EQ(replay->max_entry_no, 1u);
  EXPECT_TRUE(replay->missing_entry_nos.empty());
  EXPECT_EQ(replay->segments.size(), 2u);
}
#endif

}  // namespace
}  // namespace turnpike::journal::journal_test
