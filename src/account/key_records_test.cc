#include "account/key_records.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "account/caller_tree.h"
#include "account/key_life.h"
#include "account/key_list.h"
#include "account/tables.h"
#include "base/hash.h"
#include "db/test_postgres.h"

namespace turnpike::account::key_records_test {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

class KeyRecordsTest : public testing::Test {
 protected:
  KeyRecordsTest() {
    std::string name = std::filesystem::temp_directory_path() / "turnpike_keys_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    database_ = std::move(*db::open_test_database(folder_ / "test.db"));
    actor_.name = "ada";
    actor_.key_hash = "of-ada";
    actor_.now_us = 1'700'000'000 * kSecond;
  }
  ~KeyRecordsTest() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  Status with(const std::function<Status(Records&)>& work) {
    actor_.now_us += kSecond;
    return database_->transact_now([&](db::Transaction& transaction) {
      Records records(transaction, actor_);
      Status done = work(records);
      changes_ = records.changes();
      news_ = records.account_news();
      return done;
    });
  }
  Result<KeyRow> make(KeyRow row) {
    Result<KeyRow> made = base::fail(ErrorKind::Internal, "not run");
    const Status done = with([&](Records& records) -> Status {
      made = create_key(records, row);
      return made ? Status() : base::fail(made.error());
    });
    if (!done && made) return base::fail(done.error());
    return made;
  }
  KeyRow made(const std::string& name, const std::function<void(KeyRow&)>& fill = {}) {
    KeyRow row;
    row.hash = base::sha256_hex(name);
    row.key_name = "sk-..." + name;
    if (fill) fill(row);
    Result<KeyRow> key = make(row);
    EXPECT_TRUE(key) << key.error().message;
    return *key;
  }
  std::optional<KeyRow> find(const std::string& hash) {
    std::optional<KeyRow> row;
    EXPECT_TRUE(with([&](Records& records) -> Status {
      row = *find_key(records.transaction(), hash);
      return {};
    }));
    return row;
  }
  std::string text(const std::string& sql, const std::vector<db::Value>& values = {}) {
    std::string out;
    EXPECT_TRUE(with([&](Records& records) -> Status {
      const auto rows = records.transaction().run(sql, values);
      if (!rows) return base::fail(rows.error());
      for (const db::Row& row : rows->rows) {
        for (const db::Value& value : row) {
          const auto* number = std::get_if<std::int64_t>(&value);
          out += (number != nullptr ? std::to_string(*number) : db::as_text(value)) + " ";
        }
      }
      return {};
    }));
    return out;
  }
  bool noted(const std::string& hash) const {
    return std::ranges::any_of(changes_, [&](const Change& one) { return one.kind == "key" && one.entity == hash; });
  }

