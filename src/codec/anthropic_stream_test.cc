#include "codec/anthropic_stream.h"

#include <gtest/gtest.h>

#include "codec/anthropic_error.h"
#include "codec/anthropic_reply.h"

namespace turnpike::codec::anthropic_stream_test {
namespace {

using domain::Unit;
using protocol::ChatEvent;

std::string show(const std::optional<domain::Usage>& usage) {
  if (!usage) return "nothing";
  std::string text;
  for (const domain::UnitCount& entry : usage->counts) {
    if (!text.empty()) text += ' ';
    text += std::string(domain::unit_name(entry.unit)) + "=" + std::to_string(entry.count);
  }
  if (usage->input_unsaid) text += " input?";
  if (usage->output_unsaid) text += " output?";
  return text;
}

std::string show(const ChatEvent& event) {
  const auto text = [](std::string_view view) { return std::string(view); };
  switch (event.kind) {
    case ChatEvent::Kind::Start:
      return "start " + text(event.id) + " " + text(event.name);
    case ChatEvent::Kind::Text:
      return "text" + std::to_string(event.block) + " " + text(event.text);
    case ChatEvent::Kind::Refusal:
      return "refusal " + text(event.text);
    case ChatEvent::Kind::Thinking:
      return "thinking" + std::to_string(event.block) + " " + text(event.text);
    case ChatEvent::Kind::Signature:
      return "signature" + std::to_string(event.block) + " " + text(event.signature);
    case ChatEvent::Kind::RedactedThinking:
      return "redacted" + std::to_string(event.block) + " " + text(event.text);
    case ChatEvent::Kind::ToolStart:
      return "tool" + std::to_string(event.tool) + " " + text(event.id) + " " + text(event.name);
    case ChatEvent::Kind::ToolArguments:
      return "args" + std::to_string(event.tool) + " " + text(event.text);
    case ChatEvent::Kind::Citation:
      return "citation " + std::to_string(event.citation.start) + "-" + std::to_string(event.citation.end) + " " +
             text(event.citation.url) + " " + text(event.citation.title);
    case ChatEvent::Kind::Native:
      return "native " + text(event.name) + " " + text(event.json);
    case ChatEvent::Kind::Finish:
      return "finish " + text(protocol::finish_name(event.finish)) +
             (event.native_finish.empty() ? "" : " (" + text(event.native_finish) + ")");
    case ChatEvent::Kind::Usage:
      return "usage";
    case ChatEvent::Kind::End:
      return "end";
    default:
      return "?";
  }
}

/// What a stream says, however its bytes are cut; each feed's events are read before the next.
std::string events_of(const std::vector<std::string_view>& parts) {
  AnthropicEvents decoder("Anthropic");
  std::string shown;
  std::vector<ChatEvent> events;
  Status status;
  const auto take = [&] {
    for (const ChatEvent& event : events) shown += show(event) + "\n";
    events.clear();
  };
  for (const std::string_view part : parts) {
    const auto copy = std::make_unique<std::string>(part);
    status = decoder.feed(*copy, events);
    take();
    if (!status) break;
  }
  if (status) {
    status = decoder.finish(events);
    take();
  }
  if (!status)
    shown += "error " + status.error().code + " " + std::to_string(status.error().status) + " " +
             status.error().message + "\n";
  return shown + show(decoder.usage());
}

struct Case {
  const char* name;
  const char* data;  // One event's object a line.
  const char* events;
};

constexpr const char* kStart =
    R"({"type":"message_start","message":{"id":"msg_1","model":"claude","usage":{"input_tokens":25,"output_tokens":1}}})";

const Case kCases[] = {
    {"text in pieces, pings and news between",
     R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}
{"type":"ping"}
{"type":"news","x":1}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Caf\u00e9"}}
{"type":"content_block_delta","index":0,"delta":{"type":"news_delta","text":"no"}}
{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" ☕"}}
{"type":"content_block_stop","index":0}
{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":15}}
{"type":"message_stop"})",
     "start msg_1 claude\nusage\ntext0 Café\ntext0  ☕\nfinish stop\nusage\nend\ninput_tokens=25 output_tokens=15"},
    {"two tools and their arguments; the index counts tools, not blocks",
     R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"So."}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}
{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":""}}
{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}
{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":" \"\\ud83d"}}
{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\\ude00\"}"}}
{"type":"content_block_stop","index":1}
{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_2","name":"g","input":{}}}
{"type":"content_block_stop","index":2}
{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_3","name":"h","input":{"x": 1}}}
{"type":"content_block_stop","index":3}
{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":40}}
{"type":"message_stop"})",
     "start msg_1 claude\nusage\ntext0 So.\ntool0 toolu_1 f\nargs0 {\"a\":\nargs0  \"\\ud83d\nargs0 \\ude00\"}\n"
     "tool1 toolu_2 g\nargs1 {}\ntool2 toolu_3 h\nargs2 {\"x\":1}\nfinish tool_calls\nusage\nend\n"
     "input_tokens=25 output_tokens=40"},
    {"thinking, its seal, what is kept back",
     R"({"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}
{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":""}}
{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s=="}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"d=="}}
{"type":"content_block_stop","index":1}
{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":40,"output_tokens_details":{"thinking_tokens":30}}}
{"type":"message_stop"})",
     "start msg_1 claude\nusage\nthinking0 Hm\nsignature0 s==\nredacted1 d==\nfinish length\nusage\nend\n"
     "input_tokens=25 output_tokens=10 reasoning_tokens=30"},
    {"several message_deltas: one finish, the last counts stand (AC-PRICE-2)",
     R"({"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":500,"input_tokens":30,"cache_read_input_tokens":7}}
{"type":"message_delta","delta":{"stop_reason":"pause_turn"},"usage":{"output_tokens":550,"input_tokens":null,"server_tool_use":{"web_search_requests":2}}}
{"type":"message_delta","delta":{"stop_reason":"pause_turn"}}
{"type":"message_stop"}
{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"after the end"}})",
     "start msg_1 claude\nusage\nusage\nfinish stop (pause_turn)\nusage\nend\n"
     "input_tokens=30 cached_input_tokens=7 output_tokens=550 queries=2"},
    {"a search on the provider's side and what it found",
     R"({"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}
{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"query\": "}}
{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"\"x\"}"}}
{"type":"content_block_stop","index":0}
{"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://a.example","title":"A","encrypted_content":"e","page_age":null}]}}
{"type":"content_block_stop","index":1}
{"type":"content_block_start","index":2,"content_block":{"type":"text","text":"","citations":[]}}
{"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://a.example","title":"A","cited_text":"c","encrypted_index":"i"}}}
{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"né"}}
{"type":"content_block_stop","index":2}
{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}
{"type":"message_stop"})",
     "start msg_1 claude\nusage\n"
     R"(native server_tool_use [{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}}])"
     "\n"
     R"(native web_search_results [{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://a.example","title":"A","encrypted_content":"e","page_age":null}]}])"
     "\n"
     R"(native citation {"type":"web_search_result_location","url":"https://a.example","title":"A","cited_text":"c","encrypted_index":"i"})"
     "\ntext2 né\ncitation 0-2 https://a.example A\nfinish stop\nusage\nend\ninput_tokens=25 output_tokens=9"},
    {"compaction is billed apart; its summary comes in a delta",
     R"({"type":"content_block_start","index":0,"content_block":{"type":"compaction","content":null,"encrypted_content":null}}
{"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":"So far: x","encrypted_content":"e"}}
{"type":"content_block_stop","index":0}
{"type":"message_delta","delta":{"stop_reason":"compaction"},"context_management":{"applied_edits":[]},"usage":{"output_tokens":9,"iterations":[{"type":"compaction","input_tokens":100,"output_tokens":20,"cache_read_input_tokens":0,"cache_creation_input_tokens":0},{"type":"message","input_tokens":25,"output_tokens":9}]}}
{"type":"message_stop"})",
     "start msg_1 claude\nusage\n"
     R"(native compaction_blocks [{"type":"compaction","content":"So far: x","encrypted_content":"e"}])"
     "\nnative context_management {\"applied_edits\":[]}\nfinish length (compaction)\nusage\nend\n"
     "input_tokens=125 output_tokens=29"},
    {"refused halfway, with the reason",
     R"({"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","category":"bio","explanation":null},"container":{"id":"c"}},"usage":{"output_tokens":2}}
{"type":"message_stop"})",
     "start msg_1 claude\nusage\n"
     R"(native stop_details {"type":"refusal","category":"bio","explanation":null})"
     "\nnative container {\"id\":\"c\"}\nfinish content_filter (refusal)\nusage\nend\ninput_tokens=25 output_tokens=2"},
    {"an error amid the answer",
     R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"So"}}
{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}})",
     "start msg_1 claude\nusage\ntext0 So\n"
     "error  529 litellm.InternalServerError: AnthropicException - Overloaded\ninput_tokens=25 output?"},
    {"cut off without its last event (AC-ERR-1): the placeholder is no count",
     R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":"So"}}
{"type":"content_block_stop","index":0})",
     "start msg_1 claude\nusage\ntext0 So\n"
     "error  0 litellm.APIError: AnthropicException - the stream ended before the answer did\ninput_tokens=25 output?"},
    {"the finish is not the end",
     R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}})",
     "start msg_1 claude\nusage\nfinish stop\nusage\n"
     "error  0 litellm.APIError: AnthropicException - the stream ended before the answer did\n"
     "input_tokens=25 output_tokens=2"},
};

