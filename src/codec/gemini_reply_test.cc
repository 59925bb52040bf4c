#include "codec/gemini_reply.h"

#include <gtest/gtest.h>

namespace turnpike::codec::gemini_reply_test {
namespace {

using domain::Unit;
using protocol::ChatEvent;

// ---- Usage ---------------------------------------------------------------------------------------------------------

std::string show(const std::optional<domain::Usage>& usage) {
  if (!usage) return "none";
  std::string text;
  for (const domain::UnitCount& count : usage->counts) {
    text += (text.empty() ? "" : " ") + std::string(domain::unit_name(count.unit)) + "=" + std::to_string(count.count);
  }
  return text;
}

struct UsageCase {
  const char* name;
  std::string_view json;
  std::string want;
};

std::string counts(std::initializer_list<std::pair<Unit, std::uint64_t>> list) {
  domain::Usage usage;
  for (const auto& [unit, count] : list) usage.counts.push_back({unit, count});
  return show(usage);
}

TEST(GeminiUsage, CountsEachTokenOnce) {
  const UsageCase cases[] = {
      {"plain", R"({"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15})",
       counts({{Unit::InputTokens, 10}, {Unit::OutputTokens, 5}})},
      {"thoughts beside the candidates (AC-GEM-2)",
       R"({"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":40,"totalTokenCount":55})",
       counts({{Unit::InputTokens, 10}, {Unit::OutputTokens, 5}, {Unit::ReasoningTokens, 40}})},
      {"thoughts inside the candidates",
       R"({"promptTokenCount":10,"candidatesTokenCount":45,"thoughtsTokenCount":40,"totalTokenCount":55})",
       counts({{Unit::InputTokens, 10}, {Unit::OutputTokens, 5}, {Unit::ReasoningTokens, 40}})},
      {"thoughts only", R"({"promptTokenCount":10,"thoughtsTokenCount":40,"totalTokenCount":50})",
       counts({{Unit::InputTokens, 10}, {Unit::ReasoningTokens, 40}})},
      {"without a total", R"({"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":40})",
       counts({{Unit::InputTokens, 10}, {Unit::OutputTokens, 5}, {Unit::ReasoningTokens, 40}})},
      {"the cached part of the prompt",
       R"({"promptTokenCount":100,"cachedContentTokenCount":80,"candidatesTokenCount":5,"totalTokenCount":105})",
       counts({{Unit::InputTokens, 20}, {Unit::CachedInputTokens, 80}, {Unit::OutputTokens, 5}})},
      {"what tools fed back is input",
       R"({"promptTokenCount":10,"toolUsePromptTokenCount":90,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":112})",
       counts({{Unit::InputTokens, 100}, {Unit::OutputTokens, 5}, {Unit::ReasoningTokens, 7}})},
      {"sound and pictures of the prompt",
       R"({"promptTokenCount":100,"candidatesTokenCount":5,"totalTokenCount":105,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10},{"modality":"AUDIO","tokenCount":30},{"modality":"IMAGE","tokenCount":40},{"modality":"DOCUMENT","tokenCount":20}]})",
       counts({{Unit::InputTokens, 30},
               {Unit::AudioInputTokens, 30},
               {Unit::ImageInputTokens, 40},
               {Unit::OutputTokens, 5}})},
      {"sound from the cache is cached",
       R"({"promptTokenCount":100,"cachedContentTokenCount":60,"candidatesTokenCount":5,"totalTokenCount":105,"promptTokensDetails":[{"modality":"TEXT","tokenCount":50},{"modality":"AUDIO","tokenCount":50}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":40},{"modality":"TEXT","tokenCount":20}]})",
       counts({{Unit::InputTokens, 30},
               {Unit::CachedInputTokens, 60},
               {Unit::AudioInputTokens, 10},
               {Unit::OutputTokens, 5}})},
      {"sound and pictures of the answer",
       R"({"promptTokenCount":10,"candidatesTokenCount":1400,"totalTokenCount":1410,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290},{"modality":"AUDIO","tokenCount":100}]})",
       counts({{Unit::InputTokens, 10},
               {Unit::OutputTokens, 10},
               {Unit::AudioOutputTokens, 100},
               {Unit::ImageOutputTokens, 1290}})},
      {"more cached than there is", R"({"promptTokenCount":10,"cachedContentTokenCount":80,"candidatesTokenCount":1})",
       counts({{Unit::CachedInputTokens, 10}, {Unit::OutputTokens, 1}})},
      {"nothing", R"({})", "none"},
      {"zeros", R"({"promptTokenCount":0,"totalTokenCount":0})", "none"},
      {"beyond belief", R"({"promptTokenCount":99999999999,"candidatesTokenCount":5})", "none"},
      {"no numbers", R"({"promptTokenCount":"many"})", "none"},
      {"no object", R"([])", "none"},
  };
  for (const UsageCase& c : cases) {
    SCOPED_TRACE(c.name);
    json::Document document;
    ASSERT_TRUE(document.parse(c.json));
    EXPECT_EQ(show(read_gemini_usage(document.root())), c.want);
  }
}

