#include "lease/lease_keeper.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "lease/lease_book.h"

namespace turnpike::lease::lease_keeper_test {
namespace {

constexpr LeaseKey kKey{1, 0};
using Kind = LeaseOutcome::Kind;

/// One database, and replicas whose operations are carried to it by hand.
struct Leases : testing::Test {
  struct Replica {
    Replica(Leases& leases, std::int64_t number_in, LeaseTerms terms) : number(number_in), keeper(terms, 1) {
      leases.book.register_epoch(number, 1, 1);
    }
    std::int64_t number;
    LeaseKeeper keeper;
    std::shared_ptr<AccountWords> words;
  };

  Replica& add_replica(bool strict, LeaseTerms terms = {}) {
    Replica& replica =
        *replicas.emplace_back(std::make_unique<Replica>(*this, static_cast<std::int64_t>(replicas.size()) + 1, terms));
    replica.words = replica.keeper.open(
        {.key = kKey, .strict = strict, .limit_nano = book.accounts[1].limit_nano.value_or(0), .after = {}}, now_us);
    exchange(replica);
    return replica;
  }
  /// Carries operations to and fro until there is none; how many there were.
  int exchange(Replica& replica) {
    int count = 0;
    for (; const auto operation = replica.keeper.next(now_us); ++count) {
      EXPECT_LT(count, 100);
      if (count == 100) break;
      replica.keeper.answered(book.apply(replica.number, *operation, now_us), now_us);
    }
    return count;
  }
  /// Time goes on in steps, and everybody hears what the database tells.
  void pass(std::int64_t us, std::int64_t step_us = 5'000) {
    for (const std::int64_t end_us = now_us + us; now_us < end_us;) {
      now_us += step_us;
      for (const auto& replica : replicas) exchange(*replica);
      for (const LeaseNotice& notice : book.take_notices()) {
        for (const auto& replica : replicas) replica->keeper.noticed(notice, now_us);
      }
    }
  }
  void wait(Replica& replica, std::int64_t amount_nano) {
    replica.keeper.wait({.ticket = ++tickets, .claims = {{kKey, amount_nano}}, .wait_us = {}, .may_cross = true},
                        now_us);
  }
  std::vector<Kind> outcomes(Replica& replica) {
    std::vector<Kind> kinds;
    for (const LeaseOutcome& outcome : replica.keeper.take_outcomes()) kinds.push_back(outcome.kind);
    return kinds;
  }
  std::int64_t granted(const Replica& replica) { return book.leases[{kKey, replica.number}].granted_nano; }

