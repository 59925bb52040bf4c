#include "protocol/joined_events.h"

#include <gtest/gtest.h>

namespace turnpike::protocol::joined_events_test {
namespace {

TEST(JoinEvents, MakesTheWholeAnswer) {
  struct Case {
    const char* events;
    const char* whole;
  };
  const Case kCases[] = {
      {"data: {\"id\":\"c1\",\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\","
       "\"content\":\"Hel\"}}]}\n\n: ping\n\n"
       "data: {\"id\":\"c1\",\"created\":7,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo "
       "\\u00e9\"}}]}\n\n"
       "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
       "data: {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":5}}\n\ndata: [DONE]\n\n",
       R"({"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello é"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5}})"},
      {"data: {\"id\":\"c2\",\"model\":\"m\",\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b\"}},{\"index\":0,"
       "\"delta\":{\"content\":\"a\",\"reasoning_content\":\"r\"}}]}\n\n",
       R"({"id":"c2","object":"chat.completion","created":null,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a","reasoning_content":"r"},"finish_reason":null},{"index":1,"message":{"role":"assistant","content":"b"},"finish_reason":null}]})"},
      {"data: {\"id\":\"c3\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":"
       "\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\"}}]}}]}\n\n"
       "data: {\"id\":\"c3\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
       "\"function\":{\"arguments\":\"\\\":1}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\n",
       R"({"id":"c3","object":"chat.completion","created":null,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]},"finish_reason":"tool_calls"}]})"},
      {"data: {\"id\":\"c4\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\"one \"}]}\n\n"
       "data: {\"id\":\"c4\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"text\":\"two\","
       "\"finish_reason\":\"length\"}]}",
       R"({"id":"c4","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"one two","finish_reason":"length"}]})"},
      {"data: {\"error\":{\"message\":\"x\"}}\n\ndata: [DONE]\n\n", ""},
      {"data: {broken\n\n", ""},
      {"", ""},
  };
  for (const Case& c : kCases) EXPECT_EQ(join_events(c.events), c.whole);
}

}  // namespace
}  // namespace turnpike::protocol::joined_events_test