// ---- Errors --------------------------------------------------------------------------------------------------------

TEST(GeminiErrors, HaveOpenAiKinds) {
  struct Case {
    const char* name;
    int status;
    std::string_view body;
    ErrorKind kind;
    std::int64_t retry_ms;
  };
  const Case cases[] = {
      {"a wrong key is a 400", 400,
       R"({"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}})",
       ErrorKind::UpstreamUnauthenticated, 0},
      {"invalid", 400, R"({"error":{"code":400,"message":"Invalid value","status":"INVALID_ARGUMENT"}})",
       ErrorKind::UpstreamBadRequest, 0},
      {"too long", 400,
       R"({"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}})",
       ErrorKind::UpstreamContextWindow, 0},
      {"unauthenticated", 401, R"({"error":{"code":401,"message":"no","status":"UNAUTHENTICATED"}})",
       ErrorKind::UpstreamUnauthenticated, 0},
      {"forbidden", 403, R"({"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}})",
       ErrorKind::UpstreamForbidden, 0},
      {"not found", 404, R"({"error":{"code":404,"message":"no model","status":"NOT_FOUND"}})",
       ErrorKind::UpstreamNotFound, 0},
      {"quota with its wait", 429,
       R"({"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}})",
       ErrorKind::UpstreamRateLimited, 34'500},
      {"quota of Vertex", 429,
       R"({"error":{"code":429,"message":"Resource exhausted.","status":"RESOURCE_EXHAUSTED"}})",
       ErrorKind::UpstreamRateLimited, 0},
      {"a list of one", 503, R"([{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}])",
       ErrorKind::UpstreamUnavailable, 0},
      {"internal", 500, R"({"error":{"code":500,"message":"x","status":"INTERNAL"}})", ErrorKind::UpstreamInternal, 0},
      {"deadline", 504, R"({"error":{"code":504,"message":"x","status":"DEADLINE_EXCEEDED"}})",
       ErrorKind::UpstreamTimeout, 0},
      {"inside a 200", 200, R"({"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}})",
       ErrorKind::UpstreamUnavailable, 0},
      {"no JSON", 502, "<html>bad gateway</html>", ErrorKind::UpstreamBadGateway, 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Error error = read_gemini_error(c.status, c.body, "Gemini", {}, 0);
    EXPECT_EQ(error.kind, c.kind) << error.message;
    EXPECT_EQ(error.retry_after.value_or(std::chrono::milliseconds(0)).count(), c.retry_ms);
  }
}

TEST(GeminiErrors, TheHeaderKnowsTheWaitBetter) {
  const std::string_view body =
      R"({"error":{"code":429,"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}})";
  EXPECT_EQ(read_gemini_error(429, body, "Gemini", "7", 0).retry_after, std::chrono::seconds(7));
}

// ---- Places in the text --------------------------------------------------------------------------------------------