  std::filesystem::path folder_;
  std::unique_ptr<db::Database> database_;
  Actor actor_;
  std::vector<Change> changes_;
  std::vector<AccountNews> news_;
};

TEST_F(KeyRecordsTest, EveryColumnComesBack) {
  KeyRow row;
  row.hash = std::string(64, 'a');
  row.key_name = "sk-...aaaa";
  row.key_alias = "app";
  row.models = {"gpt"};
  row.permissions_json = R"({"p":true})";
  row.object_permission_json = R"({"mcp_servers":["m"]})";
  row.metadata_json = R"({"tags":["x"]})";
  row.user_id = "u";
  row.max_budget = Money::from_nano(5);
  row.soft_budget = Money::from_nano(4);
  row.max_budget_tokens = 1'000;
  row.soft_budget_tokens = 900;
  row.allowed_routes = {"llm_api_routes"};
  row.access_group_ids = {"g"};
  row.expires_us = 7;
  row.auto_rotate = true;
  row.rotation_interval = "30d";
  row.tpm_limit = 9;
  const Result<KeyRow> key = make(row);
  ASSERT_TRUE(key) << key.error().message;
  EXPECT_EQ(key->key_rotation_us, actor_.now_us + 30 * kDay);
  const std::optional<KeyRow> read = find(row.hash);
  ASSERT_TRUE(read);
  EXPECT_EQ(key_row_json(*read), key_row_json(*key));
  EXPECT_EQ(read->terms.limit, Money::from_nano(5));
  ASSERT_TRUE(read->tokens);
  EXPECT_EQ(read->tokens->terms.limit, Money::from_nano(1'000));
  EXPECT_EQ(read->tokens->terms.soft, Money::from_nano(900));
  EXPECT_EQ(read->created_by, "ada");
  EXPECT_EQ(text("SELECT action, changed_by, changed_by_key FROM audit"), "created ada of-ada ");
}

TEST_F(KeyRecordsTest, NoTwoKeysShareASecretOrAnAlias) {
  made("one", [](KeyRow& row) { row.key_alias = "app"; });
  KeyRow second;
  second.hash = base::sha256_hex("one");
  Result<KeyRow> taken = make(second);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().param, "key");
  second.hash = base::sha256_hex("two");
  second.key_alias = "app";
  taken = make(second);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().param, "key_alias");
  EXPECT_EQ(taken.error().message,
            "Key with alias 'app' already exists. Unique key aliases across all keys are required.");
}

TEST_F(KeyRecordsTest, ALinkedBudgetIsTheLimitOfAKeyWithoutOne) {
  ASSERT_TRUE(with([](Records& records) -> Status {
    Record budget(kBudgets);
    budget.set("budget_id", db::Value(std::string("b"))).set("max_budget", std::optional(Money::from_nano(10)));
    budget.set("max_budget_tokens", db::Value(std::int64_t{100}));
    const Result<Record> created = records.create(std::move(budget));
    return created ? Status() : base::fail(created.error());
  }));
  EXPECT_EQ(made("one", [](KeyRow& row) { row.budget_id = "b"; }).terms.limit, Money::from_nano(10));
  EXPECT_EQ(made("two",
                 [](KeyRow& row) {
                   row.budget_id = "b";
                   row.max_budget = Money::from_nano(3);
                 })
                .terms.limit,
            Money::from_nano(3));
  EXPECT_EQ(made("counted", [](KeyRow& row) { row.budget_id = "b"; }).tokens->terms.limit, Money::from_nano(100));
  EXPECT_EQ(made("counted by itself",
                 [](KeyRow& row) {
                   row.budget_id = "b";
                   row.max_budget_tokens = 30;
                 })
                .tokens->terms.limit,
            Money::from_nano(30));
  KeyRow lost;
  lost.hash = base::sha256_hex("three");
  lost.budget_id = "none";
  const Result<KeyRow> refused = make(lost);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::NotFound);
}

TEST_F(KeyRecordsTest, ARotatedKeyKeepsItsAccountAndItsOldSecretForAWhile) {
  const KeyRow first = made("one", [](KeyRow& row) {
    row.spend = Money::from_nano(70);
    row.key_alias = "app";
  });
  KeyRow after = first;
  after.hash = base::sha256_hex("two");
  const std::int64_t until = actor_.now_us + 100 * kSecond;
  ASSERT_TRUE(with([&](Records& records) -> Status {
    const Result<KeyRow> rotated = rotate_key(records, first, after, until);
    return rotated ? Status() : base::fail(rotated.error());
  }));
  EXPECT_TRUE(noted(first.hash)) << "callers who hold the old secret are read again";
  EXPECT_TRUE(noted(after.hash));
  EXPECT_FALSE(find(first.hash));
  const std::optional<KeyRow> second = find(after.hash);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->account_id, first.account_id);
  EXPECT_EQ(second->spend, Money::from_nano(70));
  EXPECT_EQ(second->rotation_count, 1);
  EXPECT_EQ(text("SELECT entity FROM account WHERE kind = 6"), after.hash + " ");
  const auto caller = [&](const std::string& hash, std::int64_t now_us) {
    ReadCaller read;
    EXPECT_TRUE(with([&](Records& records) -> Status {
      read = *read_caller(records.transaction(), hash, now_us);
      return {};
    }));
    return read;
  };
  EXPECT_EQ(caller(first.hash, until - 1).caller->key_alias, "app");
  EXPECT_EQ(caller(first.hash, until).caller, nullptr);

  // A second rotation takes the first secret along; deleting the key ends all of them.
  KeyRow third = *second;
  third.hash = base::sha256_hex("three");
  ASSERT_TRUE(with([&](Records& records) -> Status {
    const Result<KeyRow> rotated = rotate_key(records, *second, third, until);
    return rotated ? Status() : base::fail(rotated.error());
  }));
  EXPECT_EQ(caller(first.hash, until - 1).caller->key_hash_hex, third.hash);
  const std::optional<KeyRow> last = find(third.hash);
  ASSERT_TRUE(with([&](Records& records) { return remove_key(records, *last); }));
  for (const std::string& hash : {first.hash, after.hash, third.hash}) {
    EXPECT_TRUE(noted(hash));
  }
  for (const std::string& hash : {first.hash, after.hash, third.hash}) {
    EXPECT_EQ(caller(hash, until - 1).caller, nullptr);
  }
  // The secrets are free again, and what is made of them begins with an account of its own.
  const KeyRow again = made("one");
  EXPECT_NE(again.account_id, first.account_id);
  EXPECT_EQ(again.spend, Money());
  EXPECT_EQ(made("three").spend, Money());
}

