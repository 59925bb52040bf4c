#include "redis/reply.h"

#include <gtest/gtest.h>

#include "redis/command.h"

namespace turnpike::redis::reply_test {
namespace {

std::string show(const Reply& reply) {
  switch (reply.kind) {
    case Reply::Kind::Nil:
      return "nil";
    case Reply::Kind::Status:
      return "+" + reply.text;
    case Reply::Kind::Error:
      return "-" + reply.text;
    case Reply::Kind::Integer:
      return std::to_string(reply.integer);
    case Reply::Kind::Text:
      return "\"" + reply.text + "\"";
    case Reply::Kind::List:
      break;
  }
  std::string text = "[";
  for (const Reply& element : reply.list) text += (text.size() > 1 ? " " : "") + show(element);
  return text + "]";
}

struct Case {
  const char* name;
  std::string_view wire;
  const char* replies;
};
const Case kCases[] = {
    {"status", "+OK\r\n", "+OK"},
    {"error", "-ERR no\r\n", "-ERR no"},
    {"integers", ":1\r\n:-20\r\n", "1 -20"},
    {"text with a line end in it", "$4\r\na\r\nb\r\n", "\"a\r\nb\""},
    {"empty and nil", "$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n", "\"\" nil nil []"},
    {"nested lists", "*3\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n+x\r\n+y\r\n", "[1 [\"a\" nil] +x] +y"},
};

TEST(ReplyReader, ReadsTheSameRepliesHoweverTheBytesAreCut) {
  for (const Case& c : kCases) {
    for (std::size_t cut = 0; cut <= c.wire.size(); ++cut) {
      SCOPED_TRACE(std::string(c.name) + ", cut at " + std::to_string(cut));
      ReplyReader reader;
      std::string replies;
      for (const std::string_view piece : {c.wire.substr(0, cut), c.wire.substr(cut)}) {
        ASSERT_TRUE(reader.feed(piece));
        for (;;) {
          auto next = reader.next();
          ASSERT_TRUE(next);
          if (!*next) break;
          replies += (replies.empty() ? "" : " ") + show(**next);
        }
      }
      EXPECT_EQ(replies, c.replies);
    }
  }
}

TEST(ReplyReader, RefusesWhatIsNoReplyOrTooLong) {
  for (const std::string_view wire : {"hello\r\n", ":x1\r\n", "*70000\r\n", "*1\r\n*99999999\r\n"}) {
    ReplyReader reader;
    ASSERT_TRUE(reader.feed(wire));
    EXPECT_FALSE(reader.next()) << wire;
  }
  ReplyReader reader;
  const std::string much(ReplyReader::kBytesMax, 'x');
  ASSERT_TRUE(reader.feed("$999999999\r\n"));
  EXPECT_FALSE(reader.feed(much));
}

TEST(Reply, KnowsWhichErrorsAreOutages) {
  const std::pair<const char*, bool> rows[] = {
      {"READONLY You can't write against a read only replica.", true},
      {"NOAUTH Authentication required.", true},
      {"LOADING Redis is loading the dataset in memory", true},
      {"ERR Error running script (call to f_1): @user_script:3: -READONLY You can't write", true},
      {"NOSCRIPT No matching script.", false},
      {"WRONGTYPE Operation against a key", false},
      {"ERR syntax", false},
  };
  for (const auto& [text, outage] : rows) {
    Reply reply;
    reply.kind = Reply::Kind::Error;
    reply.text = text;
    EXPECT_EQ(reply.is_outage(), outage) << text;
    reply.kind = Reply::Kind::Text;
    EXPECT_FALSE(reply.is_outage());
  }
}

TEST(Command, IsAnArrayOfTexts) {
  EXPECT_EQ(Command({"SET", "a", "x\r\ny"}).bytes(), "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\nx\r\ny\r\n");
  const Script script("return 1");
  EXPECT_EQ(script.sha1, "e0e1f9fabfc9d4800c877a703b823ac0578ff8db");
  EXPECT_EQ((ScriptCall{{"k"}, {"a"}}.command(script, false).bytes()),
            "*5\r\n$7\r\nEVALSHA\r\n$40\r\n" + script.sha1 + "\r\n$1\r\n1\r\n$1\r\nk\r\n$1\r\na\r\n");
}

}  // namespace
}  // namespace turnpike::redis::reply_test