TEST(GeminiText, CountsCharactersWhereGoogleCountsBytes) {
  using Kind = GeminiText::Kind;
  GeminiText text;
  text.add(Kind::Thought, "Hm.", true);
  text.add(Kind::Text, "na\xC3\xAFve ", true);   // 7 bytes, 6 characters
  text.add(Kind::Text, "\xE2\x82\xAC 5", true);  // 5 bytes, 3 characters
  text.add(Kind::Other, {}, true);
  text.add(Kind::Text, "end", true);
  EXPECT_EQ(text.characters(1, 0), 0U);
  EXPECT_EQ(text.characters(1, 7), 6U);
  EXPECT_EQ(text.characters(1, 10), 7U);  // Behind the euro sign.
  EXPECT_EQ(text.characters(0, 7), 6U) << "part 0 is a thought: the whole text is meant";
  EXPECT_EQ(text.characters(3, 1), 10U) << "the second part of text begins behind the first";
  EXPECT_EQ(text.characters(9, 7), 6U);
  EXPECT_EQ(text.characters(1, 1000), 12U) << "the end is the end";
}

// ---- Events --------------------------------------------------------------------------------------------------------

std::string show(const ChatEvent& event) {
  using Kind = ChatEvent::Kind;
  const auto text = [](std::string_view name, std::string_view value) {
    return value.empty() ? std::string() : " " + std::string(name) + "=" + std::string(value);
  };
  const std::string signature = text("signature", event.signature);
  switch (event.kind) {
    case Kind::Start:
      return "start" + text("id", event.id) + text("model", event.name);
    case Kind::Text:
      return "text" + text("", event.text) + signature;
    case Kind::Refusal:
      return "refusal";
    case Kind::Thinking:
      return "thinking" + text("", event.text) + signature;
    case Kind::Signature:
      return "signature" + signature;
    case Kind::RedactedThinking:
      return "redacted";
    case Kind::ToolStart:
      return "tool " + std::to_string(event.tool) + text("id", event.id) + text("name", event.name) + signature;
    case Kind::ToolArguments:
      return "arguments " + std::to_string(event.tool) + text("", event.text);
    case Kind::Image:
      return "image" + text("mime", event.media.mime) + text("data", event.media.base64);
    case Kind::Audio:
      return "audio" + text("mime", event.media.mime) + text("data", event.media.base64) +
             text("format", event.media.format);
    case Kind::Citation:
      return "citation " + std::to_string(event.citation.start) + ".." + std::to_string(event.citation.end) +
             text("url", event.citation.url) + text("title", event.citation.title);
    case Kind::Logprobs:
      return "logprobs" + text("", event.json);
    case Kind::Native:
      return "native" + text(event.name, event.json);
    case Kind::Finish:
      return "finish " + std::to_string(event.choice) + " " + std::string(protocol::finish_name(event.finish)) +
             text("native", event.native_finish);
    case Kind::Usage:
      return "usage";
    case Kind::End:
      return "end";
  }
  return {};
}

struct Read {
  std::string events;
  Status status;
  bool ended = false;
  std::optional<domain::Usage> usage;
  std::string tier;
};

Read read(std::initializer_list<std::string_view> fragments, bool stream = true) {
  Read all;
  GeminiReader reader("Gemini", stream);
  for (const std::string_view fragment : fragments) {
    json::Document document;
    EXPECT_TRUE(document.parse(fragment)) << fragment;
    protocol::Texts texts;
    std::vector<ChatEvent> events;
    all.status = reader.take(document.root(), texts, events);
    for (const ChatEvent& event : events) all.events += show(event) + "\n";
    if (!all.status) break;
  }
  all.ended = reader.ended();
  all.usage = reader.usage();
  all.tier = reader.service_tier();
  return all;
}

struct EventCase {
  const char* name;
  std::initializer_list<std::string_view> fragments;
  std::string_view events;
  bool ended = true;
};