std::string wire(const std::string& lines, bool named) {
  std::string out;
  std::string_view rest = lines;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    const std::size_t type = line.find("\"type\":\"") + 8;
    if (named) out.append("event: ").append(line.substr(type, line.find('"', type) - type)).append("\n");
    out.append("data: ").append(line).append("\n\n");
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

TEST(AnthropicEvents, SayTheSameHoweverTheBytesAreCut) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const std::string lines = std::string(kStart) + "\n" + c.data;
    ASSERT_EQ(events_of({wire(lines, true)}), c.events);
    // Some servers in between drop the names.
    ASSERT_EQ(events_of({wire(lines, false)}), c.events);
    const std::string bytes = wire(lines, true);
    const std::string_view view = bytes;
    std::vector<std::string_view> single;
    for (std::size_t cut = 0; cut < view.size(); ++cut) {
      ASSERT_EQ(events_of({view.substr(0, cut), view.substr(cut)}), c.events) << "cut at " << cut;
      single.push_back(view.substr(cut, 1));
    }
    ASSERT_EQ(events_of(single), c.events) << "byte by byte";
  }
}

TEST(AnthropicEvents, AWholeAnswerToAStreamIsToldAsOne) {
  EXPECT_EQ(events_of({R"({"id":"msg_1","type":"message","model":"claude","content":[{"type":"text","text":"Hi"},
    {"type":"tool_use","id":"t","name":"f","input":{ }}],"stop_reason":"tool_use",
    "container":{"id":"c"},"usage":{"input_tokens":3,"output_tokens":4}})"}),
            "start msg_1 claude\ntext0 Hi\ntool0 t f\nargs0 {}\nnative container {\"id\":\"c\"}\nfinish "
            "tool_calls\nusage\nend\n"
            "input_tokens=3 output_tokens=4");
  EXPECT_EQ(events_of({R"({"type":"error","error":{"type":"rate_limit_error","message":"Slow down."}})"}),
            "error  429 litellm.RateLimitError: AnthropicException - Slow down.\nnothing");
}