TEST_F(KeyRecordsTest, ASecretOfADeletedKeyCanBeRotatedTo) {
  const KeyRow old = made("old", [](KeyRow& row) { row.spend = Money::from_nano(5); });
  ASSERT_TRUE(with([&](Records& records) { return remove_key(records, old); }));
  const KeyRow key = made("one", [](KeyRow& row) { row.spend = Money::from_nano(9); });
  KeyRow after = key;
  after.hash = old.hash;
  ASSERT_TRUE(with([&](Records& records) -> Status {
    const Result<KeyRow> rotated = rotate_key(records, key, after, std::nullopt);
    return rotated ? Status() : base::fail(rotated.error());
  }));
  EXPECT_EQ(find(old.hash)->spend, Money::from_nano(9));
  EXPECT_EQ(text("SELECT count(*) FROM account WHERE kind = 6"), "2 ") << "the old account and its entries stay";
}

TEST_F(KeyRecordsTest, ChangesMadeFromAnOldCopyAreRefused) {
  const KeyRow before = made("one");
  KeyRow after = before;
  after.models = {"a"};
  ASSERT_TRUE(with([&](Records& records) -> Status {
    const Result<KeyRow> updated = update_key(records, before, after);
    return updated ? Status() : base::fail(updated.error());
  }));
  const Status second = with([&](Records& records) -> Status {
    const Result<KeyRow> updated = update_key(records, before, after);
    return updated ? Status() : base::fail(updated.error());
  });
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::Unavailable);
}

TEST_F(KeyRecordsTest, PagesAreTheSameFromWhicheverEndTheyAreWalked) {
  std::vector<std::string> newest_first;
  for (int i = 0; i < 23; ++i) {
    const KeyRow row = made(std::to_string(i), [i](KeyRow& key) {
      key.team_id = i % 2 == 0 ? "even" : "odd";
      key.user_id = i < 3 ? "u" : "v";
      if (i % 5 != 0) key.max_budget = Money::from_nano(100 - i);
      key.spend = Money::from_nano(i * 7 % 23);
    });
    newest_first.insert(newest_first.begin(), row.hash);
  }
  const auto page = [&](KeyQuery query) {
    KeyPage out;
    EXPECT_TRUE(with([&](Records& records) -> Status {
      Result<KeyPage> read = list_keys(records.transaction(), query);
      if (!read) return base::fail(read.error());
      out = std::move(*read);
      return {};
    }));
    return out;
  };
  const auto walk = [&](KeyQuery query) {
    std::vector<std::string> hashes;
    for (query.page = 1; query.page < 10; ++query.page) {
      for (const KeyRow& row : page(query).rows) hashes.push_back(row.hash);
    }
    return hashes;
  };
  KeyQuery query;
  query.size = 4;
  EXPECT_EQ(walk(query), newest_first);
  EXPECT_EQ(page(query).total, 23u);
  query.ascending = true;
  EXPECT_EQ(walk(query), std::vector<std::string>(newest_first.rbegin(), newest_first.rend()));
  for (const char* sort : {"spend", "max_budget", "updated_at", "token", "key_alias"}) {
    KeyQuery up, down;
    up.size = down.size = 4;
    up.sort_by = down.sort_by = sort;
    up.ascending = true;
    std::vector<std::string> rising = walk(up), falling = walk(down);
    std::ranges::reverse(falling);
    EXPECT_EQ(rising, falling) << sort;
    std::ranges::sort(rising);
    EXPECT_EQ(std::ranges::unique(rising).size(), 0u) << sort;
    EXPECT_EQ(rising.size(), 23u) << sort;
  }
  query = {};
  query.team_id = "odd";
  EXPECT_EQ(page(query).total, 11u);
  query = {};
  query.any_of = KeyQuery::AnyOf{"u", std::nullopt, {"odd"}};
  EXPECT_EQ(page(query).total, 13u);
  query.any_of = KeyQuery::AnyOf{};
  EXPECT_EQ(page(query).total, 0u) << "nobody sees nothing, not everything";
}