// clang-format off
TEST(GeminiEvents, OfFragments) {
  const EventCase cases[] = {
      {"text in pieces",
       {R"({"candidates":[{"content":{"role":"model","parts":[{"text":"Hel"}]},"index":0}],"modelVersion":"gemini-2.5-flash","responseId":"r1"})",
        R"({"candidates":[{"content":{"role":"model","parts":[{"text":"lo"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}})"},
       "start id=r1 model=gemini-2.5-flash\ntext =Hel\ntext =lo\nfinish 0 stop\nusage\n"},
      {"thoughts before the text",
       {R"({"candidates":[{"content":{"parts":[{"text":"Hm.","thought":true},{"text":"Yes.","thoughtSignature":"c2ln"}]},"finishReason":"STOP"}]})"},
       "start\nthinking =Hm.\ntext =Yes. signature=c2ln\nnative thought_signatures=[\"c2ln\"]\nfinish 0 stop\n"},
      {"a signature alone behind the text",
       {R"({"candidates":[{"content":{"parts":[{"text":"Yes."}]}}]})",
        R"({"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"c2ln"}]},"finishReason":"STOP"}]})"},
       "start\ntext =Yes.\ntext signature=c2ln\nnative thought_signatures=[\"c2ln\"]\nfinish 0 stop\n"},
      {"two calls at once, the first is signed (AC-GEM-1)",
       {R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"a","args":{ "x": "y z" , "n": [1, 2]}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"fc2","name":"b"}}]},"finishReason":"STOP"}]})"},
       "start\ntool 0 name=a signature=c2ln\narguments 0 ={\"x\":\"y z\",\"n\":[1,2]}\ntool 1 id=fc2 name=b\narguments 1 ={}\nfinish 0 tool_calls\n"},
      {"calls in several fragments, STOP in a later one",
       {R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"a","args":{}}}]}}]})",
        R"({"candidates":[{"content":{"parts":[{"functionCall":{"name":"b","args":{}}}]}}]})",
        R"({"candidates":[{"content":{"role":"model"},"finishReason":"STOP"}]})"},
       "start\ntool 0 name=a\narguments 0 ={}\ntool 1 name=b\narguments 1 ={}\nfinish 0 tool_calls\n"},
      {"usage in a fragment of its own",
       {R"({"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}})",
        R"({"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4}})"},
       "start\ntext =Hi\nfinish 0 stop\nusage\nusage\n"},
      {"a stop for safety without content",
       {R"({"candidates":[{"content":{"parts":[{"text":"Once"}]}}]})",
        R"({"candidates":[{"finishReason":"SAFETY","index":0,"safetyRatings":[{"category":"HARM_CATEGORY_HARASSMENT","probability":"HIGH","blocked":true}]}]})"},
       "start\ntext =Once\nnative safetyRatings=[{\"category\":\"HARM_CATEGORY_HARASSMENT\",\"probability\":\"HIGH\",\"blocked\":true}]\nfinish 0 content_filter native=SAFETY\n"},
      {"the prompt is blocked",
       {R"({"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":8,"totalTokenCount":8}})"},
       "start\nnative promptFeedback={\"blockReason\":\"PROHIBITED_CONTENT\"}\nfinish 0 content_filter native=PROHIBITED_CONTENT\nusage\n"},
      {"empty content",
       {R"({"candidates":[{"content":{}}]})", R"({"candidates":[{"content":{"role":"model"},"finishReason":"MAX_TOKENS"}]})"},
       "start\nfinish 0 length\n"},
      {"several candidates",
       {R"({"candidates":[{"content":{"parts":[{"text":"A"}]},"index":0,"finishReason":"STOP"}]})",
        R"({"candidates":[{"content":{"parts":[{"text":"B"}]},"index":1}]})"},
       "start\ntext =A\nfinish 0 stop\ntext =B\n", false},
      {"a finish is said once",
       {R"({"candidates":[{"content":{"parts":[{"text":"A"}]},"finishReason":"STOP"}]})", R"({"candidates":[{"finishReason":"STOP"}]})"},
       "start\ntext =A\nfinish 0 stop\n"},
      {"pictures, sound and other files",
       {R"({"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"aW1n"}},{"inlineData":{"mimeType":"audio/L16;codec=pcm;rate=24000","data":"c25k"}},{"inlineData":{"mimeType":"video/mp4","data":"dmlk"}}]},"finishReason":"STOP"}]})"},
       "start\nimage mime=image/png data=aW1n\naudio mime=audio/L16;codec=pcm;rate=24000 data=c25k format=pcm16\nnative files=[{\"mimeType\":\"video/mp4\",\"data\":\"dmlk\"}]\nfinish 0 stop\n"},
      {"code that ran",
       {R"({"candidates":[{"content":{"parts":[{"executableCode":{"language":"PYTHON","code":"print 1"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1\n"}},{"text":"One."}]},"finishReason":"STOP"}]})"},
       "start\nnative code_execution=[{\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"print 1\"}}]\nnative code_execution=[{\"codeExecutionResult\":{\"outcome\":\"OUTCOME_OK\",\"output\":\"1\\n\"}}]\ntext =One.\nfinish 0 stop\n"},
      {"sources of a text, in characters",
       {R"({"candidates":[{"content":{"parts":[{"text":"Caf\u00e9s "}]}}]})",
        R"({"candidates":[{"content":{"parts":[{"text":"open."}]},"finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a.example/","title":"A"}},{"maps":{"uri":"https://m.example/"}},{"web":{}}],"groundingSupports":[{"segment":{"startIndex":7,"endIndex":12,"text":"open."},"groundingChunkIndices":[0,1,2,9]}]}}]})"},
       "start\ntext =Caf\xC3\xA9s \ntext =open.\n"
       "native groundingMetadata={\"groundingChunks\":[{\"web\":{\"uri\":\"https://a.example/\",\"title\":\"A\"}},{\"maps\":{\"uri\":\"https://m.example/\"}},{\"web\":{}}],\"groundingSupports\":[{\"segment\":{\"startIndex\":7,\"endIndex\":12,\"text\":\"open.\"},\"groundingChunkIndices\":[0,1,2,9]}]}\n"
       "citation 6..11 url=https://a.example/ title=A\ncitation 6..11 url=https://m.example/\nfinish 0 stop\n"},
      {"how likely each token was",
       {R"({"candidates":[{"content":{"parts":[{"text":"\u00e9"}]},"finishReason":"STOP","logprobsResult":{"chosenCandidates":[{"token":"\u00e9","logProbability":-0.25}],"topCandidates":[{"candidates":[{"token":"\u00e9","logProbability":-0.25},{"token":"e"}]}]}}]})"},
       "start\ntext =\xC3\xA9\nlogprobs ={\"content\":[{\"token\":\"\xC3\xA9\",\"logprob\":-0.25,\"bytes\":[195,169],\"top_logprobs\":[{\"token\":\"\xC3\xA9\",\"logprob\":-0.25,\"bytes\":[195,169]},{\"token\":\"e\",\"logprob\":0,\"bytes\":[101]}]}],\"refusal\":null}\nfinish 0 stop\n"},
      {"likelihoods in a fragment without text",
       {R"({"candidates":[{"content":{"parts":[{"text":"A"}]}}]})",
        R"({"candidates":[{"finishReason":"STOP","logprobsResult":{"chosenCandidates":[{"token":"A","logProbability":-1}]}}]})"},
       "start\ntext =A\ntext\nlogprobs ={\"content\":[{\"token\":\"A\",\"logprob\":-1,\"bytes\":[65],\"top_logprobs\":[]}],\"refusal\":null}\nfinish 0 stop\n"},
      {"a botched call behind some text",
       {R"({"candidates":[{"content":{"parts":[{"text":"I will."}]}}]})",
        R"({"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed: print("}]})"},
       "start\ntext =I will.\nnative finishMessage=\"Malformed: print(\"\nfinish 0 stop native=MALFORMED_FUNCTION_CALL\n"},
      {"no end", {R"({"candidates":[{"content":{"parts":[{"text":"A"}]}}]})"}, "start\ntext =A\n", false},
      {"nothing yet", {R"({"usageMetadata":{"promptTokenCount":3}})"}, "start\nusage\n", false},
  };
  for (const EventCase& c : cases) {
    SCOPED_TRACE(c.name);
    const Read all = read(c.fragments);
    EXPECT_TRUE(all.status);
    EXPECT_EQ(all.events, c.events);
    EXPECT_EQ(all.ended, c.ended);
  }
}
// clang-format on

