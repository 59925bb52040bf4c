#include "http/head_parser.h"

#include <gtest/gtest.h>

namespace turnpike::http::head_parser_test {
namespace {

struct Case {
  const char* name;
  std::string head;
  int status;  // 0: accepted.
};

const Case kCases[] = {
    {"plain", "GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"a line end before the request line is the connection's business", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
    // Traps of parsers in use: an unknown coding taken for an empty body, `identity`, `chunked` twice.
    {"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400},
    {"identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 400},
    {"chunked twice in one field", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400},
    {"gzip, chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400},
    {"empty coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 400},
    {"no version", "GET /\r\nHost: a\r\n\r\n", 400},
    {"HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505},
    {"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"fragment in Host", "GET / HTTP/1.1\r\nHost: a#b\r\n\r\n", 400},
    {"path in Host", "GET / HTTP/1.1\r\nHost: a/key/list\r\n\r\n", 400},
    {"target without a slash", "GET key/list HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"absolute form", "GET http://b/key/list HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"absolute form without a path", "GET http://b?x HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"absolute form of another scheme", "GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"authority form", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
    {"asterisk for another method", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"byte above ASCII in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"bytes above ASCII in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\n\r\n", 0},
    {"DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", 400},
    {"expectation", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", 0},
    {"another expectation", "POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", 417},
};

TEST(RequestHead, IsAcceptedOrRefusedAndNoPrefixSaysOtherwise) {
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.name);
    Request request;
    Framing framing;
    const HeadLimits limits;
    const HeadResult whole = parse_request_head(row.head, limits, request, framing);
    EXPECT_EQ(whole.state, row.status == 0 ? HeadState::Done : HeadState::Refused);
    EXPECT_EQ(whole.status, row.status) << whole.reason;
    for (std::size_t cut = 0; cut < row.head.size(); ++cut) {
      SCOPED_TRACE(cut);
      const HeadResult part = parse_request_head(std::string_view(row.head).substr(0, cut), limits, request, framing);
      EXPECT_NE(part.state, HeadState::Done);
      if (part.state == HeadState::Refused) EXPECT_EQ(part.status, row.status);
    }
  }
}

TEST(RequestHead, TheHostOfAnAbsoluteTargetDecidesNothing) {
  Request request;
  Framing framing;
  parse_request_head("GET http://admin:80/key/list?a=b HTTP/1.1\r\nHost: a\r\n\r\n", {}, request, framing);
  EXPECT_EQ(request.path, "/key/list");
  EXPECT_EQ(request.query, "a=b");
}

TEST(RequestHead, LimitsAreExact) {
  const HeadLimits limits{60, 3};
  Request request;
  Framing framing;
  const auto status = [&](const std::string& head) {
    return parse_request_head(head, limits, request, framing).status;
  };
  const std::string start = "GET / HTTP/1.1\r\nHost: a\r\n";
  const auto filled = [&](std::size_t size) {
    const std::string name = "X: ";
    return start + name + std::string(size - start.size() - name.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_EQ(status(filled(60)), 0);
  EXPECT_EQ(status(filled(61)), 431);
  EXPECT_EQ(status(start + "A:1\r\nB:1\r\n\r\n"), 0);
  EXPECT_EQ(status(start + "A:1\r\nB:1\r\nC:1\r\n\r\n"), 431);
  EXPECT_EQ(status("GET /" + std::string(100, 'x')), 431);
}

TEST(ReplyHead, ReadsWhatProvidersSay) {
  const struct {
    const char* name;
    const char* head;
    int status;  // 0: refused.
    bool keep_alive, chunked;
    int length;  // -1: none.
  } rows[] = {
      {"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, true, false, 5},
      {"no reason", "HTTP/1.1 200\r\n\r\n", 200, true, false, -1},
      {"close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 200, false, false, 0},
      {"close among others", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n", 200, false, false, -1},
      {"1.0", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 200, false, false, 5},
      {"1.0 that stays", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n", 200, true, false, 5},
      {"length beside chunks", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 200, false,
       true, -1},
      {"two equal lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 200, true, false, 5},
      {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 0, false, false, 0},
      {"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: br\r\n\r\n", 0, false, false, 0},
      {"no HTTP", "HTTP/2 200\r\n\r\n", 0, false, false, 0},
      {"no status", "HTTP/1.1 OK\r\n\r\n", 0, false, false, 0},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    int status = 0;
    Fields fields;
    Framing framing;
    const HeadResult result = parse_reply_head(row.head, {}, status, fields, framing);
    EXPECT_EQ(result.state == HeadState::Done, row.status != 0);
    if (row.status == 0) continue;
    EXPECT_EQ(status, row.status);
    EXPECT_EQ(framing.keep_alive, row.keep_alive);
    EXPECT_EQ(framing.chunked, row.chunked);
    EXPECT_EQ(framing.length.has_value() ? static_cast<int>(*framing.length) : -1, row.length);
  }
}

}  // namespace
}  // namespace turnpike::http::head_parser_test