TEST(AnthropicReply, SaysWhatWasUsed) {
  struct {
    const char* name;
    const char* usage;
    const char* said;
  } const rows[] = {
      {"the example of AC-PRICE-1", R"({"input_tokens":3,"cache_creation_input_tokens":12304,"output_tokens":550})",
       "input_tokens=3 cache_write_tokens=12304 output_tokens=550"},
      {"caches of five minutes and of an hour apart",
       R"({"input_tokens":3,"cache_creation_input_tokens":30,"cache_read_input_tokens":5,"output_tokens":1,
           "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20}})",
       "input_tokens=3 cached_input_tokens=5 cache_write_tokens=10 cache_write_1h_tokens=20 output_tokens=1"},
      {"the parts without their sum",
       R"({"input_tokens":3,"output_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20}})",
       "input_tokens=3 cache_write_tokens=10 cache_write_1h_tokens=20 output_tokens=1"},
      {"thinking is part of the output",
       R"({"input_tokens":3,"output_tokens":10,"output_tokens_details":{"thinking_tokens":8}})",
       "input_tokens=3 output_tokens=2 reasoning_tokens=8"},
      {"and never more of it",
       R"({"input_tokens":3,"output_tokens":10,"output_tokens_details":{"thinking_tokens":12}})",
       "input_tokens=3 reasoning_tokens=10"},
      {"searches",
       R"({"input_tokens":3,"output_tokens":1,"server_tool_use":{"web_search_requests":2,"web_fetch_requests":9}})",
       "input_tokens=3 output_tokens=1 queries=2"},
      {"nothing at all", R"({"input_tokens":0,"output_tokens":0})", "nothing"},
      {"no object", "null", "nothing"},
      {"what nobody believes", R"({"input_tokens":3,"output_tokens":99999999999})", "input_tokens=3 output?"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const std::string body = std::string(R"({"type":"message","content":[],"usage":)") + row.usage + "}";
    const auto reply = read_anthropic_reply(body, "Anthropic");
    ASSERT_TRUE(reply);
    EXPECT_EQ(show(reply->usage), row.said);
  }
}

