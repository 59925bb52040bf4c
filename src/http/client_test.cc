#include "http/client.h"

#include <gtest/gtest.h>

#include <atomic>

#include "http/loopback.h"

namespace turnpike::http::client_test {
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
  std::unique_ptr<Client> client = Client::make(*threads->all().front(), {});
  Origin origin;
  const AddressFilter* addresses = nullptr;

  explicit Fixture(std::uint16_t port) {
    origin.host = "127.0.0.1";
    origin.port = port;
  }

  Task<void> call(Outgoing request, bool slices, Cancel& cancel, Outcome& outcome) {
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
    if (!slices) {
      const auto body = co_await (*incoming)->read_all(1 << 20);
      body ? (void)(outcome.body = *body) : keep(body.error());
      co_return;
    }
    for (;;) {
      const auto slice = co_await (*incoming)->read();
      if (!slice) keep(slice.error());
      if (!slice || slice->empty()) co_return;
      outcome.body += *slice;
    }
  }

  Outcome run(bool slices = false, Timeouts timeouts = {}, std::string_view method = "POST",
              std::string_view body = "{}") {
    Outcome outcome;
    Cancel cancel;
    const std::string_view pieces[] = {body.substr(0, body.size() / 2), body.substr(body.size() / 2)};
    Outgoing request;
    request.origin = &origin;
    request.method = method;
    request.path = "/v1/x";
    request.fields = "X-A: 1\r\n";
    request.body = pieces;
    request.timeouts = timeouts;
    request.addresses = addresses;
    loopback::run_on(*threads->all().front(), [&] { return call(request, slices, cancel, outcome); });
    return outcome;
  }
};

struct Case {
  const char* name;
  std::string wire;  // What the provider sends before it closes.
  int status;
  std::string body;
  std::optional<ErrorKind> error;
};