TEST(GeminiEvents, ABotchedCallAloneIsAnError) {
  const Read all = read({R"({"candidates":[{"content":{},"finishReason":"MALFORMED_FUNCTION_CALL"}]})"});
  ASSERT_FALSE(all.status);
  EXPECT_TRUE(base::is_upstream(all.status.error().kind));
}

TEST(GeminiEvents, AnErrorInTheStreamIsOne) {
  const Read all = read({R"({"candidates":[{"content":{"parts":[{"text":"A"}]}}]})",
                         R"({"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}})"});
  ASSERT_FALSE(all.status);
  EXPECT_EQ(all.status.error().kind, ErrorKind::UpstreamUnavailable);
  EXPECT_EQ(all.events, "start\ntext =A\n");
}

TEST(GeminiEvents, TheLastUsageCounts) {
  const Read all =
      read({R"({"candidates":[{"content":{"parts":[{"text":"A"}]}}],"usageMetadata":{"promptTokenCount":3}})",
            R"({"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":7}})",
            R"({"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":9,"trafficType":"ON_DEMAND_FLEX"}})"});
  EXPECT_EQ(show(all.usage), counts({{Unit::InputTokens, 3}, {Unit::OutputTokens, 9}}));
  EXPECT_FALSE(all.usage->output_unsaid);
  EXPECT_EQ(all.tier, "flex");
}

