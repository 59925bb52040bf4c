#include "codec/event_stream.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/text.h"

namespace turnpike::codec::event_stream_test {
namespace {

// A frame that botocore's own decoder reads: messageStop of Converse.
constexpr std::string_view kSample =
    "0000007a00000051ca2c46650b3a6576656e742d7479706507000b6d65737361676553746f700d3a636f6e74656e742d747970650700106170"
    "706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b2273746f70526561736f6e223a22656e645f7475"
    "726e227d5fbf09fc";

std::string unhex(std::string_view text) {
  const auto bytes = base::from_hex(text);
  return {bytes->begin(), bytes->end()};
}

std::string number(std::size_t value, int bytes) {
  std::string out;
  for (int i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string sum(std::string_view bytes) {
  return number(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())), 4);
}

std::string frame(std::string_view headers, std::string_view payload) {
  std::string out = number(headers.size() + payload.size() + 16, 4) + number(headers.size(), 4);
  out += sum(out);
  out.append(headers).append(payload);
  return out + sum(out);
}

std::string header(std::string_view name, std::string_view value) {
  return number(name.size(), 1) + std::string(name) + "\x07" + number(value.size(), 2) + std::string(value);
}

std::string other(std::string_view name, char type, std::string_view value) {
  return number(name.size(), 1) + std::string(name) + type + std::string(value);
}

std::string event(std::string_view type, std::string_view payload) {
  return frame(header(":message-type", "event") + header(":event-type", type), payload);
}

std::string show(const std::vector<StreamMessage>& messages) {
  constexpr const char* kKinds[] = {"event", "exception", "error"};
  std::string out;
  for (const StreamMessage& message : messages) {
    out += "[" + std::string(kKinds[static_cast<int>(message.kind)]) + " " + std::string(message.type);
    if (!message.text.empty()) out += " \"" + std::string(message.text) + "\"";
    out += "|" + std::string(message.payload) + "]";
  }
  return out;
}

/// What is read of `bytes` in one piece or cut in two: the messages, then "!" and the reason if it fails, "..." if the
/// last message is not whole. The bytes of each read die behind it.
std::string read(std::string_view bytes, std::size_t cut) {
  EventStreamReader reader("Bedrock");
  std::string out;
  for (const std::string_view part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    std::vector<StreamMessage> messages;
    const std::string copy(part);
    const Status fed = reader.feed(copy, messages);
    out += show(messages);
    if (!fed) return out + "!" + fed.error().message.substr(fed.error().message.rfind(": ") + 2);
  }
  return reader.between_messages() ? out : out + "...";
}

struct Case {
  const char* name;
  std::string bytes;
  std::string read;
};

std::string flipped(std::string bytes, std::size_t at) {
  bytes[at < bytes.size() ? at : bytes.size() - 1] ^= 1;
  return bytes;
}

std::vector<Case> cases() {
  const std::string kEvent = header(":message-type", "event");
  const std::string all_types = other("t", 0, "") + other("f", 1, "") + other("a", 2, "1") + other("b", 3, "12") +
                                other("c", 4, "1234") + other("d", 5, "12345678") +
                                other("e", 6, std::string("\0\3abc", 5)) + other("g", 8, "12345678") +
                                other("h", 9, "0123456789abcdef");
  const std::string huge = number((24 << 20) + 17, 4) + number(0, 4);
  const std::string wide = number((128 << 10) + 100, 4) + number((128 << 10) + 1, 4);
  const std::string small = number(20, 4) + number(5, 4);
  return {
      {"the sample", unhex(kSample), R"([event messageStop|{"stopReason":"end_turn"}])"},
      {"several", event("a", "{}") + event("b", "1") + event("c", ""), "[event a|{}][event b|1][event c|]"},
      {"nothing", "", ""},
      {"an exception",
       frame(header(":message-type", "exception") + header(":exception-type", "throttlingException"),
             R"({"message":"slow"})"),
       R"([exception throttlingException|{"message":"slow"}])"},
      {"an error",
       frame(header(":error-code", "Boom") + header(":message-type", "error") + header(":error-message", "it broke"),
             ""),
       R"([error Boom "it broke"|])"},
      {"headers of every type", frame(all_types + kEvent + header(":event-type", "x"), "{}"), "[event x|{}]"},
      {"the last is cut off", event("a", "{}") + event("b", "{}").substr(0, 30), "[event a|{}]..."},
      {"lengths with a wrong checksum", flipped(event("a", "{}"), 8), "!the checksum of an event's lengths is wrong"},
      {"a length that was changed", flipped(event("a", "{}"), 3), "!the checksum of an event's lengths is wrong"},
      {"a payload that was changed", event("a", "{}") + flipped(event("b", "12345"), 55),
       "[event a|{}]!the checksum of an event is wrong"},
      {"a wrong checksum", flipped(event("a", "{}"), 10'000), "!the checksum of an event is wrong"},
      {"a payload above 24 MiB", huge + sum(huge), "!an event's length is beyond the limit"},
      {"headers above 128 KiB", wide + sum(wide), "!an event's length is beyond the limit"},
      {"headers longer than the message", small + sum(small), "!an event's length is beyond the limit"},
      {"the same header twice", frame(kEvent + header(":event-type", "a") + header(":event-type", "a"), "{}"),
       "!the headers of an event cannot be read"},
      {"a header without a name", frame(kEvent + header("", "a"), "{}"), "!the headers of an event cannot be read"},
      {"a header of an unknown type", frame(kEvent + other("a", 10, ""), "{}"),
       "!the headers of an event cannot be read"},
      {"a header that is cut off", frame(kEvent + header(":event-type", "abc").substr(0, 15), "{}"),
       "!the headers of an event cannot be read"},
      {"a number that is cut off", frame(kEvent + other("a", 5, "1234"), "{}"),
       "!the headers of an event cannot be read"},
      {"an unknown kind", frame(header(":message-type", "news"), "{}"), "!an event is of an unknown kind"},
      {"no kind", frame(header(":event-type", "a"), "{}"), "!an event is of an unknown kind"},
      {"text", R"({"message":"Forbidden"})", "!the checksum of an event's lengths is wrong"},
  };
}

TEST(EventStream, ReadsTheSameMessagesHoweverTheBytesAreCut) {
  for (const Case& c : cases()) {
    for (std::size_t cut = 0; cut <= c.bytes.size(); ++cut) {
      SCOPED_TRACE(std::string(c.name) + ", cut at " + std::to_string(cut));
      ASSERT_EQ(read(c.bytes, cut), c.read);
    }
  }
}

TEST(EventStream, ReadsByteByByte) {
  const std::string bytes = event("a", std::string(3000, 'x')) + event("b", "{}");
  EventStreamReader reader("Bedrock");
  std::string seen;
  for (const char c : bytes) {
    std::vector<StreamMessage> messages;
    ASSERT_TRUE(reader.feed({&c, 1}, messages));
    seen += show(messages);
  }
  EXPECT_EQ(seen, "[event a|" + std::string(3000, 'x') + "][event b|{}]");
  EXPECT_TRUE(reader.between_messages());
}

}  // namespace
}  // namespace turnpike::codec::event_stream_test
