#include "account/authenticator.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/hash.h"

namespace turnpike::account {
namespace {

/// Keys by their secret; answers at once, or when it is told to, or not at all.
class FakeDatabase final : public db::Database {
 public:
  Task<Status> transact(std::function<Status(db::Transaction&)> work) override {
    ++reads;
    if (held != nullptr) co_await *held;
    if (down) co_return base::fail(ErrorKind::Unavailable, "disk I/O error");
    co_return transact_now(work);
  }
  Status transact_now(const std::function<Status(db::Transaction&)>& work) override {
    Lookup lookup(*this);
    return work(lookup);
  }
  std::string description() const override { return "fake"; }
  bool reachable() const override { return !down; }

  std::set<std::string> keys;
  int reads = 0;
  bool down = false;
  base::Signal* held = nullptr;

 private:
  struct Lookup final : db::Transaction {
    explicit Lookup(const FakeDatabase& database_in) : database(database_in) {}
    Result<db::Rows> run(std::string_view sql, const std::vector<db::Value>& values) override {
      // AC-SEC-1: what a caller sent is never part of a statement.
      EXPECT_EQ(sql.find("sk-"), std::string_view::npos);
      db::Rows rows;
      for (const std::string& key : database.keys) {
        const std::string hash = base::sha256_hex(key);
        if (db::as_text(values.at(0)) != hash) continue;
        const std::string none = "{}";
        rows.rows.push_back({hash,
                             "sk-...",
                             {},
                             std::string("[]"),
                             none,
                             none,
                             none,
                             none,
                             {},
                             {},
                             {},
                             {},
                             {},
                             std::int64_t{0},
                             std::int64_t{7},
                             std::string("a"),
                             std::string("a"),
                             std::int64_t{1},
                             std::int64_t{1},
                             std::int64_t{0},
                             std::int64_t{0},
                             none});
      }
      return rows;
    }
    const FakeDatabase& database;
  };
};

struct Fixture {
  explicit Fixture(Authenticator::Limits limits = {}) : store(database, [](const std::string&) {}) {
    AuthSettings settings;
    settings.master_key = base::Secret("sk-master");
    authenticator = std::make_unique<Authenticator>(store, settings, limits);
  }
  http::Request request(const std::string& key) {
    http::Request made;
    made.path = "/v1/models";
    kept.push_back(std::make_unique<std::string>("Bearer " + key));
    made.fields.push_back({"Authorization", *kept.back()});
    return made;
  }
  /// Asks, and leaves the answer in `answers[name]` whenever it comes.
  void ask(const std::string& name, const std::string& key) {
    requests.push_back(std::make_unique<http::Request>(request(key)));
    base::spawn(run(name, *requests.back()));
  }
  std::string answer(const std::string& key) {
    ask("one", key);
    return answers["one"];
  }
  bool known(const std::string& key) { return authenticator->authenticate_known(request(key), 0).has_value(); }

  Task<void> run(std::string name, const http::Request& asked) {
    answers[name] = "waiting";
    Result<domain::CallerRef> caller = co_await authenticator->authenticate(asked, 0);
    answers[name] = caller ? "ok" : std::to_string(static_cast<int>(caller.error().kind)) + " " + caller.error().type;
    if (!caller) last = caller.error();
  }

