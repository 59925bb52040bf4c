#include <gtest/gtest.h>
#include <netinet/tcp.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "http/loopback.h"
#include "http/server.h"

namespace turnpike::http::server_framing_test {
namespace {

using loopback::Peer;

constexpr std::string_view kSecond = "GET /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

Task<void> echo(Exchange& exchange) {
  const Request& request = exchange.request();
  std::string text =
      std::string(request.method_text) + " " + std::string(request.path) + " " + std::string(request.body);
  const std::string_view pieces[] = {text};
  const ReplyHead head{200, "text/plain", {}};
  co_await exchange.reply(head, pieces);
}

std::string error_body(int status, std::string_view message) {
  return "{\"status\":" + std::to_string(status) + ",\"message\":\"" + std::string(message) + "\"}";
}

struct Running {
  std::unique_ptr<net::IoThreads> threads = net::IoThreads::start(2);
  std::unique_ptr<Server> server;
  explicit Running(ServerLimits limits = {}) {
    Server::Options options;
    options.port = 0;
    options.limits = limits;
    server = Server::listen(*threads, options, &echo, &error_body).value();
  }
};

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

struct Case {
  std::string name, expect, raw;
};

std::vector<Case> all_cases() {
  std::ifstream file(TURNPIKE_SOURCE_DIR "/test/data/http1-framing-cases.json");
  std::stringstream text;
  text << file.rdbuf();
  std::vector<Case> cases;
  const boost::json::value document = boost::json::parse(text.str());
  for (const boost::json::value& value : document.at("cases").as_array()) {
    std::string raw;
    const std::string utf8 = boost::json::value_to<std::string>(value.at("raw_latin1"));
    for (std::size_t i = 0; i < utf8.size(); ++i) {
      const auto lead = static_cast<unsigned char>(utf8[i]);
      raw.push_back(lead < 0x80 ? utf8[i] : static_cast<char>(((lead & 0x03) << 6) | (utf8[++i] & 0x3f)));
    }
    cases.push_back({boost::json::value_to<std::string>(value.at("name")),
                     boost::json::value_to<std::string>(value.at("expect")), raw});
  }
  cases.push_back(
      {"header of 64 KiB", "reject", "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(65536, 'x') + "\r\n\r\n"});
  std::string many = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 0; i < 2000; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  cases.push_back({"2,000 headers", "reject", many + "\r\n"});
  return cases;
}

void check(const Case& row, const std::string& answer) {
  const std::size_t answers = count(answer, "HTTP/1.1 ");
  const std::size_t continues = count(answer, "HTTP/1.1 100 ");
  const bool refused = answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5");
  const bool second = answer.find("GET /second") != std::string::npos;
  if (row.expect.starts_with("reject") && row.expect != "reject-or-accept-as-one") {
    EXPECT_EQ(answers, 1u) << answer;
    EXPECT_TRUE(refused) << answer;
    EXPECT_FALSE(second) << answer;
  } else if (row.expect == "accept") {
    EXPECT_EQ(answers, 2u) << answer;
    EXPECT_EQ(count(answer, "HTTP/1.1 200 "), 2u) << answer;
    EXPECT_TRUE(second) << answer;
  } else if (row.expect == "100-then-accept") {
    EXPECT_EQ(continues, 1u) << answer;
    EXPECT_EQ(answers, 3u) << answer;
    EXPECT_TRUE(second) << answer;
  } else {
    // Either road, but a whole one: refused and closed, or both answered.
    EXPECT_EQ(answers, refused ? 1u : 2u) << answer;
    EXPECT_NE(refused, second) << answer;
  }
}

TEST(ServerFraming, AnswersEveryCaseAsTheTableSaysAndNeverTheRequestAfterARefusedOne) {
  Running running;
  const std::vector<Case> cases = all_cases();
  ASSERT_EQ(cases.size(), 54u);
  for (const Case& row : cases) {
    SCOPED_TRACE(row.name);
    Peer peer = Peer::connect(running.server->port());
    peer.send(row.raw + std::string(kSecond));
    check(row, peer.read_to_end());
  }
  EXPECT_GT(running.server->counters().rejected_framing.load(), 30u);
}

TEST(ServerFraming, ReadsTheSameRequestWhereverTheBytesAreCut) {
  Running running;
  for (const Case& row : all_cases()) {
    if (row.raw.size() > 300) continue;
    for (std::size_t cut = 1; cut < row.raw.size(); ++cut) {
      SCOPED_TRACE(row.name + ", cut at " + std::to_string(cut));
      Peer peer = Peer::connect(running.server->port());
      const int now = 1;
      ::setsockopt(peer.fd(), IPPROTO_TCP, TCP_NODELAY, &now, sizeof now);
      peer.send(row.raw.substr(0, cut));
      peer.send(row.raw.substr(cut) + std::string(kSecond));
      check(row, peer.read_to_end());
    }
  }
}

TEST(ServerFraming, ReadsTheSameRequestByteByByte) {
  Running running;
  for (const Case& row : all_cases()) {
    if (row.raw.size() > 300) continue;
    SCOPED_TRACE(row.name);
    Peer peer = Peer::connect(running.server->port());
    const int now = 1;
    ::setsockopt(peer.fd(), IPPROTO_TCP, TCP_NODELAY, &now, sizeof now);
    for (const char byte : row.raw + std::string(kSecond)) {
      if (!peer.send({&byte, 1})) break;
    }
    check(row, peer.read_to_end());
  }
}

TEST(ServerFraming, ExpectationThatIsNotMetIs417) {
  Running running;
  Peer peer = Peer::connect(running.server->port());
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-maybe\r\nContent-Length: 1\r\n\r\nx");
  EXPECT_TRUE(peer.read_to_end().starts_with("HTTP/1.1 417 "));
}

TEST(ServerFraming, RefusesByLimitsWithTheirStatus) {
  ServerLimits limits;
  limits.body_bytes_max = 10;
  limits.header_bytes_max = 512;
  limits.header_count_max = 5;
  limits.header_timeout = std::chrono::milliseconds(60);
  limits.body_timeout = std::chrono::milliseconds(60);
  Running running(limits);
  const struct {
    const char* name;
    std::string raw;
    const char* answer;
  } rows[] = {
      {"length above the limit", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n12345678901",
       "HTTP/1.1 413 "},
      {"not invited to send it", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n",
       "HTTP/1.1 413 "},
      {"chunks above the limit",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n12345678901\r\n0\r\n\r\n",
       "HTTP/1.1 413 "},
      {"header too large", "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(600, 'x'), "HTTP/1.1 431 "},
      {"too many headers", "GET / HTTP/1.1\r\nHost: a\r\nA:1\r\nB:1\r\nC:1\r\nD:1\r\nE:1\r\n\r\n", "HTTP/1.1 431 "},
      {"header never ends", "GET / HTTP/1.1\r\nHost", "HTTP/1.1 408 "},
      {"body never ends", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n123", "HTTP/1.1 408 "},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    Peer peer = Peer::connect(running.server->port());
    peer.send(row.raw);
    const std::string answer = peer.read_to_end();
    EXPECT_TRUE(answer.starts_with(row.answer)) << answer;
    EXPECT_EQ(count(answer, "HTTP/1.1 "), 1u);
  }
}

}  // namespace
}  // namespace turnpike::http::server_framing_test
