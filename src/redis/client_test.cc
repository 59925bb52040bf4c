#include "redis/client.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "redis/test_redis.h"

namespace turnpike::redis::client_test {
namespace {

using std::chrono::milliseconds;

std::int64_t elapsed_ms(base::Monotonic since) {
  return std::chrono::duration_cast<milliseconds>(base::monotonic_now() - since).count();
}

/// I/O threads and what they ask of a server.
struct Gateway {
  explicit Gateway(const config::RedisSettings& settings, std::size_t threads_count = 2, bool start = true)
      : threads(net::IoThreads::start(threads_count)),
        redis(
            std::make_shared<Redis>(settings, threads->all(), std::vector<Command>{{"PING"}, {"SET", "probe", "1"}})) {
    if (start) redis->start();
  }
  ~Gateway() { redis->stop(); }
  net::IoThread& thread(std::size_t index = 0) { return *threads->all()[index]; }
  Client& client(std::size_t index = 0) { return redis->client(thread(index)); }
  bool usable() {
    bool all = true;
    for (net::IoThread* const one : threads->all()) {
      run_on(*one, [&] { return look(redis->client(*one), all); });
    }
    return all;
  }
  static Task<void> look(Client& client, bool& all) {
    all = all && client.usable();
    co_return;
  }
  std::unique_ptr<net::IoThreads> threads;
  std::shared_ptr<Redis> redis;
};

Task<void> ask(Client& client, Command command, Result<Reply>& result) {
  result = co_await client.run(std::move(command));
}
Result<Reply> ask_on(Gateway& gateway, Command command, std::size_t thread = 0) {
  Result<Reply> result;
  run_on(gateway.thread(thread), [&] { return ask(gateway.client(thread), std::move(command), result); });
  return result;
}

TEST(RedisClient, AsksFromEveryThread) {
  TestRedis server;
  Gateway gateway(server.settings());
  EXPECT_EQ(ask_on(gateway, {"SET", "a", "1"}, 0)->text, "OK");
  EXPECT_EQ(ask_on(gateway, {"GET", "a"}, 1)->text, "1");
  EXPECT_EQ(gateway.redis->counters().connects, 2u);
}

Task<void> ask_many(Client& client, int from, std::vector<std::int64_t>& answers, int& left, base::Signal& all) {
  Command command{"INCRBY", "n" + std::to_string(from), std::to_string(from)};
  const auto reply = co_await client.run(std::move(command));
  if (reply) answers[static_cast<std::size_t>(from)] = reply->integer;
  if (--left == 0) all.fire();
}
Task<void> pipeline(Client& client, std::vector<std::int64_t>& answers) {
  int left = static_cast<int>(answers.size());
  base::Signal all;
  for (int i = 0; i < static_cast<int>(answers.size()); ++i) base::spawn(ask_many(client, i, answers, left, all));
  co_await all;
}

TEST(RedisClient, GivesEachOfManyCommandsItsOwnAnswer) {
  TestRedis server;
  Gateway gateway(server.settings(), 1);
  std::vector<std::int64_t> answers(1000, -1);
  run_on(gateway.thread(), [&] { return pipeline(gateway.client(), answers); });
  for (std::size_t i = 0; i < answers.size(); ++i) ASSERT_EQ(answers[i], static_cast<std::int64_t>(i));
}

Task<void> ask_script(Client& client, const Script& script, Result<Reply>& result) {
  ScriptCall call{{"k"}, {"7"}};
  result = co_await client.run(script, std::move(call));
}

TEST(RedisClient, SendsAScriptWholeWhenTheServerDoesNotKnowIt) {
  TestRedis server;
  Gateway gateway(server.settings(), 1);
  const Script script("return redis.call('INCRBY', KEYS[1], ARGV[1])");
  Result<Reply> result;
  for (const int expected : {7, 14, 21}) {
    run_on(gateway.thread(), [&] { return ask_script(gateway.client(), script, result); });
    ASSERT_TRUE(result);
    EXPECT_EQ(result->integer, expected);
    if (expected == 7) EXPECT_EQ(gateway.redis->counters().commands, 2u);
    if (expected == 14) (void)ask_on(gateway, {"SCRIPT", "FLUSH"});
  }
  EXPECT_EQ(gateway.redis->counters().commands, 6u);
}

Task<void> send_scripts(Client& client, const Script& script) {
  for (int i = 0; i < 50; ++i) client.send(script, {{"sent"}, {"1"}});
  co_return;
}

TEST(RedisClient, WhatIsSentWithoutWaitingArrivesBeforeWhatIsAskedAfter) {
  TestRedis server;
  Gateway gateway(server.settings(), 1);
  const Script script("return redis.call('INCRBY', KEYS[1], ARGV[1])");
  Result<Reply> known;
  run_on(gateway.thread(), [&] { return ask_script(gateway.client(), script, known); });
  run_on(gateway.thread(), [&] { return send_scripts(gateway.client(), script); });
  EXPECT_EQ(ask_on(gateway, {"GET", "sent"})->text, "50");
}

TEST(RedisClient, ComesWithPasswordUserAndDatabase) {
  TestRedis server({"--requirepass", "passw0rd", "--user", "gateway", "on", ">s3cret", "~*", "+@all"});
  struct Row {
    const char* name;
    const char* user;
    const char* password;
    bool usable;
  };
  const Row rows[] = {{"the default user", "", "passw0rd", true},
                      {"a user of an ACL", "gateway", "s3cret", true},
                      {"a wrong password", "gateway", "wrong", false},
                      {"none", "", "", false}};
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    config::RedisSettings settings = server.settings();
    settings.user = row.user;
    settings.password = base::Secret(row.password);
    settings.database = 3;
    Gateway gateway(settings, 1);
    EXPECT_EQ(gateway.usable(), row.usable);
    EXPECT_EQ(gateway.redis->breaker().open(), !row.usable);
    if (!row.usable) continue;
    const Result<Reply> info = ask_on(gateway, {"CLIENT", "INFO"});
    ASSERT_TRUE(info);
    EXPECT_NE(info->text.find(" db=3 "), std::string::npos) << info->text;
  }
}

TEST(RedisClient, SpeaksTlsAndChecksTheCertificate) {
  char directory[] = "/tmp/turnpike_redis_tls_XXXXXX";
  const std::string files = ::mkdtemp(directory);
  const std::string make =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout " + files +
      "/key.pem -out " + files +
      "/cert.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0);
  {
    TestRedis server({"--port", "0", "--tls-port", "PORT", "--tls-cert-file", files + "/cert.pem", "--tls-key-file",
                      files + "/key.pem", "--tls-ca-cert-file", files + "/cert.pem", "--tls-auth-clients", "yes"});
    config::RedisSettings settings = server.settings();
    settings.tls = true;
    settings.ca_file = settings.certificate_file = files + "/cert.pem";
    settings.key_file = files + "/key.pem";
    Gateway gateway(settings, 1);
    EXPECT_EQ(ask_on(gateway, {"PING"})->text, "PONG");
    config::RedisSettings strangers = settings;
    strangers.ca_file.clear();  // The system's roots do not know it.
    EXPECT_FALSE(Gateway(strangers, 1).usable());
    config::RedisSettings nobody = settings;
    nobody.certificate_file.clear();
    EXPECT_FALSE(Gateway(nobody, 1).usable());
  }
  std::filesystem::remove_all(files);
}

TEST(RedisClient, ARefusedConnectionIsLeftAloneAtOnceAndFoundAgain) {
  TestRedis server;
  server.end(SIGKILL);
  Gateway gateway(server.settings());
  EXPECT_FALSE(gateway.usable());
  EXPECT_TRUE(gateway.redis->breaker().open());
  const base::Monotonic before = base::monotonic_now();
  EXPECT_EQ(ask_on(gateway, {"PING"}).error().kind, ErrorKind::Unavailable);
  EXPECT_LT(elapsed_ms(before), 1'000);
  server.start();
  EXPECT_TRUE(until([&] { return gateway.usable(); }));
  EXPECT_GE(gateway.redis->counters().probes, 2u);
  EXPECT_EQ(ask_on(gateway, {"PING"}, 1)->text, "PONG");
}

TEST(RedisClient, AServerThatGoesAwayTakesNoCallWithIt) {
  TestRedis server;
  Gateway gateway(server.settings());
  EXPECT_TRUE(gateway.usable());
  server.end(SIGKILL);
  EXPECT_TRUE(until([&] { return gateway.redis->breaker().open(); }));
  EXPECT_FALSE(ask_on(gateway, {"PING"}));
  server.start();
  EXPECT_TRUE(until([&] { return gateway.usable(); }));
}

/// Asks and notes when the answer came.
Task<void> ask_and_time(Client& client, std::int64_t& took_ms, int& left, base::Signal& all) {
  const base::Monotonic before = base::monotonic_now();
  Command command{"PING"};
  const auto reply = co_await client.run(std::move(command));
  took_ms = reply ? -1 : elapsed_ms(before);
  if (--left == 0) all.fire();
}
Task<void> ask_staggered(Client& client, std::vector<std::int64_t>& took_ms) {
  int left = static_cast<int>(took_ms.size());
  base::Signal all;
  for (std::size_t i = 0; i < took_ms.size(); ++i) {
    base::spawn(ask_and_time(client, took_ms[i], left, all));
    if (i == 1) co_await client.loop().sleep(milliseconds(800));  // The rest is young when the first two run out.
  }
  co_await all;
}

TEST(RedisClient, WhenTheBreakerOpensAllWhoWaitAreReleased) {
  TestRedis server;
  config::RedisSettings settings = server.settings();
  settings.timeout = milliseconds(1'000);
  Gateway gateway(settings, 1);
  server.freeze();
  std::vector<std::int64_t> took_ms(20, -2);
  run_on(gateway.thread(), [&] { return ask_staggered(gateway.client(), took_ms); });
  for (std::size_t i = 0; i < took_ms.size(); ++i) {
    if (i < 2) EXPECT_GE(took_ms[i], 1'000) << i;
    if (i >= 2) EXPECT_TRUE(took_ms[i] >= 0 && took_ms[i] < 900) << i << ": " << took_ms[i] << " ms";
  }
  EXPECT_EQ(gateway.redis->counters().timeouts, 2u);
  EXPECT_TRUE(gateway.redis->breaker().open());
  server.thaw();
  EXPECT_TRUE(until([&] { return gateway.usable(); }));
}

TEST(RedisClient, AReadOnlyReplicaIsLeftAlone) {
  TestRedis server;
  Gateway gateway(server.settings());
  const int silent = net::listen_on("127.0.0.1", 0, 1).value();
  EXPECT_EQ(ask_on(gateway, {"REPLICAOF", "127.0.0.1", std::to_string(net::local_port(silent))})->text, "OK");
  EXPECT_FALSE(ask_on(gateway, {"SET", "a", "1"}));
  EXPECT_TRUE(gateway.redis->breaker().open());
  // It still answers PING: only a probe that writes tells.
  EXPECT_TRUE(until([&] { return gateway.redis->counters().probes >= 2; }));
  EXPECT_TRUE(gateway.redis->breaker().open());
  ::close(silent);
}

std::vector<Command> greeting() {
  return {{"INCR", "greetings"}};
}

TEST(RedisClient, GreetsOnEveryNewConnectionBeforeAnythingElse) {
  TestRedis server;
  Gateway gateway(server.settings(), 2, false);
  for (net::IoThread* const one : gateway.threads->all()) gateway.redis->client(*one).greet_with(&greeting);
  gateway.redis->start();
  EXPECT_EQ(ask_on(gateway, {"GET", "greetings"}, 0)->kind, Reply::Kind::Text);
  EXPECT_TRUE(until([&] { return ask_on(gateway, {"GET", "greetings"}, 1)->text == "2"; }));
  // The other connection is gone: that may be noticed, and this one dropped, before the answer is read.
  (void)ask_on(gateway, {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
  EXPECT_TRUE(until([&] { return gateway.redis->breaker().openings() == 1 && gateway.usable(); }));
  EXPECT_TRUE(until([&] { return ask_on(gateway, {"GET", "greetings"}, 1)->text == "4"; }));
}

}  // namespace
}  // namespace turnpike::redis::client_test