TEST_F(KeyRecordsTest, WhatIsDueIsDone) {
  const KeyRow raised = made("raised", [](KeyRow& row) {
    row.max_budget = Money::from_nano(5'000'000'000);
    row.metadata_json = R"({"a":1,"temp_budget_increase":2,"temp_budget_expiry":"2023-11-15T00:00:00Z"})";
  });
  EXPECT_EQ(raised.terms.limit_at(actor_.now_us), Money::from_nano(7'000'000'000));
  const KeyRow turning = made("turning", [](KeyRow& row) {
    row.key_alias = "app/../1";
    row.auto_rotate = true;
    row.rotation_interval = "1d";
  });
  KeyLifeOptions options;
  options.rotated_keys_dir = folder_.string();
  options.grace_seconds = 60;
  int told = 0;
  options.done = [&](const std::vector<Change>&, const std::vector<AccountNews>&) { ++told; };
  EXPECT_EQ(*tend_keys(*database_, options, actor_.now_us), 0u);
  EXPECT_EQ(told, 0);
  const std::int64_t later = actor_.now_us + 2 * kDay;
  EXPECT_EQ(*tend_keys(*database_, options, later), 2u);
  EXPECT_EQ(told, 2);
  EXPECT_EQ(find(raised.hash)->terms.limit, Money::from_nano(5'000'000'000));
  EXPECT_EQ(find(raised.hash)->metadata_json, R"({"a":1})");

  std::ifstream file(folder_ / "app____1");
  std::string secret;
  ASSERT_TRUE(std::getline(file, secret)) << "the new secret is handed over";
  struct stat facts{};
  ASSERT_EQ(::stat((folder_ / "app____1").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  const std::optional<KeyRow> turned = find(base::sha256_hex(secret));
  ASSERT_TRUE(turned);
  EXPECT_EQ(turned->key_alias, "app/../1");
  EXPECT_EQ(turned->key_rotation_us, later + kDay);
  EXPECT_EQ(text("SELECT hash FROM deprecated_key"), turning.hash + " ");
  EXPECT_EQ(*tend_keys(*database_, options, later + 61 * kSecond), 1u) << "the old secret's time is over";
  EXPECT_EQ(text("SELECT hash FROM deprecated_key"), "");

  options.rotated_keys_dir = (folder_ / "none").string();
  EXPECT_FALSE(tend_keys(*database_, options, later + 2 * kDay)) << "a secret that nobody would learn is not made";
  EXPECT_TRUE(find(turned->hash));
}

TEST_F(KeyRecordsTest, ItsRoutingIsPartOfTheCaller) {
  const auto routing = [&](const std::string& hash) {
    domain::KeyRoutingRef out;
    EXPECT_TRUE(with([&](Records& records) -> Status {
      out = read_caller(records.transaction(), hash, actor_.now_us)->caller->routing;
      return {};
    }));
    return out;
  };
  EXPECT_EQ(routing(made("plain").hash), nullptr);
  const KeyRow own = made("own", [](KeyRow& row) { row.router_settings_json = R"({"num_retries":1})"; });
  ASSERT_NE(routing(own.hash), nullptr);
  EXPECT_EQ(routing(own.hash)->num_retries, 1u);
}

}  // namespace
}  // namespace turnpike::account::key_records_test
