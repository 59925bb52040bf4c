#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "ledger/ledger_test_fixture.h"
#include "ledger/retention.h"
#include "proof/verify.h"
#include "proof/verify_repair.h"

// Accounts in tokens in the proofs: what the rows say, what a crash leaves, what retention drops.
namespace turnpike::proof::tokens_test {
namespace {

constexpr std::int16_t kCountedKey = domain::kind_in_tokens(6);

struct CountedTokens : ledger::LedgerFixture {
  ledger::AccountRef make_counted(std::int64_t limit_tokens) {
    std::int64_t id = 0;
    EXPECT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      db::NewTerms terms;
      terms.terms.limit = Money::from_nano(limit_tokens);
      id = db::open_account(t, {kCountedKey, "key"}, terms, 1).value();
      return {};
    }));
    return ledger->account(facts(id, "key", Money::from_nano(limit_tokens), {}, 0, kCountedKey));
  }
  Result<ledger::Hold> admit(std::int64_t nano, std::int64_t tokens) {
    ledger::Admission wanted = admission({make_account("key", 1'000'000), make_counted(100'000)}, nano);
    wanted.amount.tokens = tokens;
    return ledger->admit(wanted);
  }
  void call(std::int64_t cost_nano, std::uint64_t prompt, std::uint64_t completion) {
    auto hold = admit(300, 60);
    ASSERT_TRUE(hold.has_value()) << hold.error().message;
    hold->attempt(1, "deployment", "prices");
    domain::CallRecord made = record(cost_nano);
    made.usage.set(domain::Unit::InputTokens, prompt);
    made.usage.set(domain::Unit::OutputTokens, completion);
    std::move(*hold).settle(made);
  }
  std::int64_t spent(std::int16_t kind) {
    return number(
        "SELECT w.spent_nano FROM account_window w JOIN account a ON a.account_id = w.account_id WHERE a.kind = " +
        std::to_string(kind));
  }
  void change(const std::string& sql) {
    ASSERT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      const auto done = t.run(sql, {});
      return done ? Status() : base::fail(done.error());
    })) << sql;
  }
  std::string failing() {
    const auto checks = verify_ledger(*database, directory + "/journal");
    EXPECT_TRUE(checks.has_value()) << (checks ? "" : checks.error().message + checks.error().detail);
    std::string names;
    if (checks) {
      for (const Check& check : *checks) names += check.agrees ? "" : check.name + " " + check.what + check.detail;
    }
    return names;
  }
};

TEST_F(CountedTokens, TotalsAreThoseOfTheRowsEachInItsOwnUnit) {
  open();
  for (int i = 0; i < 5; ++i) call(100, 30, 12);
  ship();
  EXPECT_EQ(spent(6), 500);
  EXPECT_EQ(spent(kCountedKey), 210);
  EXPECT_EQ(failing(), "");
  change("UPDATE account_window SET spent_nano = 500 WHERE account_id = 2");
  EXPECT_TRUE(failing().starts_with("V4 ")) << failing();
  const auto repaired = repair_aggregates(*database);
  ASSERT_TRUE(repaired.has_value()) << repaired.error().message << repaired.error().detail;
  EXPECT_EQ(repaired->windows, 1);
  EXPECT_EQ(spent(kCountedKey), 210);
  EXPECT_EQ(number("SELECT count(*) FROM entry WHERE error_text = 'spent was 500 tokens, is 210 tokens'"), 1);
  EXPECT_EQ(failing(), "");
}

TEST_F(CountedTokens, AnEditIsAnEntryOfTokensAndOfNoMoney) {
  open();
  call(100, 30, 12);
  ship();
  ASSERT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
    const auto edited = db::set_account_spend(t, 2, Money::from_nano(5), db::EntryKind::Adjust, "admin", 1);
    return edited ? Status() : base::fail(edited.error());
  }));
  EXPECT_EQ(spent(kCountedKey), 5);
  EXPECT_EQ(number("SELECT prompt_tokens FROM entry WHERE kind = 1"), -37);
  EXPECT_EQ(number("SELECT cost_nano FROM entry WHERE kind = 1"), 0);
  EXPECT_EQ(failing(), "");
}

TEST_F(CountedTokens, DaysThatLeaveAreDroppedInTokens) {
  open();
  for (int i = 0; i < 5; ++i) call(100, 30, 12);
  ship();
  const auto dropped = ledger::drop_days_before(*database, INT32_MAX);
  ASSERT_TRUE(dropped.has_value()) << dropped.error().message << dropped.error().detail;
  EXPECT_EQ(dropped->entries, 5);
  EXPECT_EQ(number("SELECT dropped_nano FROM account_window WHERE account_id = 1"), 500);
  EXPECT_EQ(number("SELECT dropped_nano FROM account_window WHERE account_id = 2"), 210);
  EXPECT_EQ(failing(), "");
}

/// `work` in a process of its own, which is killed behind it.
struct KilledTokens : CountedTokens {
  void run_and_kill(const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      open();
      work();
      ::raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
    open();
    ship();
  }
  void leave_open() {
    call(100, 30, 12);
    auto* const hold = new Result<ledger::Hold>(admit(300, 60));  // Never destroyed: the process is killed.
    if (!*hold) ::abort();
    (*hold)->attempt(1, "deployment", "prices");
    (*hold)->progress(30, 7, Money::from_nano(50));
    (*hold)->enlarge({Money::from_nano(10), 40});
  }
};

TEST_F(KilledTokens, ACrashBooksTheTokensThatAreKnown) {
  run_and_kill([this] { leave_open(); });
  EXPECT_EQ(spent(6), 150);
  EXPECT_EQ(spent(kCountedKey), 42 + 37);
  EXPECT_EQ(failing(), "");
}

TEST_F(KilledTokens, ACrashBooksTheTokensThatWereHeldWhereBudgetsAreStrict) {
  strict = true;
  run_and_kill([this] { leave_open(); });
  EXPECT_EQ(spent(6), 100 + 310);
  EXPECT_EQ(spent(kCountedKey), 42 + 100);
  EXPECT_EQ(failing(), "");
}

}  // namespace
}  // namespace turnpike::proof::tokens_test
