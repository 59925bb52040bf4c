#include "protocol/sse_decoder.h"

#include <gtest/gtest.h>

namespace turnpike::protocol::sse_decoder_test {
namespace {

std::string show(const std::vector<SseEvent>& events) {
  std::string text;
  for (const SseEvent& event : events) {
    text.append("[").append(event.name).append("|").append(event.data).append("]");
  }
  return text;
}

struct Case {
  const char* name;
  std::string_view wire;
  const char* events;
  const char* at_end = "";  // What the end of the stream adds.
};

const Case kCases[] = {
    {"data lines join", "data: a\ndata: b\n\n", "[|a\nb]"},
    {"three data lines, two events", "data: a\ndata:\ndata: b\n\ndata:c\ndata:d\n\n", "[|a\n\nb][|c\nd]"},
    {"named event (Anthropic)", "event: ping\ndata: {}\n\n", "[ping|{}]"},
    {"a name holds for one event", "event: ping\ndata: 1\n\ndata: 2\n\n", "[ping|1][|2]"},
    {"a name without data is nothing", "event: ping\n\ndata: 2\n\n", "[|2]"},
    {"CRLF line ends", "data: a\r\n\r\ndata: b\r\n\r\n", "[|a][|b]"},
    {"CR line ends", "data: a\r\rdata: b\r\r", "[|a][|b]"},
    {"mixed line ends", "data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", "[|a][|b][|c]"},
    {"comment keeps alive", ": ping\n\ndata: a\n\n", "[|a]"},
    {"comment inside an event", "data: a\n: OPENROUTER PROCESSING\ndata: b\n\n", "[|a\nb]"},
    {"cut off mid event", "data: a\n\ndata: b", "[|a]", "[|b]"},
    {"blank line missing at the end", "data: a\n\ndata: b\n", "[|a]", "[|b]"},
    {"CRLF, blank line missing", "data: a\r\n", "", "[|a]"},
    {"no space after the colon", "data:a\n\n", "[|a]"},
    {"only one space goes", "data:  a\n\n", "[| a]"},
    {"empty data", "data:\n\ndata\n\n", "[|][|]"},
    {"byte order mark",
     "\xEF\xBB\xBF"
     "data: a\n\n",
     "[|a]"},
    {"half a byte order mark is data",
     "\xEF\xBB"
     "data: a\n\ndata: b\n\n",
     "[|b]"},
    {"id and retry are read past", "id: 7\nretry: 10\ndata: a\n\n", "[|a]"},
    {"unknown field", "date: a\n\ndata: b\n\n", "[|b]"},
    {"blank lines between", "\n\n\ndata: a\n\n\n\n", "[|a]"},
    {"empty name after an event", "data: a\n\nevent\rdata: b\n\nevent:", "[|a][|b]"},
    {"nothing", "", ""},
};

TEST(SseDecoder, ReadsTheSameEventsHoweverTheBytesAreCut) {
  for (const Case& c : kCases) {
    for (std::size_t cut = 0; cut <= c.wire.size(); ++cut) {
      SCOPED_TRACE(std::string(c.name) + ", cut at " + std::to_string(cut));
      SseDecoder decoder;
      std::vector<SseEvent> events;
      // Each part is an exact copy that dies: views that outlive the next feed are seen by the sanitizer.
      std::string seen;
      {
        const std::string part(c.wire.substr(0, cut));
        ASSERT_TRUE(decoder.feed(part, events));
        seen += show(events);
      }
      events.clear();
      {
        const std::string part(c.wire.substr(cut));
        ASSERT_TRUE(decoder.feed(part, events));
        seen += show(events);
      }
      EXPECT_EQ(seen, c.events);
      events.clear();
      ASSERT_TRUE(decoder.finish(events));
      EXPECT_EQ(show(events), c.at_end);
    }
  }
}

TEST(SseDecoder, ReadsTheSameEventsByteByByte) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    SseDecoder decoder;
    std::string seen;
    std::vector<SseEvent> events;
    for (const char byte : c.wire) {
      events.clear();
      ASSERT_TRUE(decoder.feed({&byte, 1}, events));
      seen += show(events);
    }
    EXPECT_EQ(seen, c.events);
  }
}

TEST(SseDecoder, RefusesAnEventAboveTheLimit) {
  constexpr std::size_t kMax = 32;
  std::vector<SseEvent> events;
  SseDecoder fits(kMax);
  EXPECT_TRUE(fits.feed("data: " + std::string(kMax - 7, 'x') + "\n\n", events));
  SseDecoder long_line(kMax);
  EXPECT_EQ(long_line.feed("data: " + std::string(kMax, 'x'), events).error().kind, ErrorKind::UpstreamMalformed);
  SseDecoder many_lines(kMax);
  Status status;
  for (int i = 0; i < 20 && status; ++i) status = many_lines.feed("data: 12\n", events);
  EXPECT_FALSE(status) << "lines of one event add up";
}

}  // namespace
}  // namespace turnpike::protocol::sse_decoder_test
