#include "account/record.h"
#include "account/model_budgets.h"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include <unistd.h>

#include "account/tables.h"
#include "db/test_postgres.h"

namespace turnpike::account::record_test {
namespace {

class RecordTest : public testing::Test {
 protected:
  RecordTest() {
    path_ = std::filesystem::temp_directory_path() / ("turnpike_record_" + std::to_string(::getpid()) +
                                                      testing::UnitTest::GetInstance()->current_test_info()->name());
    remove_files();
    database_ = std::move(*db::open_test_database(path_));
  }
  ~RecordTest() override {
    database_.reset();
    remove_files();
  }
  void remove_files() {
    for (const char* end : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(path_.string() + end);
  }
  Status with(const std::function<Status(Records&)>& work) {
    actor_.now_us += 1'000'000;
    return database_->transact_now([&](db::Transaction& transaction) {
      Records records(transaction, actor_);
      return work(records);
    });
  }
  Record made(Record row) {
    std::optional<Record> out;
    const Status done = with([&](Records& records) -> Status {
      Result<Record> created = records.create(row);
      if (!created) return base::fail(created.error());
      out = *created;
      return {};
    });
    EXPECT_TRUE(done) << done.error().message;
    return *out;
  }
  std::int64_t count(const std::string& sql, const std::vector<db::Value>& values = {}) {
    std::int64_t out = -1;
    EXPECT_TRUE(database_->transact_now([&](db::Transaction& transaction) -> Status {
      const auto rows = transaction.run(sql, values);
      if (!rows) return base::fail(rows.error());
      out = db::as_int(rows->rows.at(0).at(0));
      return {};
    }));
    return out;
  }

  std::filesystem::path path_;
  std::unique_ptr<db::Database> database_;
  Actor actor_{"ann", "aa", "call-1", 1'700'000'000'000'000};
};

Money dollars(std::int64_t amount) {
  return Money::from_nano(amount * 1'000'000'000);
}

TEST_F(RecordTest, EveryTableTakesARowAndGivesItBack) {
  for (const Table* table :
       {&kBudgets, &kOrganizations, &kOrganizationMembers, &kTeams, &kTeamMembers, &kUsers, &kEndUsers, &kTags,
        &kAccessGroups, &kModels, &kCredentials, &kConfigRows, &kInvitations}) {
    Record row(*table);
    for (const Column& column : table->columns) {
      switch (column.kind) {
        case ColumnKind::Object:
          row.set(column.name, db::Value(std::string("{\"a\":1}")));
          break;
        case ColumnKind::List:
          row.set_list(column.name, {"x", "y"});
          break;
        case ColumnKind::Text:
          row.set(column.name, db::Value("t-" + std::string(column.name)));
          break;
        default:
          row.set(column.name, db::Value(std::int64_t{1}));
      }
      if (column.name == "budget_duration") row.set(column.name, db::Value(std::string("1d")));
      if (column.name == "budget_reset_at") row.set(column.name, db::Value(std::int64_t{1'700'000'100'000'000}));
    }
    const Record there = made(row);
    ASSERT_TRUE(with([&](Records& records) -> Status {
      const Result<Record> read = records.get(*table, row.key(0), table->keys > 1 ? row.key(1) : std::string());
      EXPECT_TRUE(read) << table->sql << ": " << (read ? "" : read.error().message);
      if (read) EXPECT_EQ(record_json(*read), record_json(there)) << table->sql;
      return {};
    }));
  }
}

TEST_F(RecordTest, AnAccountFollowsTheLimitOfTheRowAndOfItsBudget) {
  made(Record(kBudgets).set("budget_id", db::Value(std::string("b"))).set("max_budget", dollars(5)));
  const Record organization = made(Record(kOrganizations)
                                       .set("organization_id", db::Value(std::string("o")))
                                       .set("budget_id", db::Value(std::string("b"))));
  EXPECT_EQ(organization.terms.limit, dollars(5));
  const Record team = made(Record(kTeams).set("team_id", db::Value(std::string("t"))).set("max_budget", dollars(3)));
  EXPECT_EQ(team.terms.limit, dollars(3));

  ASSERT_TRUE(with([&](Records& records) -> Status {
    const Result<Record> budget = records.get(kBudgets, "b");
    Record raised = *budget;
    raised.set("max_budget", dollars(9));
    const Result<Record> updated = records.update(*budget, raised);
    if (!updated) return base::fail(updated.error());
    Record spent = team;
    spent.spend = dollars(1);
    const Result<Record> edited = records.update(team, spent);
    if (!edited) return base::fail(edited.error());
    EXPECT_EQ(edited->spend_edit, dollars(1));
    EXPECT_GT(edited->account_version, team.account_version);
    const Result<Record> followed = records.get(kOrganizations, "o");
    EXPECT_EQ(followed->terms.limit, dollars(9));
    EXPECT_GT(followed->account_version, organization.account_version);
    return {};
  }));
}

constexpr std::int64_t kDayUs = 86'400'000'000;

TEST_F(RecordTest, WindowsFollowTheDurationOfTheRowAndOfItsBudget) {
  const std::int64_t midnight_us = (actor_.now_us / kDayUs + 1) * kDayUs;
  actor_.calendar = "Asia/Kolkata";  // Midnight is 18:30 UTC.
  const std::int64_t there_us = midnight_us - 5 * kDayUs / 24 - kDayUs / 48;
  Record budget(kBudgets);
  budget.set("budget_id", db::Value(std::string("b"))).set("budget_duration", db::Value(std::string("1d")));
  budget.set("budget_reset_at", db::Value(midnight_us)).set("max_budget", dollars(5)).set("soft_budget", dollars(2));
  budget.set("budget_mode", db::Value(std::string("strict")));
  made(std::move(budget));
  const Record tag =
      made(Record(kTags).set("tag_name", db::Value(std::string("g"))).set("budget_id", db::Value(std::string("b"))));
  EXPECT_EQ(tag.window, (domain::BudgetWindow{0, midnight_us})) << "the budget's own";
  EXPECT_EQ(tag.terms.soft, dollars(2));
  EXPECT_TRUE(tag.terms.strict);
  const Record team = made(
      Record(kTeams).set("team_id", db::Value(std::string("t"))).set("budget_duration", db::Value(std::string("1d"))));
  EXPECT_EQ(team.window, (domain::BudgetWindow{0, there_us + (there_us <= actor_.now_us ? kDayUs : 0)}));
  EXPECT_EQ(team.whole("budget_reset_at"), team.window.ends_us);

  // What is spent belongs to the window; the next one begins with nothing, whoever has turned it.
  ASSERT_TRUE(with([&](Records& records) -> Status {
    Record spent = team;
    spent.spend = dollars(1);
    const Result<Record> changed = records.update(team, spent);
    if (!changed) return base::fail(changed.error());  // PostgreSQL makes the day of the entry first, and asks again.
    EXPECT_EQ(changed->spend, dollars(1));
    return {};
  }));
  const std::int64_t begin_us = team.window.ends_us + 2 * kDayUs;
  actor_.now_us = begin_us;
  ASSERT_TRUE(with([&](Records& records) -> Status {
    for (const bool turned : {false, true}) {
      if (turned) EXPECT_EQ(db::turn_windows(records.transaction(), actor_.now_us).value(), 2);
      const Record now = *records.get(kTeams, "t");
      EXPECT_EQ(now.spend, Money());
      EXPECT_EQ(now.window.id, begin_us / 1'000'000);
      EXPECT_EQ(now.whole("budget_reset_at"), begin_us + kDayUs) << "always ahead";
    }
    EXPECT_EQ(db::turn_windows(records.transaction(), actor_.now_us).value(), 0);
    return {};
  }));

  // Another duration moves the end of the running window and keeps what is spent in it.
  ASSERT_TRUE(with([&](Records& records) -> Status {
    const Record before = *records.get(kBudgets, "b");
    Record after = before;
    after.set("budget_duration", db::Value(std::string("2d"))).set("budget_reset_at", db::Value(actor_.now_us + 7));
    EXPECT_TRUE(records.update(before, after));
    const Record moved = *records.get(kTags, "g");
    EXPECT_EQ(moved.window.ends_us, actor_.now_us + 7);
    EXPECT_EQ(moved.terms.duration, "2d");
    EXPECT_GT(moved.window.id, 0);
    after = *records.get(kBudgets, "b");
    Record endless = after;
    endless.set("budget_duration", db::Value());
    EXPECT_TRUE(records.update(after, endless));
    EXPECT_EQ(records.get(kTags, "g")->window, (domain::BudgetWindow{moved.window.id, domain::kNeverUs}));
    return {};
  }));
}

TEST_F(RecordTest, BudgetsPerModelAreAccountsOfTheirOwn) {
  const auto budgets = [](const char* json) { return db::Value(std::string(json)); };
  made(Record(kTeams)
           .set("team_id", db::Value(std::string("t")))
           .set("model_max_budget",
                budgets(R"({"a":{"budget_limit":0.5,"time_period":"1d"},"b":2,"c":{"rpm_limit":1}})")));
  made(Record(kBudgets).set("budget_id", db::Value(std::string("b"))).set("model_max_budget", budgets(R"({"a":1})")));
  made(Record(kOrganizations)
           .set("organization_id", db::Value(std::string("o")))
           .set("budget_id", db::Value(std::string("b"))));
  const auto told = [](Records& records, std::int16_t kind, const std::string& entity) {
    std::vector<domain::CallerAccount> accounts;
    EXPECT_TRUE(read_model_accounts(records, kind, entity, "", accounts));
    std::string text;
    for (const domain::CallerAccount& one : accounts)
      text += one.model + " " +
              (domain::counts_tokens(one.kind) ? fmt::format("{} tokens", one.limit->nano()) : one.limit->to_string()) +
              (one.duration ? " by windows, " : ", ");
    return text;
  };
  ASSERT_TRUE(with([&](Records& records) -> Status {
    EXPECT_EQ(told(records, 3, "t"), "a 0.5 by windows, b 2, ");
    EXPECT_EQ(told(records, 2, "o"), "a 1, ");
    const Record before = *records.get(kTeams, "t");
    Record after = before;
    after.set("model_max_budget", budgets(R"({"b":3})"));
    EXPECT_TRUE(records.update(before, after));
    EXPECT_EQ(told(records, 3, "t"), "b 3, ");
    const Record budget = *records.get(kBudgets, "b");
    Record more = budget;
    more.set("model_max_budget", budgets(R"({"z":4})"));
    EXPECT_TRUE(records.update(budget, more));
    EXPECT_EQ(told(records, 2, "o"), "z 4, ");
    const Record with_dollars = *records.get(kTeams, "t");
    Record with_tokens = with_dollars;
    with_tokens.set(
        "model_max_budget",
        budgets(
            R"({"b":{"max_budget":3,"max_budget_tokens":50},"d":{"max_budget_tokens":60,"budget_duration":"1d"}})"));
    EXPECT_TRUE(records.update(with_dollars, with_tokens));
    EXPECT_EQ(told(records, 3, "t"), "b 3, b 50 tokens, d 60 tokens by windows, ");
    EXPECT_TRUE(records.update(with_tokens, with_dollars));
    EXPECT_EQ(told(records, 3, "t"), "b 3, ");
    return {};
  }));
  for (const char* wrong : {R"({"a":"1"})", R"({"a":-1})", R"({"a":{"budget_limit":1,"time_period":"soon"}})",
                            R"({"a":[]})", R"({"a":{"max_budget_tokens":-1}})", R"({"a":{"max_budget_tokens":1.5}})"})
    EXPECT_FALSE(read_model_budgets(wrong)) << wrong;
}

TEST_F(RecordTest, ABudgetInTokensIsAnAccountBesideTheOneOfMoney) {
  const auto text = [](const char* one) { return db::Value(std::string(one)); };
  const auto whole = [](std::int64_t one) { return db::Value(one); };
  const Record team = made(Record(kTeams)
                               .set("team_id", text("t"))
                               .set("max_budget_tokens", whole(1'000))
                               .set("soft_budget_tokens", whole(500))
                               .set("budget_duration", text("1d"))
                               .set("budget_reset_at", whole(90'000'000'000)));
  ASSERT_TRUE(team.tokens);
  EXPECT_EQ(team.tokens->terms.limit, Money::from_nano(1'000));
  EXPECT_EQ(team.tokens->terms.soft, Money::from_nano(500));
  EXPECT_EQ(team.tokens->window, team.window) << "both begin anew together";
  EXPECT_FALSE(team.terms.limit);
  const domain::CallerAccount facts = *token_facts_of(team, "label");
  EXPECT_EQ(facts.kind, 103);
  EXPECT_EQ(facts.entity, "t");
  EXPECT_FALSE(made(Record(kTeams).set("team_id", text("plain"))).tokens);
  EXPECT_EQ(count("SELECT count(*) FROM account WHERE kind > 100"), 1) << "nobody else has one";

  std::vector<AccountNews> news;
  const auto change = [&](const std::function<void(Record&)>& edit) {
    std::optional<Record> out;
    EXPECT_TRUE(with([&](Records& records) -> Status {
      const Record before = *records.get(kTeams, "t");
      Record after = before;
      edit(after);
      out = *records.update(before, after);
      news = records.account_news();
      return {};
    }));
    return *out;
  };
  EXPECT_EQ(change([&](Record& row) { row.set("max_budget_tokens", whole(7)); }).tokens->terms.limit,
            Money::from_nano(7));
  ASSERT_EQ(news.size(), 1u) << "of the account in tokens alone";
  EXPECT_EQ(news[0].account.kind, 103);
  EXPECT_FALSE(change([](Record& row) {
                 row.set("max_budget_tokens", db::Value());
                 row.set("soft_budget_tokens", db::Value());
               }).tokens);
  EXPECT_EQ(count("SELECT count(*) FROM account WHERE kind = 103 AND limit_nano IS NULL AND soft_nano IS NULL"), 1);
  EXPECT_TRUE(change([&](Record& row) { row.set("max_budget_tokens", whole(9)); }).tokens);
  ASSERT_TRUE(with([&](Records& records) { return records.remove(*records.get(kTeams, "t")); }));
  EXPECT_EQ(count("SELECT count(*) FROM account WHERE kind = 103 AND closed_us IS NOT NULL"), 1);
  count(
      "UPDATE account_window SET spent_nano = 5 WHERE account_id = (SELECT account_id FROM account WHERE kind = 103) "
      "RETURNING 1");
  EXPECT_EQ(made(Record(kTeams).set("team_id", text("t")).set("max_budget_tokens", whole(9))).tokens->spent, Money())
      << "what was counted before it was made again is another team's";
  EXPECT_EQ(count("SELECT prompt_tokens FROM entry WHERE kind = 3"), -5);
}

TEST_F(RecordTest, ABudgetObjectGivesTokensToAllWhoAreLinkedToIt) {
  const auto text = [](const char* one) { return db::Value(std::string(one)); };
  const auto tokens_of = [&](const Table& table, const char* first, const char* second = "") {
    std::string shown;
    EXPECT_TRUE(with([&](Records& records) -> Status {
      const Record row = *records.get(table, first, second);
      shown = row.tokens && row.tokens->terms.limit ? std::to_string(row.tokens->terms.limit->nano()) : "none";
      return {};
    }));
    return shown;
  };
  const auto change = [&](std::string_view column, db::Value value) {
    EXPECT_TRUE(with([&](Records& records) -> Status {
      const Record before = *records.get(kBudgets, "b");
      Record after = before;
      after.set(column, value);
      return records.update(before, after) ? Status() : base::fail(Error());
    }));
  };
  made(Record(kBudgets).set("budget_id", text("b")).set("max_budget_tokens", db::Value(std::int64_t{100})));
  made(Record(kEndUsers).set("user_id", text("c")).set("budget_id", text("b")));
  made(Record(kTeamMembers)
           .set("team_id", text("t"))
           .set("user_id", text("u"))
           .set("role", text("user"))
           .set("budget_id", text("b")));
  EXPECT_EQ(tokens_of(kEndUsers, "c") + " " + tokens_of(kTeamMembers, "t", "u"), "100 100");
  change("max_budget_tokens", db::Value(std::int64_t{200}));
  EXPECT_EQ(tokens_of(kEndUsers, "c") + " " + tokens_of(kTeamMembers, "t", "u"), "200 200");
  change("budget_duration", text("1d"));
  EXPECT_EQ(count("SELECT count(*) FROM account WHERE kind > 100 AND duration = '1d' AND window_ends_us IS NOT NULL"),
            2);
  change("max_budget_tokens", db::Value());
  EXPECT_EQ(tokens_of(kEndUsers, "c") + " " + tokens_of(kTeamMembers, "t", "u"), "none none");
  change("max_budget_tokens", db::Value(std::int64_t{300}));
  EXPECT_EQ(tokens_of(kEndUsers, "c") + " " + tokens_of(kTeamMembers, "t", "u"), "300 300");
}

TEST_F(RecordTest, ARowThatIsMadeAgainBeginsWithNothingSpent) {
  Record row(kTeams);
  row.set("team_id", db::Value(std::string("t")));
  row.spend = dollars(7);
  const Record first = made(row);
  EXPECT_EQ(first.spend, dollars(7));
  ASSERT_TRUE(with([&](Records& records) { return records.remove(first); }));
  row.spend = Money();
  made(row);
  ASSERT_TRUE(with([&](Records& records) -> Status {
    const Result<Record> again = records.get(kTeams, "t");
    EXPECT_EQ(again->spend, Money());
    EXPECT_EQ(again->account_id, first.account_id);
    return {};
  }));
  EXPECT_EQ(count("SELECT count(*) FROM deleted_record WHERE object_id = 't' AND spend_nano = 7000000000"), 1);
}

TEST_F(RecordTest, ATakenKeyIsRefusedAndNothingIsLeftBehind) {
  made(Record(kTags).set("tag_name", db::Value(std::string("x"))));
  const std::int64_t audited = count("SELECT count(*) FROM audit");
  const Status twice = with([&](Records& records) -> Status {
    const Result<Record> created = records.create(Record(kTags).set("tag_name", db::Value(std::string("x"))));
    if (!created) return base::fail(created.error());
    return {};
  });
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().code, "unique");
  EXPECT_EQ(count("SELECT count(*) FROM audit"), audited);
}

TEST_F(RecordTest, TheAuditLogKeepsWhoWhatBeforeAndAfterButNoSecret) {
  const Record user = made(Record(kUsers)
                               .set("user_id", db::Value(std::string("u")))
                               .set("password", db::Value(std::string("scrypt-of-something"))));
  ASSERT_TRUE(with([&](Records& records) -> Status {
    Record changed = user;
    changed.set("user_email", db::Value(std::string("u@example.com")));
    const Result<Record> updated = records.update(user, changed);
    if (!updated) return base::fail(updated.error());
    return records.remove(*updated);
  }));
  EXPECT_EQ(count("SELECT count(*) FROM audit WHERE object_id = 'u' AND changed_by = 'ann' AND changed_by_key = 'aa' "
                  "AND request_id = 'call-1' AND table_name = 'LiteLLM_UserTable'"),
            3);
  EXPECT_EQ(count("SELECT count(*) FROM audit WHERE action = 'updated' AND updated_values LIKE '%u@example.com%' AND "
                  "before_value NOT LIKE '%u@example.com%'"),
            1);
  EXPECT_EQ(count("SELECT count(*) FROM audit WHERE before_value LIKE '%scrypt%' OR updated_values LIKE '%scrypt%'"),
            0);
  EXPECT_EQ(count("SELECT count(*) FROM deleted_record WHERE body LIKE '%scrypt%'"), 0);
}

TEST_F(RecordTest, ListsFilterSortAndPage) {
  for (int i = 0; i < 7; ++i) {
    Record row(kTeams);
    row.set("team_id", db::Value("t" + std::to_string(i)));
    row.set("team_alias", db::Value(std::string(i % 2 == 0 ? "Even_" : "Odd%") + std::to_string(i)));
    if (i > 4) row.set("organization_id", db::Value(std::string("o")));
    row.spend = dollars(i);
    made(row);
  }
  const auto ids = [&](Query query) {
    std::string out;
    EXPECT_TRUE(with([&](Records& records) -> Status {
      const Result<RecordPage> page = records.list(kTeams, query);
      if (!page) return base::fail(page.error());
      for (const Record& row : page->rows) out += row.key() + " ";
      out += "of " + std::to_string(page->total);
      return {};
    }));
    return out;
  };
  using Test = Condition::Test;
  Query query;
  query.size = 3;
  EXPECT_EQ(ids(query), "t0 t1 t2 of 7");
  query.page = 3;
  EXPECT_EQ(ids(query), "t6 of 7");
  query.page = 1;
  query.sort_by = "spend";
  query.ascending = false;
  EXPECT_EQ(ids(query), "t6 t5 t4 of 7");
  query.where = {{"team_alias", Test::Contains, {std::string("odd%")}}};
  EXPECT_EQ(ids(query), "t5 t3 t1 of 3");
  query.where = {{"team_alias", Test::Contains, {std::string("e_")}}};
  EXPECT_EQ(ids(query), "of 0");
  query.where = {{"organization_id", Test::IsNull, {}},
                 {"team_id", Test::AnyOf, {std::string("t1"), std::string("t6")}}};
  EXPECT_EQ(ids(query), "t1 of 1");
  query.where = {{"team_id", Test::AnyOf, {}}};
  EXPECT_EQ(ids(query), "of 0");
}

class FollowedFeed {
 public:
  explicit FollowedFeed(db::Database& database)
      : feed_(database, {[this](const std::vector<Change>& changes) { arrived(changes); }, [this] { lose(); }}) {}

  std::vector<std::string> wait_for(std::size_t count) {
    std::unique_lock guard(mutex_);
    feed_.wake();
    came_.wait_for(guard, std::chrono::seconds(20), [&] { return seen_.size() >= count; });
    return seen_;
  }
  bool wait_for_loss() {
    std::unique_lock guard(mutex_);
    feed_.wake();
    return came_.wait_for(guard, std::chrono::seconds(20), [&] { return lost_; });
  }

 private:
  void arrived(const std::vector<Change>& changes) {
    const std::lock_guard guard(mutex_);
    for (const Change& change : changes) seen_.push_back(change.kind + " " + change.entity);
    came_.notify_all();
  }
  void lose() {
    const std::lock_guard guard(mutex_);
    lost_ = true;
    came_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable came_;
  std::vector<std::string> seen_;
  bool lost_ = false;
  ChangeFeed feed_;
};

TEST_F(RecordTest, TheFeedTellsChangesInTheirOrderAndNothingOfBefore) {
  made(Record(kTags).set("tag_name", db::Value(std::string("before"))));
  FollowedFeed feed(*database_);
  made(Record(kTeams).set("team_id", db::Value(std::string("t"))));
  made(Record(kTeamMembers)
           .set("team_id", db::Value(std::string("t")))
           .set("user_id", db::Value(std::string("u")))
           .set("role", db::Value(std::string("user"))));
  EXPECT_EQ(feed.wait_for(2), (std::vector<std::string>{"team t", "team_member t::u"}));
}

TEST_F(RecordTest, AGapInTheFeedIsALoss) {
  FollowedFeed feed(*database_);
  EXPECT_TRUE(database_->transact_now([](db::Transaction& transaction) -> Status {
    const auto moved = transaction.run("UPDATE change_counter SET change_no = change_no + 5", {});
    return moved ? Status() : base::fail(moved.error());
  }));
  EXPECT_TRUE(feed.wait_for_loss());
}

}  // namespace
}  // namespace turnpike::account::record_test
