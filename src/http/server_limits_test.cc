#include <gtest/gtest.h>

#include <netinet/tcp.h>

#include <atomic>
#include <mutex>
#include <set>

#include "http/loopback.h"
#include "http/server.h"

/// What a server does with callers who are slow, many, half gone or still there while it ends.
namespace turnpike::http::server_limits_test {
namespace {

using loopback::Peer;
using std::chrono::milliseconds;

struct Desk {
  std::promise<void> started;
  base::Signal release;
  std::mutex mutex;
  std::multiset<std::size_t> threads;
};

Task<void> reply_text(Exchange& exchange, std::string text) {
  const std::string_view pieces[] = {text};
  const ReplyHead head{200, "text/plain", {}};
  co_await exchange.reply(head, pieces);
}

Task<void> route(Exchange& exchange, Desk& desk) {
  const std::string_view path = exchange.request().path;
  {
    const std::lock_guard lock(desk.mutex);
    desk.threads.insert(exchange.thread().index());
  }
  if (path == "/wait") {
    exchange.on_gone([&] { desk.release.fire(); });
    desk.started.set_value();
    co_await desk.release;
    co_await reply_text(exchange, exchange.interrupted() ? "told to end" : "gone");
  } else if (path == "/stream") {
    exchange.on_gone([&] { desk.release.fire(); });
    exchange.begin_stream(ReplyHead{200, "text/event-stream", {}});
    const std::string_view first[] = {"one"};
    co_await exchange.write(first);
    desk.started.set_value();
    co_await desk.release;
    const std::string_view last[] = {"told to end"};
    co_await exchange.finish(last);
  } else {
    co_await reply_text(exchange, std::string(path) + " " + std::to_string(exchange.request().body.size()));
  }
}

struct Running {
  Desk desk;
  std::unique_ptr<net::IoThreads> threads;
  std::unique_ptr<Server> server;
  explicit Running(ServerLimits limits = {}, std::size_t count = 2) : threads(net::IoThreads::start(count)) {
    Server::Options options;
    options.port = 0;
    options.limits = limits;
    server =
        Server::listen(
            *threads, options, [this](Exchange& exchange) { return route(exchange, desk); },
            [](int status, std::string_view message) { return std::to_string(status) + " " + std::string(message); })
            .value();
  }
  Peer connect() {
    Peer peer = Peer::connect(server->port());
    const int now = 1;
    ::setsockopt(peer.fd(), IPPROTO_TCP, TCP_NODELAY, &now, sizeof now);
    return peer;
  }
};

std::string get(const char* path) {
  return std::string("GET ") + path + " HTTP/1.1\r\nHost: a\r\n\r\n";
}

TEST(ServerLimits, ConnectionsGoToTheThreadThatHasTheFewest) {
  Running running({}, 3);
  std::vector<Peer> peers;
  for (int i = 0; i < 30; ++i) {
    peers.push_back(running.connect());
    peers.back().send(get("/x"));
    EXPECT_NE(peers.back().read_until("/x 0").find("200"), std::string::npos);
  }
  for (std::size_t thread = 0; thread < 3; ++thread) EXPECT_EQ(running.desk.threads.count(thread), 10u);
}

TEST(ServerLimits, ABodyThatDripsInForEverEndsAlthoughNoPauseIsLong) {
  ServerLimits limits;
  limits.body_timeout = milliseconds(100);
  limits.body_bytes_per_second_min = 1000;
  for (const char* framing : {"Content-Length: 100000", "Transfer-Encoding: chunked"}) {
    SCOPED_TRACE(framing);
    Running running(limits);
    Peer peer = running.connect();
    peer.send(std::string("POST / HTTP/1.1\r\nHost: a\r\n") + framing + "\r\n\r\n186A0\r\n");
    const auto begun = base::monotonic_now();
    std::string answer;
    while (answer.empty() && base::monotonic_now() - begun < std::chrono::seconds(5)) {
      peer.send("x");
      answer = peer.read_some(20);  // Less than the pause that is allowed.
    }
    answer += peer.read_to_end();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
    EXPECT_EQ(running.server->counters().limit_body_timeout.load(), 1u);
  }
}

TEST(ServerLimits, AHeadThatDripsInEndsAtItsTimeOutWithin100Ms) {
  ServerLimits limits;
  limits.header_timeout = milliseconds(150);
  Running running(limits);
  Peer peer = running.connect();
  peer.send("GET / HTTP/1.1\r\nHost: a\r\n");
  const auto begun = base::monotonic_now();
  std::string answer;
  while (answer.empty() && base::monotonic_now() - begun < std::chrono::seconds(5)) {
    peer.send("X: y\r\n");
    answer = peer.read_some(10);
  }
  const auto took = base::monotonic_now() - begun;
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
  EXPECT_GE(took, milliseconds(149));
  EXPECT_LT(took, milliseconds(250));
  EXPECT_EQ(running.server->counters().limit_header_timeout.load(), 1u);
}

TEST(ServerLimits, AnIdleConnectionIsClosedAfterItsTimeWithoutAWord) {
  ServerLimits limits;
  limits.keepalive_timeout = milliseconds(80);
  Running running(limits);
  Peer unused = running.connect();
  Peer used = running.connect();
  used.send(get("/x"));
  used.read_until("/x 0");
  EXPECT_EQ(used.read_to_end(), "");
  EXPECT_EQ(unused.read_to_end(), "");
  EXPECT_EQ(running.server->counters().limit_keepalive.load(), 2u);
}

// A body that ends with the read that fetches it leaves the socket looking readable: no reason to expect a head soon,
// and to send a 408 that the next request of a caller would take for its answer.
TEST(ServerLimits, AnIdleConnectionIsTakenForIdleAlsoAfterALargeBody) {
  ServerLimits limits;
  limits.header_timeout = milliseconds(50);
  limits.keepalive_timeout = milliseconds(300);
  Running running(limits);
  Peer peer = running.connect();
  peer.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + std::string(300'000, 'x'));
  peer.read_until("/x 300000");
  EXPECT_EQ(peer.read_to_end(), "");
  EXPECT_EQ(running.server->counters().limit_header_timeout.load(), 0u);
  EXPECT_EQ(running.server->counters().limit_keepalive.load(), 1u);
}

TEST(ServerLimits, ConnectionsBeyondTheLimitAreClosedAndCounted) {
  ServerLimits limits;
  limits.connections_max = 3;
  Running running(limits);
  std::vector<Peer> kept;
  for (int i = 0; i < 3; ++i) {
    kept.push_back(running.connect());
    kept.back().send(get("/x"));
    EXPECT_FALSE(kept.back().read_until("/x 0").empty());
  }
  Peer fourth = running.connect();
  EXPECT_EQ(fourth.read_to_end(), "");
  EXPECT_EQ(running.server->counters().limit_connections.load(), 1u);
  kept.pop_back();
  while (running.server->counters().connections_open.load() > 2) std::this_thread::yield();
  Peer again = running.connect();
  again.send(get("/x"));
  EXPECT_FALSE(again.read_until("/x 0").empty());
}

TEST(ServerLimits, ACallerWhoOnlyStoppedWritingStillGetsAPromptAnswer) {
  Running running;
  Peer peer = running.connect();
  peer.send(get("/a") + get("/b"));
  ::shutdown(peer.fd(), SHUT_WR);
  const std::string answer = peer.read_to_end();
  EXPECT_NE(answer.find("/a 0"), std::string::npos) << answer;
}

TEST(ServerLimits, ContinueIsSaidBeforeTheBodyAndNotToWhomItIsRefused) {
  ServerLimits limits;
  limits.body_bytes_max = 100;
  Running running(limits);
  Peer invited = running.connect();
  invited.send("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(invited.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  invited.send("12345");
  EXPECT_NE(invited.read_until("/x 5").find("HTTP/1.1 200 "), std::string::npos);
  Peer refused = running.connect();
  refused.send("POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 500\r\n\r\n");
  EXPECT_TRUE(refused.read_to_end().starts_with("HTTP/1.1 413 "));
}

TEST(ServerLimits, TheLimitOfABodyCanBeMovedWhileTheServerRuns) {
  ServerLimits limits;
  limits.body_bytes_max = 4;
  Running running(limits);
  const auto status_of = [&](const std::string& request) {
    Peer peer = running.connect();
    peer.send(request);
    return peer.read_until("\r\n\r\n").substr(9, 3);
  };
  const std::string counted = "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12345";
  const std::string chunked =
      "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n\r\n";
  for (const std::string& request : {counted, chunked}) {
    running.server->set_body_bytes_max(4);
    EXPECT_EQ(status_of(request), "413");
    running.server->set_body_bytes_max(5);
    EXPECT_EQ(status_of(request), "200");
  }
}

TEST(ServerLimits, ACallerIsToldWhenTheServerEnds) {
  for (const char* path : {"/wait", "/stream"}) {
    SCOPED_TRACE(path);
    Running running;
    Peer peer = running.connect();
    peer.send(get(path));
    running.desk.started.get_future().wait();
    running.server->stop_listening();
    running.server->interrupt_all();
    const std::string answer = peer.read_to_end();
    EXPECT_NE(answer.find("told to end"), std::string::npos) << answer;
  }
}

TEST(ServerLimits, WhoConnectedBeforeTheEndIsStillAnswered) {
  Running running;
  Peer used = running.connect();
  used.send(get("/x"));
  used.read_until("/x 0");
  Peer early = running.connect();
  while (running.server->counters().connections_open.load() < 2) std::this_thread::yield();
  running.server->stop_listening();
  EXPECT_EQ(used.read_to_end(), "");
  early.send(get("/early"));
  const std::string answer = early.read_to_end();
  EXPECT_NE(answer.find("/early 0"), std::string::npos) << answer;
  EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
  EXPECT_FALSE(Peer::connect(running.server->port()).open());
}

TEST(ServerLimits, FromTheDrainOnEveryAnswerIsTheLastOfItsConnection) {
  Running running;
  Peer kept = running.connect();
  kept.send(get("/x"));
  EXPECT_EQ(kept.read_until("/x 0").find("Connection: close"), std::string::npos);
  running.server->begin_drain(std::chrono::seconds(5));
  Peer fresh = running.connect();
  for (Peer* peer : {&kept, &fresh}) {
    peer->send(get("/y"));
    const std::string answer = peer->read_to_end();
    EXPECT_NE(answer.find("/y 0"), std::string::npos) << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
  }
}

TEST(ServerLimits, WhoWasToldThatHisConnectionIsKeptMayAskOnceMoreAfterTheEnd) {
  for (const bool asks : {true, false}) {
    SCOPED_TRACE(asks ? "asks" : "says nothing");
    Running running;
    Peer peer = running.connect();
    peer.send(get("/stream"));
    running.desk.started.get_future().wait();
    running.server->begin_drain(asks ? std::chrono::milliseconds(10'000) : std::chrono::milliseconds(50));
    running.server->stop_listening();
    running.server->interrupt_all();  // The stream ends.
    EXPECT_EQ(peer.read_until("0\r\n\r\n").find("Connection: close"), std::string::npos);
    if (asks) peer.send(get("/again"));
    const std::string answer = peer.read_to_end();
    EXPECT_EQ(answer.find("/again 0") != std::string::npos, asks) << answer;
    EXPECT_EQ(answer.find("Connection: close") != std::string::npos, asks) << answer;
    EXPECT_EQ(running.server->counters().limit_keepalive.load(), 0u);
  }
}

TEST(ServerLimits, ARefusedLargeBodyIsNotKept) {
  ServerLimits limits;
  limits.body_bytes_max = 1000;
  Running running(limits);
  Peer peer = running.connect();
  peer.send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
  EXPECT_TRUE(peer.read_until("\r\n\r\n").starts_with("HTTP/1.1 413 "));
  EXPECT_EQ(running.server->counters().limit_body_bytes.load(), 1u);
  EXPECT_EQ(running.server->counters().requests_total.load(), 0u);
}

}  // namespace
}  // namespace turnpike::http::server_limits_test
