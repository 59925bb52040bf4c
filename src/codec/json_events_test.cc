#include "codec/json_events.h"

#include <gtest/gtest.h>

namespace turnpike::codec::json_events_test {
namespace {

using protocol::ChatEvent;

/// {"t": text}, {"stop": true}, {"error": message}; a whole body has "all".
class TinyDecoder final : public JsonEventDecoder {
 public:
  TinyDecoder() : JsonEventDecoder("Tiny") {}

 private:
  Status take(std::string_view name, const json::Value& root, std::vector<ChatEvent>& out) override {
    if (root.find("error")) return base::fail(ErrorKind::UpstreamInternal, *root.find("error").text());
    ended_ |= root.find("stop").is(json::Kind::Bool);
    if (!root.find("t")) return {};
    ChatEvent& event = out.emplace_back();
    event.name = name;
    event.text = text(root.find("t"));
    return {};
  }
  Status take_whole(const json::Value& root, std::vector<ChatEvent>& out) override {
    ended_ = true;
    out.emplace_back().text = text(root.find("all"));
    return {};
  }
  bool ended() const override { return ended_; }
  void at_close(std::vector<ChatEvent>& out) override { out.emplace_back().kind = ChatEvent::Kind::End; }

  bool ended_ = false;
};

std::string show(const std::vector<ChatEvent>& events) {
  std::string shown;
  for (const ChatEvent& event : events) {
    if (event.kind == ChatEvent::Kind::End) {
      shown += "[end]";
      continue;
    }
    shown += "[" + std::string(event.name) + "|" + std::string(event.text) + "]";
  }
  return shown;
}

struct Case {
  const char* name;
  std::string_view wire;
  const char* events;
  const char* error = "";
};

TEST(JsonEventDecoder, ReadsTheSameHoweverTheBytesAreCut) {
  const Case kCases[] = {
      {"events", "data: {\"t\":\"a\"}\n\nevent: x\ndata: {\"t\":\"b\\n\\u00e9\"}\n\ndata: {\"stop\":true}\n\n",
       "[|a][x|b\n\u00e9][end]"},
      {"mark, comment, ping, [DONE]",
       "\xEF\xBB\xBF: hi\n\nevent: ping\ndata:\n\ndata: {\"t\":\"a\"}\n\ndata: {\"stop\":true}\n\ndata: [DONE]\n\n",
       "[|a][end]"},
      {"no blank line at the end", "data: {\"t\":\"a\"}\n\ndata: {\"stop\":true}", "[|a][end]"},
      {"cut off", "data: {\"t\":\"a\"}\n\ndata: {\"t\":", "[|a]",
       "litellm.APIError: TinyException - the stream ended before the answer did"},
      {"nothing", " \n", "", "litellm.APIError: TinyException - the stream ended before the answer did"},
      {"a fault of the provider", "data: {\"t\":\"a\"}\n\ndata: {\"error\":\"overloaded\"}\n\ndata: {\"t\":\"b\"}\n\n",
       "[|a]", "overloaded"},
      {"no JSON", "data: {\"t\":\"a\"}\n\ndata: oops\n\n", "[|a]",
       "litellm.APIError: TinyException - the stream cannot be read: "},
      {"no object", "data: [1]\n\n", "",
       "litellm.APIError: TinyException - the stream cannot be read: an event is no JSON object"},
      {"a whole body", "\n {\"all\":\"x\"}", "[|x][end]"},
      {"a list of one", "[{\"all\":\"x\"}]", "[|x][end]"},
      {"a page", "<html>busy</html>", "",
       "litellm.APIError: TinyException - the stream cannot be read: <html>busy</html>"},
      {"half a body", "{\"all\":", "", "litellm.APIError: TinyException - the stream ended before the answer did"},
  };
  for (const Case& c : kCases) {
    for (std::size_t cut = 0; cut <= c.wire.size(); ++cut) {
      SCOPED_TRACE(std::string(c.name) + ", cut at " + std::to_string(cut));
      TinyDecoder decoder;
      std::string shown;
      std::string error;
      const auto note = [&](const Status& status, const std::vector<ChatEvent>& events) {
        shown += show(events);
        if (!status) error = status.error().message;
      };
      for (const std::string_view part : {c.wire.substr(0, cut), c.wire.substr(cut)}) {
        const auto bytes = std::make_unique<std::string>(part);  // Views must not outlive it.
        std::vector<ChatEvent> events;
        if (error.empty()) note(decoder.feed(*bytes, events), events);
      }
      std::vector<ChatEvent> events;
      if (error.empty()) note(decoder.finish(events), events);
      ASSERT_EQ(shown, c.events);
      if (*c.error == '\0') {
        ASSERT_EQ(error, "");
      } else {
        ASSERT_TRUE(error.starts_with(c.error)) << error;
      }
    }
  }
}

}  // namespace
}  // namespace turnpike::codec::json_events_test
