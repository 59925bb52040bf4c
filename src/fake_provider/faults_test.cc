// What each vendor says of each fault, and what the gateway makes of it.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "domain/call_record.h"
#include "fake_provider/fault.h"
#include "fake_provider/test_shape.h"

namespace turnpike::fake_provider::faults_test {
namespace {

std::string kind_of(const Error& error) {
  constexpr std::string_view kUpstream = "upstream_";
  std::string_view name = domain::kind_name(error.kind);
  if (name.starts_with(kUpstream)) name.remove_prefix(kUpstream.size());
  return std::string(name);
}

std::string field_of(std::string_view fields, std::string_view name) {
  for (const std::string_view line : base::split(fields, '\n')) {
    const std::size_t colon = line.find(':');
    if (line.substr(0, colon) == name) return std::string(base::trim(line.substr(colon + 1)));
  }
  return {};
}

/// What the gateway reads in an error that has a status of its own.
Error read_refusal(const VendorCall& call, const Shape& shape, const VendorError& said) {
  std::string fields;
  const std::string body = shape.error(said, fields);
  const std::string retry_after =
      said.retry_after_s >= 0 && shape.says_retry_after_in_head() ? std::to_string(said.retry_after_s) : "";
  const std::string error_type = field_of(fields, "x-amzn-errortype");
  codec::Refusal refusal;
  refusal.status = said.status;
  refusal.body = body;
  refusal.label = call.label();
  refusal.retry_after = retry_after;
  refusal.error_type = error_type;
  return call.codec().read_error(refusal);
}

/// How following `events` to their end fails; "" when it does not.
std::string stream_failure(const VendorCall& call, const std::vector<Event>& events) {
  protocol::StreamOptions options;
  options.provider_label = call.label();
  const auto stream = call.codec().follow(std::move(options), call.encoded());
  std::vector<std::string_view> pieces;
  for (const Event& event : events) {
    if (const Status fed = stream->feed(event.bytes, pieces); !fed) return kind_of(fed.error());
  }
  if (stream->done()) return "";
  const Status finished = stream->finish(pieces);
  return finished ? "" : kind_of(finished.error());
}

std::string whole_failure(const VendorCall& call, std::string_view body) {
  protocol::ReplyOptions options;
  options.provider_label = call.label();
  std::string scratch;
  std::vector<std::string_view> pieces;
  const auto facts = call.codec().read_reply(options, call.encoded(), body, scratch, pieces);
  return facts ? "" : kind_of(facts.error());
}

const Vendor& vendor_named(std::string_view name) {
  for (const Vendor& vendor : kVendors) {
    if (name == vendor.name) return vendor;
  }
  ADD_FAILURE() << name;
  return kVendors[0];
}

struct FaultRow {
  Fault fault;
  const char* shapes;  // Those of whom it holds.
  const char* kind;    // "-": the vendor has no such error; "answer": he says it in an answer.
};

TEST(Faults, AreReadAsWhatTheVendorMeans) {
  const FaultRow rows[] = {
      {Fault::RateLimit,
       "openai azure watsonx anthropic gemini vertex vertex_claude bedrock bedrock_claude cohere ollama",
       "rate_limited"},
      {Fault::ServerError,
       "openai azure watsonx anthropic gemini vertex vertex_claude bedrock bedrock_claude cohere ollama", "internal"},
      {Fault::Overloaded, "openai azure watsonx gemini vertex vertex_claude bedrock bedrock_claude cohere ollama",
       "unavailable"},
      {Fault::Overloaded, "anthropic", "internal"},  // 529
      {Fault::WrongKey, "openai azure watsonx anthropic gemini vertex vertex_claude cohere ollama", "unauthenticated"},
      {Fault::WrongKey, "bedrock bedrock_claude", "unauthenticated"},
      {Fault::NoCredit, "openai azure anthropic gemini cohere ollama", "rate_limited"},
      {Fault::NoCredit, "vertex vertex_claude watsonx bedrock bedrock_claude", "forbidden"},
      {Fault::ContentPolicy, "openai azure anthropic", "content_policy"},
      {Fault::ContentPolicy, "gemini vertex vertex_claude bedrock bedrock_claude", "answer"},
      {Fault::ContentPolicy, "cohere ollama watsonx", "-"},
      {Fault::ContextWindow,
       "openai azure watsonx anthropic gemini vertex vertex_claude bedrock bedrock_claude cohere ollama",
       "context_window"},
      {Fault::NoModel,
       "openai azure watsonx anthropic gemini vertex vertex_claude bedrock bedrock_claude cohere ollama", "not_found"},
  };
  for (const FaultRow& row : rows) {
    for (const std::string_view name : base::split(row.shapes, ' ')) {
      SCOPED_TRACE(std::string(name) + ", fault " + std::to_string(static_cast<int>(row.fault)));
      const VendorCall call(vendor_named(name), chat());
      const Ask ask = call.ask({});
      ASSERT_NE(ask.shape, nullptr);
      const auto said = find_vendor_error(*ask.shape, row.fault);
      const std::string kind = !said                ? "-"
                               : said->status < 300 ? "answer"
                                                    : kind_of(read_refusal(call, *ask.shape, *said));
      EXPECT_EQ(kind, row.kind) << (said ? said->message : "");
    }
  }
}

TEST(Faults, AreAllNamedInTheQuickStart) {
  std::ifstream page(std::filesystem::path(TURNPIKE_SOURCE_DIR) / "docs" / "quickstart.md");
  const std::string text{std::istreambuf_iterator<char>(page), {}};
  for (const NamedFault& fault : faults()) {
    EXPECT_NE(text.find("`" + std::string(fault.name) + "`"), std::string::npos) << fault.name;
  }
}

TEST(Faults, SayWhenToComeBackWhereTheVendorSaysIt) {
  for (const Vendor& vendor : kVendors) {
    SCOPED_TRACE(vendor.name);
    const VendorCall call(vendor, chat());
    const Ask ask = call.ask({});
    auto said = find_vendor_error(*ask.shape, Fault::RateLimit);
    ASSERT_TRUE(said);
    EXPECT_FALSE(read_refusal(call, *ask.shape, *said).retry_after);
    said->retry_after_s = 7;
    EXPECT_EQ(read_refusal(call, *ask.shape, *said).retry_after, std::chrono::seconds(7));
  }
}

TEST(Faults, ABareStatusIsSaidInTheShapesOwnWords) {
  const struct {
    int status;
    const char* kind;
  } cases[] = {
      {400, "bad_request"}, {404, "not_found"}, {429, "rate_limited"}, {500, "internal"}, {503, "unavailable"}};
  for (const Vendor& vendor : kVendors) {
    for (const auto& c : cases) {
      SCOPED_TRACE(std::string(vendor.name) + " " + std::to_string(c.status));
      const VendorCall call(vendor, chat());
      const VendorError said{c.status, "", "", "scripted error", -1};
      EXPECT_EQ(kind_of(read_refusal(call, *call.ask({}).shape, said)), c.kind);
    }
  }
}

struct StreamFault {
  const char* directives;
  const char* kind;
};

TEST(Faults, InAGoodStatusAreSeenInStreamsAndInWholeAnswers) {
  const StreamFault cases[] = {
      {"fault=error_in_200", "rate_limited"},
      {"fault=error_in_200+server_error", "internal"},
      {"fault=malformed", "malformed"},
  };
  for (const Vendor& vendor : kVendors) {
    for (const StreamFault& c : cases) {
      SCOPED_TRACE(std::string(vendor.name) + " " + c.directives);
      Script script;
      ASSERT_TRUE(apply_list(script, c.directives));
      const VendorCall whole(vendor, chat());
      const Ask ask = whole.ask(script);
      const Tokens tokens = tokens_of(ask);
      // A message is all that these two say: without a status nobody can tell why.
      const bool mute = vendor.shape == Codec::Cohere || vendor.shape == Codec::Ollama;
      const std::string kind = mute && std::string_view(c.kind) == "rate_limited" ? "internal" : c.kind;
      EXPECT_EQ(whole_failure(whole, scripted_whole({ask, tokens, "id"})), kind);
      const VendorCall streamed(vendor, chat(R"(,"stream":true)"));
      const Ask stream_ask = streamed.ask(script);
      EXPECT_EQ(stream_failure(streamed, scripted_events({stream_ask, tokens, "id"})), kind);
    }
  }
}

TEST(Faults, MidwayAreNoGoodEnd) {
  for (const Vendor& vendor : kVendors) {
    SCOPED_TRACE(vendor.name);
    const VendorCall call(vendor, chat(R"(,"stream":true)"));
    const auto failure_of = [&](std::string_view directives) {
      Script script;
      EXPECT_TRUE(apply_list(script, directives));
      const Ask ask = call.ask(script);
      const Tokens tokens = tokens_of(ask);
      return stream_failure(call, scripted_events({ask, tokens, "id"}));
    };
    EXPECT_EQ(failure_of("fault=cut"), "truncated");
    EXPECT_EQ(failure_of("fault=ended_early"), "truncated");
    EXPECT_EQ(failure_of("fault=error_in_stream"), "internal");
    EXPECT_EQ(failure_of(""), "");
  }
}

TEST(Faults, OfPolicyThatAreAnswersEndTheAnswerSo) {
  for (const std::string_view name : {"gemini", "vertex", "vertex_claude", "bedrock", "bedrock_claude"}) {
    SCOPED_TRACE(name);
    Script script;
    ASSERT_TRUE(apply_list(script, "fault=content_policy"));
    const VendorCall call(vendor_named(name), chat());
    const Ask ask = call.ask(script);
    EXPECT_TRUE(ask.blocked);
    const Tokens tokens = tokens_of(ask);
    EXPECT_EQ(tokens.completion, 0);
    const std::string body = scripted_whole({ask, tokens, "id"});
    std::string scratch;
    std::vector<std::string_view> pieces;
    const auto facts = call.codec().read_reply({}, call.encoded(), body, scratch, pieces);
    ASSERT_TRUE(facts) << facts.error().message << body;
    EXPECT_EQ(facts->finish_reason, "content_filter") << body;
  }
}

}  // namespace
}  // namespace turnpike::fake_provider::faults_test