TEST(GeminiEvents, SearchesAreCountedOnce) {
  const std::string_view grounded =
      R"({"candidates":[{"content":{"parts":[{"text":"A"}]},"groundingMetadata":{"webSearchQueries":["a","b",""]}}]})";
  const Read all = read({grounded, grounded, R"({"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":7}})"});
  EXPECT_EQ(show(all.usage), counts({{Unit::InputTokens, 3}, {Unit::OutputTokens, 7}, {Unit::Queries, 2}}));
}

// A stream cut off before the counts of its output came: nothing was said of the text that did.
TEST(GeminiEvents, OutputThatIsNotCountedYetIsUnsaid) {
  const Read cut =
      read({R"({"candidates":[{"content":{"parts":[{"text":"A"}]}}],"usageMetadata":{"promptTokenCount":3}})"});
  EXPECT_TRUE(cut.usage->output_unsaid);
  const Read blocked = read({R"({"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}})"});
  EXPECT_FALSE(blocked.usage->output_unsaid);
}

TEST(GeminiFinish, HasOpenAiWords) {
  struct Case {
    std::string_view reason;
    bool called;
    std::string_view word;
    bool native;
  };
  const Case cases[] = {
      {"STOP", false, "stop", false},
      {"STOP", true, "tool_calls", false},
      {"MAX_TOKENS", false, "length", false},
      {"MAX_TOKENS", true, "length", false},
      {"SAFETY", false, "content_filter", true},
      {"RECITATION", false, "content_filter", true},
      {"LANGUAGE", false, "content_filter", true},
      {"BLOCKLIST", false, "content_filter", true},
      {"PROHIBITED_CONTENT", false, "content_filter", true},
      {"SPII", true, "content_filter", true},
      {"IMAGE_SAFETY", false, "content_filter", true},
      {"IMAGE_PROHIBITED_CONTENT", false, "content_filter", true},
      {"IMAGE_RECITATION", false, "content_filter", true},
      {"OTHER", false, "stop", true},
      {"IMAGE_OTHER", false, "stop", true},
      {"NO_IMAGE", false, "stop", true},
      {"FINISH_REASON_UNSPECIFIED", false, "stop", true},
      {"MALFORMED_FUNCTION_CALL", false, "stop", true},
      {"UNEXPECTED_TOOL_CALL", false, "stop", true},
      {"TOO_MANY_TOOL_CALLS", false, "stop", true},
      {"CONTINUATION", false, "length", true},
      {"NEWER_THAN_THIS", false, "stop", true},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.reason);
    const GeminiFinish finish = gemini_finish(c.reason, c.called);
    EXPECT_EQ(protocol::finish_name(finish.finish), c.word);
    EXPECT_EQ(finish.native, c.native);
  }
}

}  // namespace
}  // namespace turnpike::codec::gemini_reply_test
