#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "base/fault.h"
#include "db/account_rows.h"
#include "db/test_postgres.h"
#include "ledger/ledger.h"

namespace turnpike::ledger {

/// A ledger over a database and a journal in a directory of the test's own.
struct LedgerFixture : testing::Test {
  void SetUp() override {
    char name[] = "/tmp/turnpike_ledger_test_XXXXXX";
    directory = ::mkdtemp(name);
    db::prepare_test_database(directory + "/turnpike.db");  // Children are forked before it is opened.
  }
  void TearDown() override {
    fault::arm("");
    close();
    std::filesystem::remove_all(directory);
  }

  LedgerOptions options() const {
    LedgerOptions made;
    made.journal_dir = directory + "/journal";
    made.segment_bytes = segment_bytes;
    made.ship_interval = std::chrono::milliseconds(5);
    made.sync_interval = std::chrono::milliseconds(5);
    made.strict = strict;
    made.journal_off = journal_off;
    made.host = "test";
    made.version = "0";
    return made;
  }
  void open() {
    if (!database) {
      auto opened = db::open_test_database(directory + "/turnpike.db");
      ASSERT_TRUE(opened.has_value()) << opened.error().message;
      database = std::move(*opened);
    }
    auto opened = Ledger::open(options(), *database);
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    ledger = std::move(*opened);
  }
  void close() {
    if (ledger) ledger->close(std::chrono::seconds(10));
    ledger.reset();
    database.reset();
  }

  /// An account as a key's resolution makes it.
  AccountRef make_account(const std::string& entity, std::optional<std::int64_t> limit_nano) {
    const std::optional<Money> limit = limit_nano ? std::optional(Money::from_nano(*limit_nano)) : std::nullopt;
    std::int64_t id = 0;
    std::int64_t spent = 0;
    std::int64_t version = 0;
    EXPECT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      db::NewTerms terms;
      terms.terms.limit = limit;
      id = db::open_account(t, {6, entity}, terms, 1).value();
      spent = (*db::find_account(t, id, 1))->spent.nano();
      version = db::account_version(t, id).value();
      return {};
    }));
    return ledger->account(facts(id, entity, limit, Money::from_nano(spent), version));
  }
  static AccountFacts facts(std::int64_t account_id, std::string entity, std::optional<Money> limit, Money spent = {},
                            std::int64_t version = 0, std::int16_t kind = 6) {
    AccountFacts made;
    made.account_id = account_id;
    made.kind = kind;
    made.entity = std::move(entity);
    made.label = "label";
    made.limit = limit;
    made.spent = spent;
    made.version = version;
    return made;
  }
  WindowRef window(const AccountRef& account, std::int64_t at_us) const {
    return ledger->window(facts(account->account_id, {}, std::nullopt), at_us);
  }
  static lease::AccountWords& words(const AccountRef& account) { return *account->running()->words; }
  void limit_changed(std::int64_t account_id, std::optional<Money> limit, std::int64_t version) const {
    ledger->terms_changed(facts(account_id, {}, limit, {}, version));
  }
  Admission admission(std::vector<AccountRef> accounts, std::int64_t nano) const {
    Admission made;
    made.started_us = 1'760'000'000'000'000;
    made.may_cross = crossing && !strict;
    for (const AccountRef& account : accounts) made.windows.push_back(window(account, made.started_us));
    made.amount.money = Money::from_nano(nano);
    made.call_id = "call";
    made.key_hash = "hash";
    made.model_group = "group";
    return made;
  }
  static domain::CallRecord record(std::int64_t cost_nano) {
    domain::CallRecord made;
    made.call_id = "call";
    static std::atomic<int> records{0};
    made.record_id = "record " + std::to_string(++records);
    made.started_us = 1'760'000'000'000'000;
    made.ended_us = made.started_us + 1000;
    made.status = domain::EntryStatus::Success;
    made.cost = Money::from_nano(cost_nano);
    made.model_group = "group";
    return made;
  }
  Status settle(const AccountRef& account, std::int64_t hold_nano, std::int64_t cost_nano) {
    auto hold = ledger->admit(admission({account}, hold_nano));
    if (!hold) return base::fail(hold.error());
    hold->attempt(1, "deployment", "prices");
    domain::CallRecord made = record(cost_nano);
    std::move(*hold).settle(made);
    return {};
  }
  void ship() { base::spawn(ledger->shipped()); }

  std::int64_t number(const std::string& sql) {
    std::int64_t found = -1;
    EXPECT_TRUE(database->transact_now([&](db::Transaction& t) -> Status {
      const auto rows = t.run(sql, {});
      if (!rows) return base::fail(rows.error());
      found = rows->rows.empty() ? -1 : db::as_int(rows->rows[0][0]);
      return {};
    })) << sql;
    return found;
  }

  std::string directory;
  std::uint64_t segment_bytes = 1024 * 1024;
  bool strict = false, crossing = true, journal_off = false;
  std::unique_ptr<db::Database> database;
  std::unique_ptr<Ledger> ledger;
};

}  // namespace turnpike::ledger