TEST(AnthropicReply, KeepsWhatOpenAiHasNoPlaceFor) {
  const auto reply = read_anthropic_reply(
      R"({"id":"msg_1","type":"message","model":"claude","stop_reason":"pause_turn","container":{"id":"c"},
      "content":[{"type":"text","text":"é: "},{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}},
      {"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]},
      {"type":"bash_code_execution_tool_result","tool_use_id":"srvtoolu_2","content":{}},
      {"type":"text","text":"né","citations":[{"type":"web_search_result_location","url":"https://a.example","title":"A"},
      {"type":"page_location","document_index":0}]},{"type":"unheard_of"}]})",
      "Anthropic");
  ASSERT_TRUE(reply);
  const protocol::ReplyChoice& choice = reply->choices[0];
  EXPECT_EQ(
      choice.native_json,
      R"({"server_tool_use":[{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}],)"
      R"("web_search_results":[{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]}],)"
      R"("tool_results":[{"type":"bash_code_execution_tool_result","tool_use_id":"srvtoolu_2","content":{}}],)"
      R"("citations":[[{"type":"web_search_result_location","url":"https://a.example","title":"A","supported_text":"né"},)"
      R"({"type":"page_location","document_index":0,"supported_text":"né"}]],"container":{"id":"c"}})");
  ASSERT_EQ(choice.citations.size(), 1U);
  EXPECT_EQ(choice.citations[0].start, 3U);
  EXPECT_EQ(choice.citations[0].end, 5U);
  EXPECT_EQ(choice.finish, protocol::Finish::Stop);
  EXPECT_EQ(choice.native_finish, "pause_turn");
  EXPECT_EQ(choice.blocks.size(), 2U);
}