  FakeDatabase database;
  KeyStore store;
  std::unique_ptr<Authenticator> authenticator;
  std::map<std::string, std::string> answers;
  Error last;
  std::vector<std::unique_ptr<std::string>> kept;
  std::vector<std::unique_ptr<http::Request>> requests;
};

const std::string kUnknown = std::to_string(static_cast<int>(ErrorKind::Unauthenticated)) + " token_not_found_in_db";
const std::string kAway = std::to_string(static_cast<int>(ErrorKind::Unavailable)) + " no_db_connection";

TEST(Authenticator, ADatabaseThatIsAwayIs503AndForgottenAtOnce) {
  Fixture fixture;
  fixture.database.keys = {"sk-mine"};
  fixture.database.down = true;
  EXPECT_EQ(fixture.answer("sk-mine"), kAway);
  EXPECT_TRUE(fixture.last.retry_after.has_value());
  EXPECT_EQ(fixture.last.message.find("disk"), std::string::npos) << "the reason is for the log";
  EXPECT_EQ(fixture.answer("sk-nobody"), kAway) << "nobody knows whether it exists";
  EXPECT_EQ(fixture.answer("sk-master"), "ok") << "the master key needs no database";
  fixture.database.down = false;
  EXPECT_EQ(fixture.answer("sk-mine"), "ok");
  EXPECT_EQ(fixture.answer("sk-nobody"), kUnknown);
  fixture.database.down = true;
  EXPECT_EQ(fixture.answer("sk-mine"), "ok") << "a known key goes on";
}

TEST(Authenticator, CallsThatWaitForTheSameKeyShareOneRead) {
  Fixture fixture;
  fixture.database.keys = {"sk-mine"};
  base::Signal arrived;
  fixture.database.held = &arrived;
  for (const char* name : {"a", "b", "c"}) fixture.ask(name, "sk-mine");
  EXPECT_EQ(fixture.database.reads, 1);
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(fixture.answers[name], "waiting");
  arrived.fire();
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(fixture.answers[name], "ok");
  EXPECT_EQ(fixture.database.reads, 1);
}

TEST(Authenticator, AnAnswerThatAChangeOvertookIsNotKept) {
  Fixture fixture;
  fixture.database.keys = {"sk-mine"};
  base::Signal arrived;
  fixture.database.held = &arrived;
  fixture.ask("a", "sk-mine");
  fixture.authenticator->forget(base::sha256_hex("sk-mine"));
  arrived.fire();
  EXPECT_EQ(fixture.answers["a"], "ok");
  EXPECT_FALSE(fixture.known("sk-mine"));
}

TEST(Authenticator, AFloodOfUnknownKeysIsBoundedAndPushesNoKnownOneOut) {
  Authenticator::Limits limits;
  limits.known_keys_max = 2;
  limits.unknown_keys_max = 3;
  Fixture fixture(limits);
  fixture.database.keys = {"sk-one", "sk-two", "sk-three"};
  EXPECT_EQ(fixture.answer("sk-one"), "ok");
  EXPECT_EQ(fixture.answer("sk-two"), "ok");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(fixture.answer("sk-unknown-" + std::to_string(i)), kUnknown);
  EXPECT_TRUE(fixture.known("sk-one"));
  EXPECT_TRUE(fixture.known("sk-two"));
  int remembered = 0;
  for (int i = 0; i < 100; ++i) remembered += fixture.known("sk-unknown-" + std::to_string(i)) ? 1 : 0;
  EXPECT_EQ(remembered, 3);
  const int reads = fixture.database.reads;
  EXPECT_EQ(fixture.answer("sk-unknown-99"), kUnknown);
  EXPECT_EQ(fixture.database.reads, reads) << "an unknown key is not asked for again and again";

  EXPECT_EQ(fixture.answer("sk-one"), "ok");
  EXPECT_EQ(fixture.answer("sk-three"), "ok");
  EXPECT_FALSE(fixture.known("sk-two")) << "the one that was used longest ago goes";
  EXPECT_TRUE(fixture.known("sk-one"));
}

TEST(Authenticator, AKeyThatIsMadeIsKnownOnceItIsTold) {
  Fixture fixture;
  EXPECT_EQ(fixture.answer("sk-mine"), kUnknown);
  fixture.database.keys = {"sk-mine"};
  fixture.authenticator->forget(base::sha256_hex("sk-mine"));
  EXPECT_EQ(fixture.answer("sk-mine"), "ok");
}

TEST(ModelAllowed, NamesPatternsGroupsAndWords) {
  const AccessGroups groups = {{"beta", {"gpt-next", "lab/*"}}};
  const struct {
    std::vector<std::string> models;
    const char* model;
    bool allowed;
  } rows[] = {
      {{}, "gpt", true},
      {{"gpt"}, "gpt", true},
      {{"gpt"}, "gpt-4o", false},
      {{"openai/*"}, "openai/gpt-4o", true},
      {{"openai/*"}, "openai", false},
      {{"*"}, "anything/at-all", true},
      {{"a*c*e"}, "abcde", true},
      {{"a*c*e"}, "abcdf", false},
      {{"all-proxy-models"}, "gpt", true},
      {{"no-default-models"}, "gpt", false},
      {{"no-default-models", "gpt"}, "gpt", true},
      {{"beta"}, "gpt-next", true},
      {{"beta"}, "lab/x", true},
      {{"beta"}, "gpt", false},
  };
  for (const auto& row : rows) {
    domain::Caller caller;
    caller.models = row.models;
    EXPECT_EQ(model_allowed(caller, row.model, groups), row.allowed)
        << (row.models.empty() ? "" : row.models[0]) << " on " << row.model;
    EXPECT_EQ(check_model_allowed(caller, row.model, groups).has_value(), row.allowed);
  }
  domain::Caller admin;
  admin.role = domain::Role::ProxyAdmin;
  admin.models = {"gpt"};
  EXPECT_TRUE(model_allowed(admin, "other", groups));
}

TEST(DecidingAccessGroups, AreThoseOfAKeyThatDoesNotNameTheModel) {
  struct Row {
    std::vector<std::string> models;
    bool decide;
  };
  const Row rows[] = {{{}, false},      {{"beta"}, true},        {{"beta", "gpt"}, false},
                      {{"gp*"}, false}, {{"beta", "lab"}, true}, {{"beta", "all-team-models"}, false}};
  for (const Row& row : rows) {
    domain::Caller caller;
    caller.models = row.models;
    EXPECT_EQ(deciding_access_groups(caller, "gpt").size(), row.decide ? row.models.size() : 0) << row.models.size();
  }
  domain::Caller admin;
  admin.role = domain::Role::ProxyAdmin;
  admin.models = {"beta"};
  EXPECT_TRUE(deciding_access_groups(admin, "gpt").empty());
}

}  // namespace
}  // namespace turnpike::account