const Case kCases[] = {
    {"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", {}},
    {"chunks",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
     200,
     "hello",
     {}},
    {"until close", "HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello", {}},
    {"1xx is skipped",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 2\r\n\r\nok",
     201,
     "ok",
     {}},
    {"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", {}},
    {"length cut short", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", 200, "", ErrorKind::UpstreamTruncated},
    {"chunks cut short", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 200, "",
     ErrorKind::UpstreamTruncated},
    {"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", 0, "", ErrorKind::UpstreamMalformed},
    {"lengths differ", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 0, "",
     ErrorKind::UpstreamMalformed},
    {"broken chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200, "",
     ErrorKind::UpstreamMalformed},
    {"no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", 0, "", ErrorKind::UpstreamMalformed},
    {"head cut short", "HTTP/1.1 200 OK\r\nConte", 0, "", ErrorKind::UpstreamMalformed},
    {"nothing", "", 0, "", ErrorKind::UpstreamConnection},
    {"above the limit", "HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n", 200, "", ErrorKind::UpstreamMalformed},
    {"body beyond the block",
     "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + std::string(300'000, 'x'),
     200,
     std::string(300'000, 'x'),
     {}},
};

TEST(Client, ReadsAnswersHoweverTheyAreFramedAndCut) {
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    const std::size_t step = row.wire.size() > 1000 ? row.wire.size() / 3 : 5;
    for (std::size_t cut = 0; cut <= row.wire.size(); cut += step) {
      ScriptedServer provider([&](Peer& caller, int) {
        caller.read_until("{}");
        caller.send(row.wire.substr(0, cut));
        caller.send(row.wire.substr(cut));
      });
      Fixture fixture(provider.port());
      const Outcome whole = fixture.run(false);
      EXPECT_EQ(whole.error, row.error) << whole.message;
      EXPECT_EQ(whole.status, row.status);
      EXPECT_EQ(whole.body, row.body);
      if (row.error) continue;
      EXPECT_EQ(fixture.run(true).body, row.body);
    }
  }
}

TEST(Client, SendsOneWellFramedRequest) {
  std::string seen;
  ScriptedServer provider([&](Peer& caller, int) {
    seen = caller.read_until("{}");
    caller.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  });
  Fixture fixture(provider.port());
  EXPECT_EQ(fixture.run().status, 200);
  EXPECT_EQ(seen, "POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(provider.port()) +
                      "\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n{}");
}

TEST(Client, ReusesConnectionsAndTheAnswerToHeadHasNoBody) {
  std::atomic<int> connections{0};
  ScriptedServer provider([&](Peer& caller, int) {
    ++connections;
    for (int i = 0; i < 3; ++i) {
      const std::string request = caller.read_until("\r\n\r\n");
      const bool head = request.starts_with("HEAD");
      caller.send(head ? "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
                       : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    }
  });
  Fixture fixture(provider.port());
  EXPECT_EQ(fixture.run().body, "ok");
  EXPECT_EQ(fixture.run(false, {}, "HEAD", "").status, 200);
  EXPECT_EQ(fixture.run().body, "ok");
  EXPECT_EQ(connections.load(), 1);
  EXPECT_EQ(fixture.client->counters().reused, 2u);
}

TEST(Client, AFilteredRequestGoesOnlyToAnAddressThatWasAskedFor) {
  struct Only final : AddressFilter {
    bool allows(const net::Address& address) const override {
      asked += address.host() + " ";
      return yes;
    }
    mutable std::string asked;
    bool yes = false;
  };
  std::atomic<int> connections{0};
  ScriptedServer provider([&](Peer& caller, int) {
    ++connections;
    caller.read_until("\r\n\r\n");
    caller.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    caller.read_to_end();
  });
  Fixture fixture(provider.port());
  EXPECT_EQ(fixture.run().body, "ok");  // Its connection waits in the pool, unasked.
  Only filter;
  fixture.addresses = &filter;
  const Outcome refused = fixture.run();
  EXPECT_EQ(refused.error, ErrorKind::InvalidRequest);
  EXPECT_EQ(refused.message, "the host has an address that may not be asked");
  EXPECT_EQ(filter.asked, "127.0.0.1 ");
  EXPECT_EQ(connections.load(), 1);
  filter.asked.clear();
  fixture.origin.host = "localhost";  // Through the resolver.
  EXPECT_EQ(fixture.run().error, ErrorKind::InvalidRequest);
  EXPECT_TRUE(filter.asked.starts_with("127.0.0.1 ") || filter.asked.starts_with("::1 ")) << filter.asked;
  EXPECT_EQ(connections.load(), 1);
  fixture.client.reset();  // The scripted server serves one connection after the other.
  fixture.client = Client::make(*fixture.threads->all().front(), {});
  fixture.origin.host = "127.0.0.1";
  filter.yes = true;
  EXPECT_EQ(fixture.run().body, "ok");
  EXPECT_EQ(connections.load(), 2);
  EXPECT_EQ(fixture.client->counters().reused, 0u);
}

TEST(Client, ReplacesAStaleConnectionOnceAndAFreshOneNever) {
  std::atomic<int> requests{0};
  ScriptedServer provider([&](Peer& caller, int connection) {
    caller.read_until("{}");
    ++requests;
    if (connection == 0) {
      caller.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      caller.read_until("{}");  // The second request on this connection dies unanswered.
      ++requests;
    } else if (connection == 1) {
      caller.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nagain");
    }
  });
  Fixture fixture(provider.port());
  EXPECT_EQ(fixture.run().body, "ok");
  EXPECT_EQ(fixture.run().body, "again");
  EXPECT_EQ(fixture.client->counters().stale_retries, 1u);
  EXPECT_EQ(requests.load(), 3);
  EXPECT_EQ(fixture.run().error, ErrorKind::UpstreamConnection);
  EXPECT_EQ(requests.load(), 4);
}

TEST(Client, NamesTheLimitThatExpired) {
  const std::string begun = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n";
  const struct {
    const char* name;
    std::string sent;
    std::optional<milliseconds> first_byte, idle;
    milliseconds total;
  } rows[] = {
      {"stream_timeout of 0.05 s", "", milliseconds(50), milliseconds(5000), milliseconds(9000)},
      {"stream_timeout of 0.05 s",
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
       milliseconds(50),
       {},
       milliseconds(9000)},
      {"stream_idle_timeout of 0.05 s", begun, milliseconds(5000), milliseconds(50), milliseconds(9000)},
      {"timeout of 0.05 s", "", {}, {}, milliseconds(50)},
      {"timeout of 0.05 s", begun, {}, {}, milliseconds(50)},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    ScriptedServer provider([&row](Peer& caller, int) {
      caller.read_until("{}");
      caller.send(row.sent);
      caller.read_some();
    });
    Fixture fixture(provider.port());
    Timeouts timeouts;
    timeouts.first_byte = row.first_byte;
    timeouts.idle = row.idle;
    timeouts.total = row.total;
    const auto start = base::monotonic_now();
    timeouts.deadline = start + row.total;
    const Outcome outcome = fixture.run(true, timeouts);
    const auto took = base::monotonic_now() - start;
    EXPECT_EQ(outcome.error, ErrorKind::Timeout);
    EXPECT_NE(outcome.message.find(row.name), std::string::npos) << outcome.message;
    EXPECT_GE(took, milliseconds(49));
    EXPECT_LT(took, milliseconds(150));
  }
}

TEST(Client, ConnectTimeoutCoversANameThatIsNotFoundAndARefusedPort) {
  Fixture refused(1);
  const Outcome outcome = refused.run();
  EXPECT_EQ(outcome.error, ErrorKind::UpstreamConnection);
  EXPECT_NE(outcome.message.find("refused"), std::string::npos) << outcome.message;
  Fixture unknown(1);
  unknown.origin.host = "no-such-host.invalid";
  Timeouts timeouts;
  timeouts.connect = milliseconds(3000);
  EXPECT_TRUE(unknown.run(false, timeouts).error.has_value());
}

TEST(Client, CancelEndsTheWaitAndClosesTheConnection) {
  std::promise<void> asked, closed;
  ScriptedServer provider([&](Peer& caller, int) {
    caller.read_until("{}");
    asked.set_value();
    EXPECT_EQ(caller.read_some(), "");
    closed.set_value();
  });
  Fixture fixture(provider.port());
  net::IoThread& thread = *fixture.threads->all().front();
  Cancel cancel;
  std::thread canceller([&] {
    asked.get_future().wait();
    thread.post([&] { cancel.request(); });
  });
  Outcome outcome;
  const std::string_view pieces[] = {"{}"};
  Outgoing request;
  request.origin = &fixture.origin;
  request.path = "/";
  request.body = pieces;
  loopback::run_on(thread, [&] { return fixture.call(request, false, cancel, outcome); });
  EXPECT_EQ(outcome.error, ErrorKind::CallerGone);
  EXPECT_EQ(closed.get_future().wait_for(std::chrono::seconds(1)), std::future_status::ready);
  canceller.join();
}

TEST(Client, ReadsNoFurtherThanAsked) {
  std::atomic<std::size_t> sent{0};
  std::promise<void> stuck, over;
  ScriptedServer provider([&](Peer& caller, int) {
    caller.read_until("{}");
    caller.send("HTTP/1.1 200 OK\r\n\r\n");
    const std::string block(64 * 1024, 'x');
    ::fcntl(caller.fd(), F_SETFL, O_NONBLOCK);
    for (;;) {
      const ssize_t wrote = ::send(caller.fd(), block.data(), block.size(), MSG_NOSIGNAL);
      if (wrote > 0) {
        sent += static_cast<std::size_t>(wrote);
        continue;
      }
      pollfd ready{caller.fd(), POLLOUT, 0};
      if (::poll(&ready, 1, 100) == 0) break;
    }
    stuck.set_value();
    over.get_future().wait();
  });
  Fixture fixture(provider.port());
  Cancel cancel;
  std::size_t read = 0;
  const std::string_view pieces[] = {"{}"};
  Outgoing request;
  request.origin = &fixture.origin;
  request.path = "/";
  request.body = pieces;
  struct Reader {
    static Task<void> run(Fixture& owner, const Outgoing& outgoing, Cancel& patience, std::promise<void>& full,
                          std::size_t& taken) {
      auto incoming = co_await owner.client->send(outgoing, patience);
      const auto slice = co_await (*incoming)->read();
      taken = slice->size();
      full.get_future().wait();  // The provider is stuck although this thread lives: nobody reads ahead.
    }
  };
  loopback::run_on(*fixture.threads->all().front(), [&] { return Reader::run(fixture, request, cancel, stuck, read); });
  EXPECT_LE(read, 16u * 1024);
  over.set_value();
}

TEST(Client, SeesAnAnswerThatComesBeforeTheBodyWasSent) {
  ScriptedServer provider([](Peer& caller, int) {
    caller.read_until("\r\n\r\n");
    caller.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
    caller.read_some(200);
    ::shutdown(caller.fd(), SHUT_WR);
    caller.read_to_end();
  });
  Fixture fixture(provider.port());
  const Outcome outcome = fixture.run(false, {}, "POST", std::string(20 << 20, 'x'));
  EXPECT_EQ(outcome.status, 413) << outcome.message;
}

TEST(BaseUrl, SplitsAndRefuses) {
  const struct {
    const char* url;
    const char* key;
    const char* path;
  } rows[] = {
      {"https://api.openai.com/v1/", "https://api.openai.com:443", "/v1"},
      {"http://127.0.0.1:4010", "http://127.0.0.1:4010", ""},
      {"http://[::1]:80/a/b", "http://::1:80", "/a/b"},
      {"ftp://x", "", ""},
      {"https://user:pass@x/", "", ""},
      {"https://x:99999", "", ""},
      {"https://", "", ""},
      {"https://x/a?b=c", "", ""},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.url);
    const auto base = parse_base_url(row.url);
    EXPECT_EQ(base.has_value(), *row.key != '\0');
    if (!base) {
      EXPECT_EQ(base.error().message.find("pass"), std::string::npos) << base.error().message;
      continue;
    }
    EXPECT_EQ(base->origin.key(), row.key);
    EXPECT_EQ(base->path, row.path);
  }
}

}  // namespace
}  // namespace turnpike::http::client_test
