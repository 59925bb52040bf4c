#include <gtest/gtest.h>

#include <atomic>

#include "http/client.h"
#include "http/loopback.h"

/// When a connection to a provider is used again, when a request is sent twice, and when waiting ends.
namespace turnpike::http::client_reuse_test {
namespace {

using loopback::Peer;
using loopback::ScriptedServer;
using std::chrono::milliseconds;

struct Outcome {
  std::optional<ErrorKind> error;
  std::string message;
  int status = 0;
  std::string body;
};

struct Fixture {
  std::unique_ptr<net::IoThreads> threads = net::IoThreads::start(1);
  std::unique_ptr<Client> client;
  Origin origin;
  Timeouts timeouts;

  explicit Fixture(std::uint16_t port, Client::Options options = {}) {
    client = Client::make(*threads->all().front(), options);
    origin.host = "127.0.0.1";
    origin.port = port;
  }
  net::IoThread& thread() { return *threads->all().front(); }
  const ClientCounters& counters() const { return client->counters(); }

  Task<void> call(std::string_view body, Outcome& outcome) {
    Cancel cancel;
    const std::string_view pieces[] = {body};
    Outgoing request;
    request.origin = &origin;
    request.path = "/";
    request.body = pieces;
    request.timeouts = timeouts;
    auto incoming = co_await client->send(request, cancel);
    const auto keep = [&outcome](const Error& error) {
      outcome.error = error.kind;
      outcome.message = error.message;
    };
    if (!incoming) {
      keep(incoming.error());
      co_return;
    }
    outcome.status = (*incoming)->status();
    for (;;) {
      const auto slice = co_await (*incoming)->read();
      if (!slice) keep(slice.error());
      if (!slice || slice->empty()) co_return;
      outcome.body += *slice;
    }
  }
  Outcome run(std::string_view body = "{}") {
    Outcome outcome;
    loopback::run_on(thread(), [&] { return call(body, outcome); });
    return outcome;
  }
};

constexpr const char* kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

TEST(ClientReuse, OnlyAnswersThatEndWellLeaveAConnectionToReuse) {
  const struct {
    const char* name;
    const char* answer;
    bool reused;
  } rows[] = {
      {"length", kOk, true},
      {"chunks with trailers",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: y\r\nZ: w\r\n\r\n", true},
      {"Connection: close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false},
      {"HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false},
      {"HTTP/1.0 that would stay", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", false},
      {"bytes behind the length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", false},
      {"bytes behind the last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx",
       false},
      {"length beside chunks",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    std::atomic<int> connections{0};
    ScriptedServer provider([&](Peer& caller, int) {
      ++connections;
      while (!caller.read_until("{}").empty()) {
        if (!caller.send(row.answer)) break;
      }
    });
    Fixture fixture(provider.port());
    EXPECT_EQ(fixture.run().body, "ok");
    // What is kept is asked on the loop's thread: the second request goes over the first connection or a new one.
    EXPECT_EQ(fixture.counters().idle.load(), row.reused ? 1u : 0u);
    if (!row.reused) continue;  // The scripted server serves one connection at a time.
    EXPECT_EQ(fixture.run().body, "ok");
    EXPECT_EQ(connections.load(), 1);
  }
}

TEST(ClientReuse, ARequestIsNotSentAgainWhenSomethingCameBack) {
  std::atomic<int> requests{0};
  ScriptedServer provider([&](Peer& caller, int connection) {
    caller.read_until("{}");
    ++requests;
    if (connection > 0) return;
    caller.send(kOk);
    caller.read_until("{}");
    ++requests;
    caller.send("HTTP/1.1 2");  // Part of an answer, then the end.
  });
  Fixture fixture(provider.port());
  EXPECT_EQ(fixture.run().body, "ok");
  const Outcome second = fixture.run();
  EXPECT_EQ(second.error, ErrorKind::UpstreamMalformed);
  EXPECT_EQ(requests.load(), 2);
  EXPECT_EQ(fixture.counters().stale_retries.load(), 0u);
}

TEST(ClientReuse, AResetOfAReusedConnectionIsTriedOnceMore) {
  std::atomic<int> requests{0};
  ScriptedServer provider([&](Peer& caller, int connection) {
    caller.read_until("{}");
    ++requests;
    caller.send(kOk);
    if (connection > 0) return;
    caller.read_until("\r\n\r\n");
    caller.reset();
  });
  Fixture fixture(provider.port());
  EXPECT_EQ(fixture.run().body, "ok");
  EXPECT_EQ(fixture.run(std::string(1 << 20, 'x') + "{}").body, "ok");
  EXPECT_EQ(fixture.counters().stale_retries.load(), 1u);
  EXPECT_EQ(requests.load(), 2);
}

TEST(ClientReuse, AnEarlyAnswerOnAReusedConnectionIsReadAndNotAskedAgain) {
  std::atomic<int> connections{0};
  ScriptedServer provider([&](Peer& caller, int) {
    ++connections;
    caller.read_until("{}");
    caller.send(kOk);
    caller.read_until("\r\n\r\n");
    caller.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    caller.read_some(100);
    ::shutdown(caller.fd(), SHUT_WR);
    caller.read_to_end();
  });
  Fixture fixture(provider.port());
  EXPECT_EQ(fixture.run().body, "ok");
  EXPECT_EQ(fixture.run(std::string(20 << 20, 'x')).status, 413);
  EXPECT_EQ(connections.load(), 1);
}

TEST(ClientReuse, AConnectionThatTheProviderClosedMeanwhileIsNotTried) {
  std::promise<void> closed;
  ScriptedServer provider([&](Peer& caller, int connection) {
    caller.read_until("{}");
    caller.send(kOk);
    if (connection == 0) {
      caller.close();
      closed.set_value();
    } else {
      caller.read_some();
    }
  });
  Fixture fixture(provider.port());
  EXPECT_EQ(fixture.run().body, "ok");
  closed.get_future().wait();
  while (fixture.counters().idle.load() != 0) std::this_thread::yield();
  EXPECT_EQ(fixture.run().body, "ok");
  EXPECT_EQ(fixture.counters().reused.load(), 0u);
  EXPECT_EQ(fixture.counters().stale_retries.load(), 0u);
}

TEST(ClientReuse, ThePoolHasALimitThatIsCounted) {
  Client::Options options;
  options.idle_per_origin_max = 1;
  // Two calls at once on two connections: the first answer comes when both have been asked.
  net::IoThread* thread = nullptr;
  std::atomic<int> asked{0};
  const int listener = net::listen_on("127.0.0.1", 0, 16).value();
  ::fcntl(listener, F_SETFL, 0);
  std::thread provider([&] {
    std::vector<Peer> callers;
    for (int i = 0; i < 2; ++i) {
      callers.emplace_back(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
      callers.back().read_until("{}");
      ++asked;
    }
    for (Peer& caller : callers) caller.send(kOk);
    for (Peer& caller : callers) caller.read_to_end();
  });
  {
    Fixture fixture(net::local_port(listener), options);
    thread = &fixture.thread();
    Outcome first, second;
    std::promise<void> done[2];
    struct Runner {
      static Task<void> run(Fixture& owner, Outcome& outcome, std::promise<void>& end) {
        co_await owner.call("{}", outcome);
        end.set_value();
      }
    };
    thread->post([&] { base::spawn(Runner::run(fixture, first, done[0])); });
    thread->post([&] { base::spawn(Runner::run(fixture, second, done[1])); });
    for (auto& end : done) end.get_future().wait();
    EXPECT_EQ(first.body + second.body, "okok");
    EXPECT_EQ(fixture.counters().idle.load(), 1u);
    EXPECT_EQ(fixture.counters().idle_evicted.load(), 1u);
  }
  provider.join();
  ::close(listener);
}

TEST(ClientLimits, AHeadThatIsTooLargeIsRefusedAndCounted) {
  Client::Options options;
  options.header_bytes_max = 4096;
  options.header_count_max = 10;
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 11; ++i) many += "X: y\r\n";
  for (const std::string& answer : {"HTTP/1.1 200 OK\r\nX: " + std::string(5000, 'x') + "\r\n\r\n", many + "\r\n",
                                    "HTTP/1.1 200 " + std::string(5000, 'x')}) {
    ScriptedServer provider([&](Peer& caller, int) {
      caller.read_until("{}");
      caller.send(answer);
      caller.read_some();
    });
    Fixture fixture(provider.port(), options);
    EXPECT_EQ(fixture.run().error, ErrorKind::UpstreamMalformed);
    EXPECT_EQ(fixture.counters().limit_header.load(), 1u);
  }
}

TEST(ClientLimits, ALargeHeadWithinTheLimitIsRead) {
  ScriptedServer provider([&](Peer& caller, int) {
    caller.read_until("{}");
    caller.send("HTTP/1.1 200 OK\r\nX: " + std::string(40'000, 'x') + "\r\nContent-Length: 2\r\n\r\nok");
    caller.read_some();
  });
  Fixture fixture(provider.port());
  EXPECT_EQ(fixture.run().body, "ok");
}

TEST(ClientLimits, ConnectTimeoutIsNamedWhenNobodyTakesTheConnection) {
  // A backlog that is full: the kernel drops further attempts to connect.
  const int listener = net::listen_on("127.0.0.1", 0, 0).value();
  const std::uint16_t port = net::local_port(listener);
  std::vector<int> waiting;
  for (int i = 0; i < 4; ++i) {
    bool done = false;
    const int fd = net::start_connect(net::Address::parse("127.0.0.1", port).front(), done);
    if (fd >= 0) waiting.push_back(fd);
  }
  Fixture fixture(port);
  fixture.timeouts.connect = milliseconds(80);
  const auto begun = base::monotonic_now();
  const Outcome outcome = fixture.run();
  const auto took = base::monotonic_now() - begun;
  EXPECT_EQ(outcome.error, ErrorKind::Timeout);
  EXPECT_NE(outcome.message.find("connect_timeout of 0.08 s"), std::string::npos) << outcome.message;
  EXPECT_GE(took, milliseconds(79));
  EXPECT_LT(took, milliseconds(180));
  EXPECT_EQ(fixture.counters().timeout_connect.load(), 1u);
  for (const int fd : waiting) ::close(fd);
  ::close(listener);
}

TEST(ClientLimits, ASteadySlowStreamIsKilledByNeitherFirstByteNorIdleLimit) {
  ScriptedServer provider([&](Peer& caller, int) {
    caller.read_until("{}");
    caller.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 12; ++i) {
      caller.send("1\r\nx\r\n");
      caller.read_some(25);  // Nothing comes: a pause.
    }
    caller.send("0\r\n\r\n");
  });
  Fixture fixture(provider.port());
  fixture.timeouts.first_byte = milliseconds(150);
  fixture.timeouts.idle = milliseconds(150);
  const Outcome outcome = fixture.run();
  EXPECT_EQ(outcome.body, std::string(12, 'x')) << outcome.message;
  EXPECT_EQ(fixture.counters().timeout_first_byte.load() + fixture.counters().timeout_idle.load(), 0u);
}

TEST(ClientLimits, EachTimeOutHasItsCounter) {
  const std::string begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
  const struct {
    std::string sent;
    std::optional<milliseconds> first_byte, idle, total;
    std::atomic<std::uint64_t> ClientCounters::* counter;
  } rows[] = {
      {"", milliseconds(30), {}, {}, &ClientCounters::timeout_first_byte},
      {begun, milliseconds(5000), milliseconds(30), {}, &ClientCounters::timeout_idle},
      {begun, {}, {}, milliseconds(30), &ClientCounters::timeout_total},
  };
  for (const auto& row : rows) {
    ScriptedServer provider([&row](Peer& caller, int) {
      caller.read_until("{}");
      caller.send(row.sent);
      caller.read_some();
    });
    Fixture fixture(provider.port());
    fixture.timeouts.first_byte = row.first_byte;
    fixture.timeouts.idle = row.idle;
    if (row.total) fixture.timeouts.deadline = base::monotonic_now() + *row.total;
    EXPECT_EQ(fixture.run().error, ErrorKind::Timeout);
    EXPECT_EQ((fixture.counters().*row.counter).load(), 1u);
  }
}

TEST(Client, ARedirectIsAnAnswerAndNotFollowed) {
  std::atomic<int> connections{0};
  ScriptedServer provider([&](Peer& caller, int) {
    ++connections;
    caller.read_until("{}");
    caller.send("HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
    caller.read_some();
  });
  Fixture fixture(provider.port());
  EXPECT_EQ(fixture.run().status, 307);
  EXPECT_EQ(connections.load(), 1);
}

}  // namespace
}  // namespace turnpike::http::client_reuse_test
