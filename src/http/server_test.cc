#include "http/server.h"

#include <gtest/gtest.h>

#include "http/loopback.h"

namespace turnpike::http::server_test {
namespace {

using loopback::Peer;

/// What the handlers below share with the test.
struct Desk {
  std::promise<void> started, gone;
  base::Signal release;
  std::size_t written = 0;
};

Task<void> reply_text(Exchange& exchange, std::string text) {
  const std::string_view pieces[] = {text};
  const ReplyHead head{200, "text/plain", {}};
  co_await exchange.reply(head, pieces);
}

Task<void> stream(Exchange& exchange) {
  exchange.begin_stream(ReplyHead{200, "text/event-stream", {}});
  for (const char* piece : {"one", "", "two"}) {
    const std::string_view pieces[] = {piece, "!"};
    co_await exchange.write(*piece == '\0' ? Pieces() : Pieces(pieces));
  }
  const std::string_view last[] = {"end"};
  co_await exchange.finish(last);
}

/// Slips comments in before the first write, between two, and while the caller takes nothing.
Task<void> slip(Exchange& exchange, Desk& desk) {
  EXPECT_FALSE(exchange.slip_in(": no stream yet\n\n"));
  exchange.begin_stream(ReplyHead{200, "text/event-stream", {}});
  EXPECT_TRUE(exchange.slip_in(": first\n\n"));
  EXPECT_TRUE(exchange.head_sent());
  const std::string_view piece[] = {"one"};
  co_await exchange.write(piece);
  EXPECT_TRUE(exchange.slip_in(": second\n\n"));
  if (exchange.request().path == "/slip/slow") {
    desk.started.set_value();
    std::size_t slipped = 0;
    while (exchange.slip_in(": " + std::string(50'000, 'x') + "\n\n")) ++slipped;
    desk.written = slipped;
    desk.gone.set_value();
  }
  const std::string_view last[] = {"end"};
  co_await exchange.finish(last);
  EXPECT_FALSE(exchange.slip_in(": too late\n\n"));
}

Task<void> wait_for_gone(Exchange& exchange, Desk& desk) {
  exchange.on_gone([&] {
    desk.gone.set_value();
    desk.release.fire();
  });
  desk.started.set_value();
  co_await desk.release;
}

Task<void> pour(Exchange& exchange, Desk& desk) {
  exchange.begin_stream(ReplyHead{200, "text/plain", {}});
  const std::string block(64 * 1024, 'x');
  const std::string_view pieces[] = {block};
  for (int i = 0; i < 1000; ++i) {
    if (!co_await exchange.write(pieces)) break;
    desk.written += block.size();
  }
  desk.gone.set_value();
}

Task<void> route(Exchange& exchange, Desk& desk) {
  const std::string_view path = exchange.request().path;
  if (path == "/stream") {
    co_await stream(exchange);
  } else if (path.starts_with("/slip")) {
    co_await slip(exchange, desk);
  } else if (path == "/wait") {
    co_await wait_for_gone(exchange, desk);
  } else if (path == "/slow") {
    co_await exchange.thread().sleep(std::chrono::milliseconds(20));
    co_await reply_text(exchange, "slow");
  } else if (path == "/pour") {
    co_await pour(exchange, desk);
  } else if (path == "/throw") {
    throw std::runtime_error("a bug");
  } else if (path == "/cut") {
    exchange.begin_stream(ReplyHead{});
    const std::string_view pieces[] = {"half"};
    co_await exchange.write(pieces);
    exchange.cut();
  } else if (path != "/forget") {
    co_await reply_text(exchange, std::string(exchange.request().method_text) + " " + std::string(path) + " " +
                                      std::to_string(exchange.request().body.size()));
  }
}

struct Running {
  Desk desk;
  std::unique_ptr<net::IoThreads> threads = net::IoThreads::start(2);
  std::unique_ptr<Server> server;
  explicit Running(ServerLimits limits = {}) {
    Server::Options options;
    options.port = 0;
    options.limits = limits;
    server =
        Server::listen(
            *threads, options, [this](Exchange& exchange) { return route(exchange, desk); },
            [](int status, std::string_view message) { return std::to_string(status) + " " + std::string(message); })
            .value();
  }
  Peer connect() { return Peer::connect(server->port()); }
};

std::string get(const char* path, const char* fields = "") {
  return std::string("GET ") + path + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  Running running;
  Peer peer = running.connect();
  peer.send(get("/slow") + get("/b") + get("/c", "Connection: close\r\n"));
  const std::string answer = peer.read_to_end();
  EXPECT_LT(answer.find("slow"), answer.find("GET /b"));
  EXPECT_LT(answer.find("GET /b"), answer.find("GET /c"));
  EXPECT_NE(answer.find("GET /c"), std::string::npos);
}

TEST(Server, StreamsChunksWithTheHeadInFrontOfTheFirst) {
  Running running;
  Peer peer = running.connect();
  peer.send(get("/stream", "Connection: close\r\n"));
  const std::string answer = peer.read_to_end();
  EXPECT_NE(answer.find("Transfer-Encoding: chunked\r\n"), std::string::npos);
  EXPECT_NE(answer.find("\r\n\r\n4\r\none!\r\n4\r\ntwo!\r\n3\r\nend\r\n0\r\n\r\n"), std::string::npos) << answer;
}

TEST(Server, StreamsToHttp10WithoutChunksAndCloses) {
  Running running;
  Peer peer = running.connect();
  peer.send("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  const std::string answer = peer.read_to_end();
  EXPECT_TRUE(answer.ends_with("\r\n\r\none!two!end")) << answer;
  EXPECT_EQ(answer.find("chunked"), std::string::npos);
}

TEST(Server, WhatIsSlippedInStandsBetweenWrites) {
  Running running;
  Peer peer = running.connect();
  peer.send(get("/slip") + get("/x"));
  const std::string answer = peer.read_until("GET /x 0");
  const std::string body = "9\r\n: first\n\n\r\n3\r\none\r\na\r\n: second\n\n\r\n3\r\nend\r\n0\r\n\r\n";
  EXPECT_NE(answer.find("\r\n\r\n" + body + "HTTP/1.1 200 OK"), std::string::npos) << answer;
  Peer old = running.connect();
  old.send("GET /slip HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.read_to_end().ends_with("\r\n\r\n: first\n\none: second\n\nend"));
}

TEST(Server, WhatTheKernelLeavesOfASlipGoesInFrontOfTheNextWrite) {
  Running running;
  Peer peer = running.connect();
  peer.send(get("/slip/slow"));
  running.desk.gone.get_future().wait();
  const std::string answer = peer.read_until("\r\n0\r\n\r\n");
  std::size_t found = 0;
  for (std::size_t at = 0; (at = answer.find("c354\r\n: xxx", at)) != std::string::npos; ++found) {
    EXPECT_EQ(answer.compare(at + 6 + 50'000 + 2, 4, "\n\n\r\n"), 0) << found;
    at += 50'000;
  }
  EXPECT_EQ(found, running.desk.written);
  EXPECT_TRUE(answer.ends_with("\n\n\r\n3\r\nend\r\n0\r\n\r\n"));
}

TEST(Server, HeadHasTheLengthAndNoBody) {
  Running running;
  Peer peer = running.connect();
  peer.send("HEAD /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answer = peer.read_to_end();
  EXPECT_NE(answer.find("Content-Length: 9\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST(Server, AnswersPreflightsForAnyOriginWithoutCredentials) {
  Running running;
  Peer peer = running.connect();
  peer.send(
      "OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nAccess-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: authorization, x-y\r\nConnection: close\r\n\r\n");
  const std::string answer = peer.read_to_end();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 204 ")) << answer;
  EXPECT_NE(answer.find("Access-Control-Allow-Origin: *\r\n"), std::string::npos);
  EXPECT_NE(answer.find("Access-Control-Allow-Headers: authorization, x-y\r\n"), std::string::npos);
  EXPECT_EQ(answer.find("Credentials"), std::string::npos);
}

TEST(Server, AHandlerThatThrowsOrForgetsIs500AndACutStreamHasNoEnd) {
  Running running;
  const struct {
    const char* path;
    const char* starts;
  } rows[] = {{"/throw", "HTTP/1.1 500 "}, {"/forget", "HTTP/1.1 500 "}, {"/cut", "HTTP/1.1 200 "}};
  for (const auto& row : rows) {
    SCOPED_TRACE(row.path);
    Peer peer = running.connect();
    peer.send(get(row.path, "Connection: close\r\n"));
    const std::string answer = peer.read_to_end();
    EXPECT_TRUE(answer.starts_with(row.starts)) << answer;
    EXPECT_EQ(answer.find("\r\n0\r\n"), std::string::npos);
  }
}

TEST(Server, TellsTheHandlerWithinASecondThatTheCallerHasClosed) {
  for (const bool reset : {false, true}) {
    Running running;
    Peer peer = running.connect();
    peer.send(get("/wait"));
    running.desk.started.get_future().wait();
    reset ? peer.reset() : peer.close();
    EXPECT_EQ(running.desk.gone.get_future().wait_for(std::chrono::seconds(1)), std::future_status::ready);
  }
}

TEST(Server, TellsTheHandlerOfACallerThatClosedBeforeItAsked) {
  Running running;
  Peer peer = running.connect();
  peer.send(get("/wait"));
  peer.close();
  EXPECT_EQ(running.desk.gone.get_future().wait_for(std::chrono::seconds(1)), std::future_status::ready);
}

TEST(Server, PipelinedBytesAreNoDisconnect) {
  Running running;
  Peer peer = running.connect();
  peer.send(get("/wait"));
  running.desk.started.get_future().wait();
  peer.send(get("/b"));
  auto gone = running.desk.gone.get_future();
  EXPECT_EQ(gone.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  peer.close();
  EXPECT_EQ(gone.wait_for(std::chrono::seconds(1)), std::future_status::ready);
}

TEST(Server, WaitsForACallerThatReadsNothingAndGivesUpAfterTheStallLimit) {
  ServerLimits limits;
  limits.write_stall_timeout = std::chrono::milliseconds(100);
  Running running(limits);
  Peer peer = running.connect();
  peer.send(get("/pour"));
  EXPECT_EQ(running.desk.gone.get_future().wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_LT(running.desk.written, 64u * 1000 * 1024);
  EXPECT_EQ(running.server->counters().limit_write_stall.load(), 1u);
}

TEST(Server, DrainsAnswersWhatIsUnderWayAndClosesWhatIsIdle) {
  Running running;
  Peer idle = running.connect();
  idle.send(get("/x"));
  EXPECT_NE(idle.read_until("GET /x").find("200 OK"), std::string::npos);
  Peer busy = running.connect();
  busy.send(get("/slow"));
  while (running.server->counters().requests_total.load() < 2) std::this_thread::yield();
  running.server->stop_listening();
  EXPECT_EQ(idle.read_to_end(), "");
  const std::string answer = busy.read_to_end();
  EXPECT_TRUE(answer.ends_with("slow")) << answer;
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
}

TEST(Server, AbortEndsEveryExchange) {
  Running running;
  Peer peer = running.connect();
  peer.send(get("/wait"));
  running.desk.started.get_future().wait();
  running.server->abort_all();
  EXPECT_EQ(running.desk.gone.get_future().wait_for(std::chrono::seconds(1)), std::future_status::ready);
  EXPECT_EQ(peer.read_to_end(), "");
}

TEST(Server, APortInUseSaysWhatToDo) {
  Running running;
  Server::Options options;
  options.port = running.server->port();
  const auto second = Server::listen(*running.threads, options, {}, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::Unavailable);
  EXPECT_NE(second.error().message.find("--port"), std::string::npos);
}

TEST(Server, RequestsOfEverySizeAroundThoseOfTheBlocksAreReadWhole) {
  Running running;
  Peer peer = running.connect();
  const std::string head = "POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: ";
  for (const std::size_t edge : {2048u, 16'384u}) {
    for (std::size_t whole = edge - 3; whole <= edge + 3; ++whole) {
      const std::size_t size = whole - head.size() - std::to_string(edge).size() - 4;
      const std::string wire = head + std::to_string(size) + "\r\n\r\n" + std::string(size, 'b');
      SCOPED_TRACE(wire.size());
      // Twice: alone, and with the next request behind it.
      peer.send(wire);
      EXPECT_NE(peer.read_until("POST /size " + std::to_string(size)).find("200 OK"), std::string::npos);
      peer.send(wire + get("/behind"));
      const std::string both = peer.read_until("GET /behind 0");
      EXPECT_NE(both.find("POST /size " + std::to_string(size)), std::string::npos) << both;
    }
  }
}

TEST(Server, ReadsBodiesThatOutgrowTheBlockHoweverTheyAreFramed) {
  Running running;
  const std::string body(300'000, 'b');
  Peer sized = running.connect();
  sized.send("POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n" + body);
  EXPECT_NE(sized.read_to_end().find("POST /x 300000"), std::string::npos);
  Peer chunked = running.connect();
  std::string wire = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 300; ++i) wire += "3e8\r\n" + body.substr(0, 1000) + "\r\n";
  chunked.send(wire + "0\r\n\r\n" + get("/after", "Connection: close\r\n"));
  const std::string answer = chunked.read_to_end();
  EXPECT_NE(answer.find("POST /x 300000"), std::string::npos) << answer;
  EXPECT_NE(answer.find("GET /after"), std::string::npos) << answer;
}

}  // namespace
}  // namespace turnpike::http::server_test
