#include "account/caller_tree.h"

#include <gtest/gtest.h>

#include <filesystem>

#include <unistd.h>

#include "account/key_rows.h"
#include "account/spenders.h"
#include "account/tables.h"
#include "db/account_rows.h"
#include "db/test_postgres.h"

namespace turnpike::account::caller_tree_test {
namespace {

class CallerTreeTest : public testing::Test {
 protected:
  CallerTreeTest() {
    path_ = (std::filesystem::temp_directory_path() / ("turnpike_callers_" + std::to_string(::getpid()) +
                                                       testing::UnitTest::GetInstance()->current_test_info()->name()))
                .string();
    remove_files();
    database_ = std::move(*db::open_test_database(path_));
  }
  ~CallerTreeTest() override {
    database_.reset();
    remove_files();
  }
  void remove_files() {
    for (const char* end : {"", "-wal", "-shm", ".lock"}) std::filesystem::remove(path_ + end);
  }
  void with(const std::function<void(Records&)>& work) {
    const Status done = database_->transact_now([&](db::Transaction& transaction) -> Status {
      Records records(transaction, actor_);
      work(records);
      return {};
    });
    EXPECT_TRUE(done) << done.error().message;
  }
  void make_key(const std::string& hash, const std::function<void(KeyRow&)>& fill) {
    with([&](Records& records) {
      KeyRow row;
      row.hash = hash;
      fill(row);
      db::NewTerms terms;
      terms.terms.limit = row.max_budget;
      row.account_id = *db::open_account(records.transaction(), {6, hash}, terms, 1);
      const auto made = records.transaction().run(insert_key(), key_values(row));
      EXPECT_TRUE(made) << made.error().message;
    });
  }
  domain::CallerRef read(const std::string& hash, std::int64_t now_us = 0) {
    ReadCaller found;
    with([&](Records& records) { found = read_caller(records.transaction(), hash, now_us).value(); });
    return found.caller;
  }
  void make_tree() {
    with([](Records& records) {
      Record budget(kBudgets);
      budget.set("budget_id", "b1").set("max_budget", Money::from_nano(5'000'000'000));
      ASSERT_TRUE(records.create(budget));
      Record organization(kOrganizations);
      organization.set("organization_id", "org").set("organization_alias", "Org").set("budget_id", "b1");
      organization.set_list("models", {"gpt", "lab"});
      ASSERT_TRUE(records.create(organization));
      Record team(kTeams);
      team.set("team_id", "red").set("team_alias", "Red").set("organization_id", "org");
      team.set("max_budget", Money::from_nano(2'000'000'000)).set_list("models", {"gpt"});
      team.set("model_aliases", R"({"nick":"gpt","mine":"other"})");
      team.set("metadata", R"({"tags":["t"],"enforced_params":["user"]})");
      ASSERT_TRUE(records.create(team));
      Record member(kTeamMembers);
      member.set("team_id", "red").set("user_id", "anna").set("role", "user").set("budget_id", "b1");
      ASSERT_TRUE(records.create(member));
      Record user(kUsers);
      user.set("user_id", "anna").set("user_role", "internal_user_viewer").set_list("models", {"no-default-models"});
      ASSERT_TRUE(records.create(user));
    });
  }

  std::string path_;
  std::unique_ptr<db::Database> database_;
  Actor actor_{"test", "", "", 1};
};

TEST_F(CallerTreeTest, AKeyIsReadWithAllThatStandsAboveIt) {
  make_tree();
  make_key("aa", [](KeyRow& row) {
    row.team_id = "red";
    row.user_id = "anna";
    row.aliases_json = R"({"mine":"gpt"})";
    row.models = {"all-team-models"};
    row.max_budget = Money::from_nano(1'000'000'000);
    row.metadata_json = R"({"tags":["k"],"allowed_ips":["10.0.0.0/8"]})";
  });
  const domain::CallerRef caller = read("aa");
  ASSERT_TRUE(caller);
  EXPECT_EQ(caller->role, domain::Role::InternalUserViewer);
  EXPECT_TRUE(caller->is_user);
  EXPECT_EQ(caller->team_alias, "Red");
  EXPECT_EQ(caller->organization_id, "org");
  EXPECT_EQ(caller->organization_alias, "Org");
  EXPECT_EQ(caller->aliases, (std::map<std::string, std::string>{{"mine", "gpt"}, {"nick", "gpt"}}));
  EXPECT_EQ(caller->tags, (std::vector<std::string>{"k", "t"}));
  EXPECT_EQ(caller->enforced_params, std::vector<std::string>{"user"});
  EXPECT_EQ(caller->allowed_ips.size(), 1u);
  std::string levels, accounts;
  for (const domain::ModelLevel& level : caller->model_levels)
    levels += std::to_string(static_cast<int>(level.of)) + ":" + level.models.front() + " ";
  EXPECT_EQ(levels, "0:all-team-models 1:gpt 3:gpt ") << "a user's own list is for his personal keys";
  for (const domain::CallerAccount& account : caller->accounts)
    accounts += std::to_string(account.kind) + ":" + account.entity + "=" +
                (account.limit ? account.limit->to_string() : "none") + " ";
  EXPECT_EQ(accounts, "2:org=5 3:red=2 4:red::anna=5 5:anna=none 6:aa=1 ");
}

TEST_F(CallerTreeTest, AKeySaysWhetherItIsAServicesAndReadsAllSpend) {
  struct KeyCase {
    const char* hash;
    const char* metadata;
    const char* permissions;
    bool service, reads;
  };
  const KeyCase cases[] = {
      {"a1", "{}", "{}", false, false},
      {"a2", R"({"service_account_id":"ci"})", R"({"get_spend_routes":true})", true, true},
      {"a3", R"({"service_account_id":null})", R"({"get_spend_routes":false})", false, false},
      {"a4", R"({"tags":[]})", R"({"get_spend_routes":"yes"})", false, false},
  };
  for (const KeyCase& c : cases) {
    make_key(c.hash, [&c](KeyRow& row) {
      row.metadata_json = c.metadata;
      row.permissions_json = c.permissions;
    });
    const domain::CallerRef caller = read(c.hash);
    ASSERT_TRUE(caller) << c.hash;
    EXPECT_EQ(caller->is_service_account, c.service) << c.metadata;
    EXPECT_EQ(caller->reads_all_spend, c.reads) << c.permissions;
  }
}

TEST_F(CallerTreeTest, APersonalKeyIsHeldToItsUsersList) {
  make_tree();
  make_key("bb", [](KeyRow& row) { row.user_id = "anna"; });
  const domain::CallerRef caller = read("bb");
  ASSERT_EQ(caller->model_levels.size(), 1u);
  EXPECT_EQ(caller->model_levels[0].of, domain::ModelLevel::Of::User);
  make_key("cc", [](KeyRow& row) { row.user_id = "nobody"; });
  EXPECT_FALSE(read("cc")->is_user);
  EXPECT_EQ(read("cc")->role, domain::Role::InternalUser);
  EXPECT_EQ(read("dd"), nullptr);
}

TEST_F(CallerTreeTest, AReplacedKeyIsItsSuccessorWhileItsGraceLasts) {
  make_key("new", [](KeyRow& row) { row.key_alias = "k"; });
  with([](Records& records) {
    ASSERT_TRUE(records.transaction().run(
        "INSERT INTO deprecated_key (hash, active_hash, revoke_at_us, created_at_us) VALUES ('old', 'new', 100, 0)",
        {}));
  });
  ASSERT_TRUE(read("old", 99));
  EXPECT_EQ(read("old", 99)->key_hash_hex, "new");
  EXPECT_EQ(read("old", 100), nullptr);
}

TEST_F(CallerTreeTest, AccessGroupsOfTheDatabaseStandForTheirModels) {
  with([](Records& records) {
    Record group(kAccessGroups);
    group.set("access_group_id", "g1").set("access_group_name", "beta").set_list("access_model_names", {"next"});
    ASSERT_TRUE(records.create(group));
  });
  make_key("ee", [](KeyRow& row) { row.models = {"gpt", "beta"}; });
  make_key("ff", [](KeyRow& row) { row.access_group_ids = {"g1"}; });
  make_key("gg", [](KeyRow& row) { row.access_group_ids = {"gone"}; });
  EXPECT_EQ(read("ee")->model_levels.at(0).models, (std::vector<std::string>{"gpt", "beta", "next"}));
  EXPECT_EQ(read("ff")->model_levels.at(0).models, std::vector<std::string>{"next"});
  EXPECT_EQ(read("gg")->model_levels.at(0).models, std::vector<std::string>{"no-default-models"})
      << "a group that is gone opens nothing";
}

TEST_F(CallerTreeTest, EndUsersAndTagsHaveAccountsWhereTheyHaveRows) {
  with([](Records& records) {
    Record buyer(kEndUsers);
    buyer.set("user_id", "buyer").set("blocked", std::int64_t{1});
    ASSERT_TRUE(records.create(buyer));
    Record tag(kTags);
    tag.set("tag_name", "campaign");
    ASSERT_TRUE(records.create(tag));
  });
  with([](Records& records) {
    db::Transaction& transaction = records.transaction();
    const auto buyer = read_spender(transaction, kEndUserKind, "buyer").value();
    ASSERT_TRUE(buyer);
    EXPECT_TRUE(buyer->blocked);
    EXPECT_EQ(buyer->account.kind, 7);
    const auto tag = read_spender(transaction, kTagKind, "campaign").value();
    ASSERT_TRUE(tag);
    EXPECT_FALSE(tag->blocked);
    EXPECT_FALSE(read_spender(transaction, kEndUserKind, "campaign").value());
  });
}

}  // namespace
}  // namespace turnpike::account::caller_tree_test
