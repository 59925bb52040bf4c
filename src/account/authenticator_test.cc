#include "account/authenticator.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/hash.h"

namespace turnpike::account::authenticator_test {
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
  std::string team, metadata = "{}";
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
      if (!sql.starts_with("SELECT k.hash")) return rows;
      for (const std::string& key : database.keys) {
        const std::string hash = base::sha256_hex(key);
        if (db::as_text(values.at(0)) != hash) continue;
        const db::Value list = std::string("[]"), object = std::string("{}"), none, zero = std::int64_t{0};
        const db::Value of_team = database.team.empty() ? none : db::Value(database.team);
        const db::Value kept_metadata = database.metadata;
        const db::Value utc = std::string("UTC"), account_id = std::int64_t{7};
        rows.rows.push_back({hash, std::string("sk-..."), none, list, object, kept_metadata, none, of_team, none, none,
                             zero, object, list, list, none, none, none, object, zero, none, object,
                             // The account.
                             account_id, zero, none, none, zero, zero, zero, none, utc, zero, none, zero});
        rows.rows.back().resize(rows.rows.back().size() + 12);  // There is none in tokens.
      }
      return rows;
    }
    const FakeDatabase& database;
  };
};

struct Fixture {
  explicit Fixture(Authenticator::Limits limits = {}, AuthSettings settings = {}) {
    settings.master_key = base::Secret("sk-master");
    authenticator = std::make_unique<Authenticator>(database, settings, limits);
  }
  http::Request request(const std::string& key) {
    http::Request made;
    made.path = "/v1/models";
    made.peer_ip = peer_ip;
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
  std::unique_ptr<Authenticator> authenticator;
  std::string_view peer_ip = "127.0.0.1";
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

TEST(Authenticator, FirstCallsOfAKeyWhileOthersChangeAreNotRefused) {
  Fixture fixture;
  fixture.database.keys = {"sk-mine"};
  base::Signal arrived;
  fixture.database.held = &arrived;
  fixture.ask("reads", "sk-mine");
  fixture.ask("waits", "sk-mine");
  fixture.authenticator->forget(base::sha256_hex("sk-another"));
  fixture.ask("came after the change", "sk-mine");
  arrived.fire();
  for (const char* name : {"reads", "waits", "came after the change"}) EXPECT_EQ(fixture.answers[name], "ok") << name;
  EXPECT_EQ(fixture.database.reads, 2);
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

TEST(Authenticator, AChangedTeamIsReadAgainWithItsKeysAndNoOthers) {
  Fixture fixture;
  fixture.database.keys = {"sk-red"};
  fixture.database.team = "red";
  EXPECT_EQ(fixture.answer("sk-red"), "ok");
  fixture.database.keys = {"sk-blue"};
  fixture.database.team = "blue";
  EXPECT_EQ(fixture.answer("sk-blue"), "ok");
  fixture.authenticator->forget(std::vector<Change>{{1, "team_member", "red::anna"}});
  EXPECT_FALSE(fixture.known("sk-red"));
  EXPECT_TRUE(fixture.known("sk-blue"));
  fixture.authenticator->forget(std::vector<Change>{{2, "stored_model", "m"}, {3, "fallback", "f"}});
  EXPECT_TRUE(fixture.known("sk-blue"));
  fixture.authenticator->forget(std::vector<Change>{{4, "team", "blue"}});
  EXPECT_FALSE(fixture.known("sk-blue"));
  EXPECT_EQ(fixture.answer("sk-blue"), "ok");
  EXPECT_TRUE(fixture.known("sk-blue")) << "what is read after the change holds";
  fixture.authenticator->forget(std::vector<Change>{{5, "budget", "b"}});
  EXPECT_FALSE(fixture.known("sk-blue")) << "a budget may be anybody's";
}

TEST(Authenticator, KnownKeysAreBoundedByTheirMemory) {
  Authenticator::Limits limits;
  limits.known_bytes_max = 20'000;
  Fixture fixture(limits);
  int known = 0;
  for (int i = 0; i < 100; ++i) {
    fixture.database.keys = {"sk-key-" + std::to_string(i)};
    EXPECT_EQ(fixture.answer("sk-key-" + std::to_string(i)), "ok");
  }
  for (int i = 0; i < 100; ++i) known += fixture.known("sk-key-" + std::to_string(i)) ? 1 : 0;
  EXPECT_GT(known, 5);
  EXPECT_LT(known, 50);
  EXPECT_TRUE(fixture.known("sk-key-99"));
}

TEST(Authenticator, KeysOfAddressesAreLetInFromThem) {
  const std::string kForbidden = std::to_string(static_cast<int>(ErrorKind::PermissionDenied)) + " ";
  Fixture fixture;
  fixture.database.keys = {"sk-mine"};
  fixture.database.metadata = R"({"allowed_ips":["10.0.0.0/8","no address"]})";
  fixture.peer_ip = "192.168.0.1";
  EXPECT_EQ(fixture.answer("sk-mine"), kForbidden);
  EXPECT_EQ(fixture.last.message, "Access forbidden: IP address 192.168.0.1 not allowed.");
  EXPECT_EQ(fixture.answer("sk-master"), "ok");
  fixture.peer_ip = "10.1.2.3";
  EXPECT_EQ(fixture.answer("sk-mine"), "ok");

  AuthSettings settings;
  settings.allowed_ips = {*domain::parse_ip_range("10.0.0.0/8")};
  Fixture guarded({}, settings);
  guarded.peer_ip = "192.168.0.1";
  EXPECT_EQ(guarded.answer("sk-master"), kForbidden);
  guarded.peer_ip = "10.9.9.9";
  EXPECT_EQ(guarded.answer("sk-master"), "ok");
}

TEST(Authenticator, KnownKeysGoOnForAsLongAsIsAllowedWithoutNews) {
  AuthSettings settings;
  settings.staleness_max = std::chrono::seconds(60);
  std::chrono::milliseconds behind{0};
  settings.behind = [&behind] { return behind; };
  Fixture fixture({}, settings);
  fixture.database.keys = {"sk-mine"};
  EXPECT_EQ(fixture.answer("sk-mine"), "ok");
  behind = std::chrono::seconds(60);
  EXPECT_EQ(fixture.answer("sk-mine"), "ok");
  behind = std::chrono::seconds(61);
  EXPECT_EQ(fixture.answer("sk-mine"), kAway);
  EXPECT_EQ(fixture.answer("sk-master"), "ok");
}

TEST(ClientIp, IsWhatTrustedProxiesSayAndNobodyElse) {
  AuthSettings settings;
  settings.trusted_proxies = {*domain::parse_ip_range("10.0.0.0/8")};
  struct Row {
    const char* peer;
    std::vector<const char*> forwarded;
    const char* client;
  };
  const Row rows[] = {
      {"203.0.113.9", {}, "203.0.113.9"},
      {"203.0.113.9", {"1.1.1.1"}, "203.0.113.9"},
      {"10.0.0.1", {"1.1.1.1"}, "1.1.1.1"},
      {"10.0.0.1", {"6.6.6.6, 1.1.1.1, 10.0.0.2"}, "1.1.1.1"},
      {"10.0.0.1", {"6.6.6.6", "1.1.1.1"}, "1.1.1.1"},
      {"10.0.0.1", {"10.0.0.3"}, "10.0.0.3"},
      {"10.0.0.1", {"not an address"}, "not an address"},  // Which no range holds.
  };
  for (const Row& row : rows) {
    http::Request request;
    request.peer_ip = row.peer;
    for (const char* value : row.forwarded) request.fields.push_back({"X-Forwarded-For", value});
    EXPECT_EQ(client_ip(request, settings), row.client);
    if (row.forwarded.size() == 1) EXPECT_EQ(client_ip(request, {}), row.peer);
  }
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
    if (!row.models.empty()) caller.model_levels = {{domain::ModelLevel::Of::Key, row.models}};
    EXPECT_EQ(model_allowed(caller, row.model, groups), row.allowed)
        << (row.models.empty() ? "" : row.models[0]) << " on " << row.model;
    EXPECT_EQ(check_model_allowed(caller, row.model, groups).has_value(), row.allowed);
  }
}

TEST(ModelAllowed, EveryLevelHasToHoldTheModel) {
  using Of = domain::ModelLevel::Of;
  const struct {
    std::vector<domain::ModelLevel> levels;
    const char* type;
    const char* text;
  } rows[] = {
      {{{Of::Key, {"gpt"}}, {Of::Team, {"gpt", "lab"}}}, "", ""},
      {{{Of::Key, {"all-team-models"}}, {Of::Team, {"gpt"}}}, "", ""},
      {{{Of::Key, {"lab"}}, {Of::Team, {"gpt"}}},
       "key_model_access_denied",
       "key not allowed to access model. This key can only access models=['lab']. Tried to access gpt"},
      {{{Of::Key, {"gpt"}}, {Of::Team, {"lab", "x"}}},
       "team_model_access_denied",
       "team not allowed to access model. This team can only access models=['lab', 'x']. Tried to access gpt"},
      {{{Of::Key, {"all-team-models"}}, {Of::Team, {"lab"}}},
       "team_model_access_denied",
       "team not allowed to access model. This team can only access models=['lab']. Tried to access gpt"},
      {{{Of::User, {"lab"}}},
       "user_model_access_denied",
       "user not allowed to access model. This user can only access models=['lab']. Tried to access gpt"},
      {{{Of::User, {"no-default-models"}}}, "key_model_access_denied", "User=anna has no default models"},
      {{{Of::Key, {"gpt"}}, {Of::Organization, {"lab"}}},
       "org_model_access_denied",
       "org not allowed to access model. This org can only access models=['lab']. Tried to access gpt"},
  };
  for (const auto& row : rows) {
    domain::Caller caller;
    caller.user_id = "anna";
    caller.model_levels = row.levels;
    const Status allowed = check_model_allowed(caller, "gpt", {});
    EXPECT_EQ(allowed ? "" : allowed.error().type, row.type);
    if (!allowed) EXPECT_TRUE(allowed.error().message.starts_with(row.text)) << allowed.error().message;
  }
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
    if (!row.models.empty()) caller.model_levels = {{domain::ModelLevel::Of::Key, row.models}};
    EXPECT_EQ(deciding_access_groups(caller, "gpt").size(), row.decide ? row.models.size() : 0) << row.models.size();
  }
}

}  // namespace
}  // namespace turnpike::account::authenticator_test