TEST(AnthropicReply, WhatIsNoAnswerIsAFault) {
  for (const char* body : {"", "<html>", "[]", "{}", R"({"type":"message"})", R"({"content":"text"})"}) {
    const auto reply = read_anthropic_reply(body, "Anthropic");
    ASSERT_FALSE(reply) << body;
    EXPECT_EQ(reply.error().kind, ErrorKind::UpstreamMalformed) << body;
  }
  const auto reply = read_anthropic_reply(
      R"({"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}})", "Anthropic");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::UpstreamNotFound);
}

TEST(AnthropicError, HasTheKindOfItsTypeOrItsWords) {
  struct {
    const char* name;
    int status;
    const char* error;
    ErrorKind kind;
    int shown;
    const char* code;
  } const rows[] = {
      {"prompt too long", 400,
       R"("type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum")",
       ErrorKind::UpstreamContextWindow, 400, "context_length_exceeded"},
      {"prompt and answer too long", 400,
       R"("type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 1 + 2 > 2")",
       ErrorKind::UpstreamContextWindow, 400, "context_length_exceeded"},
      {"no credit", 400,
       R"("type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API.")",
       ErrorKind::UpstreamRateLimited, 402, "insufficient_quota"},
      {"its own ceiling", 429,
       R"("type":"rate_limit_error","message":"Limit reached.","details":{"error_code":"enforced_spend_limit_reached"})",
       ErrorKind::UpstreamRateLimited, 402, "insufficient_quota"},
      {"billing", 402, R"("type":"billing_error","message":"x")", ErrorKind::UpstreamRateLimited, 402,
       "insufficient_quota"},
      {"a wrong request", 400, R"("type":"invalid_request_error","message":"max_tokens: Field required")",
       ErrorKind::UpstreamBadRequest, 400, ""},
      {"with a finer word", 400,
       R"("type":"invalid_request_error","message":"x","details":{"error_code":"image_dimensions_too_large"})",
       ErrorKind::UpstreamBadRequest, 400, "image_dimensions_too_large"},
      {"key", 401, R"("type":"authentication_error","message":"invalid x-api-key")", ErrorKind::UpstreamUnauthenticated,
       401, "invalid_api_key"},
      {"permission", 403, R"("type":"permission_error","message":"x")", ErrorKind::UpstreamForbidden, 403, ""},
      {"model", 404, R"("type":"not_found_error","message":"model: claude-9")", ErrorKind::UpstreamNotFound, 404,
       "model_not_found"},
      {"file", 404, R"("type":"not_found_error","message":"File not found: file_011")", ErrorKind::UpstreamNotFound,
       404, ""},
      {"size", 413, R"("type":"request_too_large","message":"Request too large")", ErrorKind::UpstreamTooLarge, 413,
       "request_too_large"},
      {"rate", 429, R"("type":"rate_limit_error","message":"x")", ErrorKind::UpstreamRateLimited, 429, ""},
      {"time", 504, R"("type":"timeout_error","message":"x")", ErrorKind::UpstreamTimeout, 504, ""},
      {"overloaded", 529, R"("type":"overloaded_error","message":"Overloaded")", ErrorKind::UpstreamInternal, 529, ""},
      {"overloaded, in a 200", 0, R"("type":"overloaded_error","message":"Overloaded")", ErrorKind::UpstreamInternal,
       529, ""},
      {"a wrong request, in a 200", 200, R"("type":"invalid_request_error","message":"x")",
       ErrorKind::UpstreamBadRequest, 400, ""},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    const std::string body = std::string(R"({"type":"error","error":{)") + row.error + R"(},"request_id":"r"})";
    const Error error = read_anthropic_error(row.status, body, "Anthropic", "7");
    EXPECT_EQ(error.kind, row.kind);
    EXPECT_EQ(error.status, row.shown);
    EXPECT_EQ(error.code, row.code);
    EXPECT_EQ(error.retry_after, std::chrono::milliseconds(7000));
  }
}

}  // namespace
}  // namespace turnpike::codec::anthropic_stream_test