  LeaseBook book;
  std::vector<std::unique_ptr<Replica>> replicas;
  std::int64_t now_us = 1'000 * kSecondUs;
  std::uint64_t tickets = 0;
};

TEST_F(Leases, AFirstCallGetsItsHoldAndThreeMoreAreKeptFree) {
  book.accounts[1].limit_nano = 100'000;
  Replica& replica = add_replica(true);
  wait(replica, 100);
  exchange(replica);
  EXPECT_EQ(outcomes(replica), std::vector{Kind::Taken});
  EXPECT_EQ(replica.words->held.load(), 100);
  EXPECT_EQ(replica.words->free.load(), 300);
  EXPECT_EQ(granted(replica), 400);
}

// A budget in tokens beside one in dollars.
TEST_F(Leases, ACallTakesOfEachAccountWhatItNeedsThereOrOfNone) {
  constexpr LeaseKey kCounted{2, 0};
  book.accounts[1].limit_nano = 100'000;
  book.accounts[2].limit_nano = 1'000;
  Replica& replica = add_replica(true);
  const auto counted = replica.keeper.open(
      {.key = kCounted, .strict = true, .limit_nano = 1'000, .after = {}, .in_tokens = true}, now_us);
  const auto ask = [&](std::int64_t nano, std::int64_t tokens) {
    replica.keeper.wait(
        {.ticket = ++tickets, .claims = {{kKey, nano}, {kCounted, tokens}}, .wait_us = {}, .may_cross = true}, now_us);
    pass(200 * kMillisecondUs);
    return replica.keeper.take_outcomes();
  };
  const auto taken = ask(100, 40);
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].kind, Kind::Taken);
  EXPECT_EQ(replica.words->held.load(), 100);
  EXPECT_EQ(counted->held.load(), 40);
  EXPECT_EQ((book.leases[{kCounted, replica.number}].granted_nano), counted->free.load() + 40);
  EXPECT_EQ(replica.keeper.free_nano(), replica.words->free.load()) << "tokens are no money";
  const auto refused = ask(10, 5'000);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].kind, Kind::Refused);
  EXPECT_EQ(refused[0].key, kCounted);
  EXPECT_EQ(replica.words->held.load(), 100);
  EXPECT_EQ(counted->held.load(), 40);
}

TEST_F(Leases, WhatIsReturnedLeavesFreeBeforeItIsTold) {
  book.accounts[1].limit_nano = 100'000;
  Replica& replica = add_replica(true);
  wait(replica, 100);
  exchange(replica);
  settle(*replica.words, 100, 40);
  pass(1 * kSecondUs);
  now_us += 11 * kSecondUs;  // Idle.
  const auto operation = replica.keeper.next(now_us);
  ASSERT_TRUE(operation && operation->lines.size() == 1);
  EXPECT_EQ(operation->lines[0].back_nano, 360);
  EXPECT_EQ(replica.words->free.load(), 0);
  EXPECT_EQ(granted(replica), 400);  // The database has not heard of it.
}

TEST_F(Leases, AnUnknownOutcomeIsAskedForBehindALargerNumber) {
  book.accounts[1].limit_nano = 100'000;
  Replica& replica = add_replica(true);
  wait(replica, 100);
  const auto asked = replica.keeper.next(now_us);
  ASSERT_TRUE(asked);
  const LeaseAnswer late = book.apply(replica.number, *asked, now_us);
  now_us += 500 * kMillisecondUs;
  const auto resync = replica.keeper.next(now_us);
  ASSERT_TRUE(resync);
  EXPECT_EQ(resync->verb, LeaseVerb::Resync);
  EXPECT_GT(resync->op_no, asked->op_no);
  replica.keeper.answered(late, now_us);  // Nobody waits for it any more.
  EXPECT_EQ(replica.words->free.load(), 0);
  replica.keeper.answered(book.apply(replica.number, *resync, now_us), now_us);
  EXPECT_EQ(outcomes(replica), std::vector{Kind::Taken});
  EXPECT_EQ(replica.words->free.load() + 100, granted(replica));
  EXPECT_EQ(book.apply(replica.number, *asked, now_us).result, LeaseResult::Stale);
}

TEST_F(Leases, ADatabaseThatIsSlowIsGivenMoreTime) {
  Replica& replica = add_replica(true);
  const auto beat = [&] {
    now_us += 500 * kMillisecondUs;
    const auto operation = replica.keeper.next(now_us);
    EXPECT_TRUE(operation);
    return *operation;
  };
  const auto answer = [&](const LeaseOperation& operation) {
    replica.keeper.answered(book.apply(replica.number, operation, now_us), now_us);
  };
  const auto is_waited_for = [&](std::int64_t took_us) {
    const LeaseOperation operation = beat();
    now_us += took_us;
    const auto asked_again = replica.keeper.next(now_us);
    answer(operation);
    if (asked_again) answer(*asked_again);
    exchange(replica);
    return !asked_again;
  };
  EXPECT_TRUE(is_waited_for(499 * kMillisecondUs));
  EXPECT_TRUE(is_waited_for(999 * kMillisecondUs));
  EXPECT_FALSE(is_waited_for(1'000 * kMillisecondUs)) << "that is the most";
  for (int i = 0; i < 30; ++i) EXPECT_TRUE(is_waited_for(1 * kMillisecondUs));
  const LeaseOperation late = beat();
  now_us += 600 * kMillisecondUs;
  const auto resync = replica.keeper.next(now_us);
  ASSERT_TRUE(resync && resync->verb == LeaseVerb::Resync) << "what was slow is forgotten";
  answer(late);  // It has only been slow: the next one is waited for.
  now_us += 100 * kMillisecondUs;
  answer(*resync);
  exchange(replica);
  EXPECT_TRUE(is_waited_for(900 * kMillisecondUs));
}

TEST_F(Leases, ARecallBringsBackWhatOthersHaveFree) {
  book.accounts[1].limit_nano = 1'000;
  Replica& one = add_replica(true);
  Replica& other = add_replica(true);
  wait(one, 100);
  pass(10'000);
  EXPECT_GT(one.words->free.load(), 0);
  wait(other, 850);
  pass(100'000);
  EXPECT_EQ(outcomes(other), std::vector{Kind::Taken});
  EXPECT_EQ(one.words->free.load(), 0);
  EXPECT_EQ(granted(one) + granted(other), 950);
  // While it is tight, what is settled comes back within milliseconds.
  settle(*one.words, 100, 20);
  one.keeper.touched(kKey, now_us);
  pass(20'000);
  EXPECT_EQ(granted(one), 20);
}

TEST_F(Leases, StrictRefusesWhatDoesNotFitAndKeepsTheVerdict) {
  book.accounts[1].limit_nano = 99;
  Replica& replica = add_replica(true);
  wait(replica, 100);
  exchange(replica);
  EXPECT_TRUE(outcomes(replica).empty());  // Money may be on its way back.
  pass(60'000);
  EXPECT_EQ(outcomes(replica), std::vector{Kind::Refused});
  EXPECT_TRUE(replica.words->refuses(100, now_us));
  EXPECT_FALSE(replica.words->refuses(99, now_us));
  EXPECT_EQ(book.escrows.at(kKey).granted_nano, 0);
  wait(replica, 99);
  pass(10'000);
  EXPECT_EQ(outcomes(replica), std::vector{Kind::Taken});
}

// Refused after 50 ms, a good part of these came milliseconds before the money did.
TEST_F(Leases, AStrictBudgetThatIsHeldAndNotBookedIsWaitedForLonger) {
  book.accounts[1].limit_nano = 1'000;
  Replica& replica = add_replica(true);
  wait(replica, 900);
  exchange(replica);
  ASSERT_EQ(outcomes(replica), std::vector{Kind::Taken});
  wait(replica, 300);
  pass(300 * kMillisecondUs);
  EXPECT_EQ(outcomes(replica), std::vector<Kind>());
  settle(*replica.words, 900, 600);
  pass(100 * kMillisecondUs);
  EXPECT_EQ(outcomes(replica), std::vector{Kind::Taken});

  wait(replica, 200);
  pass(400 * kMillisecondUs);
  EXPECT_EQ(outcomes(replica), std::vector<Kind>());
  pass(200 * kMillisecondUs);
  EXPECT_EQ(outcomes(replica), std::vector{Kind::Refused}) << "a third of what a call waits at most";
  settle(*replica.words, 300, 300);
  pass(500 * kMillisecondUs);
  wait(replica, 200);
  pass(60 * kMillisecondUs);
  EXPECT_EQ(outcomes(replica), std::vector{Kind::Refused}) << "of 100 that are not booked no more can come back";
}

TEST_F(Leases, OneCallMayCrossWhileSomethingIsLeft) {
  book.accounts[1].limit_nano = 3;
  Replica& replica = add_replica(false);
  wait(replica, 4);
  wait(replica, 4);
  pass(100'000);
  const std::vector<Kind> told = outcomes(replica);
  ASSERT_EQ(told.size(), 2U);
  EXPECT_EQ(std::ranges::count(told, Kind::Taken), 1);
  EXPECT_EQ(std::ranges::count(told, Kind::Refused), 1);
  EXPECT_EQ(granted(replica), 4);
}

TEST_F(Leases, WithoutTheDatabaseACallIsUnavailableNotRefused) {
  book.accounts[1].limit_nano = 1'000;
  Replica& replica = add_replica(true);
  wait(replica, 100);
  for (int i = 0; i < 20; ++i) {
    (void)replica.keeper.next(now_us);
    now_us += 100 * kMillisecondUs;
  }
  EXPECT_EQ(outcomes(replica), std::vector{Kind::Unavailable});
}

TEST_F(Leases, AWindowThatBeginsInAnOutageIsOpenedInPartAndOwed) {
  constexpr LeaseKey kNext{1, 20};
  book.accounts[1].limit_nano = 1'000;
  Replica& replica = add_replica(false);
  const auto words = replica.keeper.open({.key = kNext, .strict = false, .limit_nano = 1'000, .after = kKey}, now_us);
  replica.keeper.wait({.ticket = 9, .claims = {{kNext, 100}}, .wait_us = {}, .may_cross = true}, now_us);
  for (int i = 0; i < 12; ++i) {
    (void)replica.keeper.next(now_us);
    now_us += 100 * kMillisecondUs;
  }
  EXPECT_EQ(outcomes(replica), std::vector{Kind::Taken});
  EXPECT_EQ(words->free.load(), 150);  // A quarter of the budget, less the hold.
  pass(1 * kSecondUs);
  EXPECT_GE((book.leases[{kNext, replica.number}].granted_nano), 100);
  EXPECT_EQ(words->free.load() + 100, (book.leases[{kNext, replica.number}].granted_nano));
}

TEST_F(Leases, WhatIsBookedElsewhereIsAskedForWhenItMayHaveChanged) {
  book.accounts[1].limit_nano = 100'000;
  Replica& replica = add_replica(true);
  wait(replica, 100);
  exchange(replica);
  pass(1 * kSecondUs);
  book.spent_nano[kKey] = 700;  // Nothing of it is this replica's.
  EXPECT_EQ(exchange(replica), 0);
  replica.keeper.look(kKey, now_us);
  EXPECT_EQ(exchange(replica), 1);
  EXPECT_EQ(replica.words->elsewhere.load(), 700);
  EXPECT_EQ(exchange(replica), 0) << "once";
}

TEST_F(Leases, ADatabaseThatLostCommitsIsTold) {
  book.accounts[1].limit_nano = 1'000;
  Replica& replica = add_replica(true);
  const LeaseBook before = book;
  wait(replica, 100);
  exchange(replica);
  const std::int64_t known = granted(replica);
  book = before;
  pass(1 * kSecondUs);
  EXPECT_EQ(granted(replica), known);
  EXPECT_EQ(book.escrows.at(kKey).granted_nano, known);
}

TEST_F(Leases, WhatAWindowThatIsOverGaveBackIsGivenBackAgainWhenAFailOverForgotIt) {
  book.accounts[1].limit_nano = 1'000;
  Replica& replica = add_replica(true);
  wait(replica, 100);
  pass(1 * kSecondUs);
  settle(*replica.words, 100, 40);
  replica.words.reset();
  const LeaseBook before = book;
  replica.keeper.retire(kKey, now_us);
  pass(1 * kSecondUs);
  EXPECT_EQ(granted(replica), 40);
  book = before;
  EXPECT_EQ(granted(replica), 400);
  pass(1 * kSecondUs);
  EXPECT_EQ(granted(replica), 40);
  EXPECT_EQ(book.escrows.at(kKey).granted_nano, 40);
  pass(61 * kSecondUs, 500 * kMillisecondUs);
  EXPECT_TRUE(replica.keeper.beliefs().empty());
}

TEST_F(Leases, AStartThatIsToldTwiceChangesNothing) {
  EXPECT_TRUE(book.register_epoch(1, 1, 70));
  EXPECT_TRUE(book.register_epoch(1, 2, 71));
  EXPECT_FALSE(book.register_epoch(1, 1, 70));  // Late.
  EXPECT_FALSE(book.register_epoch(1, 2, 99));  // Another process on the same journal.
  EXPECT_TRUE(book.register_epoch(1, 2, 71));
  EXPECT_EQ(book.replicas[1].epoch, 2);
  LeaseKeeper old(LeaseTerms(), 1);
  old.answered(book.apply(1, *old.next(now_us), now_us), now_us);
  EXPECT_TRUE(old.superseded());
}

TEST_F(Leases, EverythingGoesBackAtTheEnd) {
  book.accounts[1].limit_nano = 100'000;
  Replica& replica = add_replica(true);
  wait(replica, 100);
  exchange(replica);
  settle(*replica.words, 100, 30);
  replica.keeper.retire_all(now_us);
  pass(1 * kSecondUs);
  EXPECT_EQ(granted(replica), 30);
  EXPECT_EQ(book.escrows.at(kKey).granted_nano, 30);
}

}  // namespace
}  // namespace turnpike::lease::lease_keeper_test
