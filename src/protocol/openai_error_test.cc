#include "protocol/openai_error.h"

#include <gtest/gtest.h>

namespace turnpike::protocol::openai_error_test {
namespace {

struct Case {
  const char* name;
  int status;
  const char* body;
  ErrorKind kind;
  const char* message;
};

const Case kCases[] = {
    {"bad request", 400, R"({"error":{"message":"bad","type":"invalid_request_error","param":"n","code":null}})",
     ErrorKind::UpstreamBadRequest, "litellm.BadRequestError: GroqException - bad"},
    {"context by code", 400, R"({"error":{"message":"long","code":"context_length_exceeded"}})",
     ErrorKind::UpstreamContextWindow,
     "litellm.ContextWindowExceededError: litellm.BadRequestError: GroqException - long"},
    {"context by text", 400, R"({"error":{"message":"This model's maximum context length is 5 tokens"}})",
     ErrorKind::UpstreamContextWindow, nullptr},
    {"context by text in a 500", 500, R"({"message":"prompt is too long: 9 tokens"})", ErrorKind::UpstreamContextWindow,
     nullptr},
    {"two halves of a context text", 400, R"({"error":{"message":"Current length is 9 while limit is 5"}})",
     ErrorKind::UpstreamContextWindow, nullptr},
    {"context by text of llama.cpp", 400,
     R"({"error":"request (18995 tokens) exceeds the available context size (4096 tokens), try increasing it"})",
     ErrorKind::UpstreamContextWindow, nullptr},
    {"context by text of watsonx", 400,
     R"({"errors":[{"code":"invalid_input_argument","message":"the number of input tokens 9000 cannot exceed the total tokens limit 8192 for this model"}],"status_code":400})",
     ErrorKind::UpstreamContextWindow, nullptr},
    {"a status beside a list of errors, in a 200", 200,
     R"({"errors":[{"code":"consumption_limit_reached","message":"too fast"}],"status_code":429})",
     ErrorKind::UpstreamRateLimited, nullptr},
    {"string too long, but of a name", 400,
     R"({"error":{"message":"Invalid 'user': string too long. Expected a string with maximum length 64"}})",
     ErrorKind::UpstreamBadRequest, nullptr},
    {"policy by code", 400, R"({"error":{"message":"no","code":"content_filter"}})", ErrorKind::UpstreamContentPolicy,
     "litellm.ContentPolicyViolationError: litellm.BadRequestError: GroqException - no"},
    {"policy by text", 400, R"({"error":{"message":"Your request was rejected as a result of our safety system."}})",
     ErrorKind::UpstreamContentPolicy, nullptr},
    {"wrong key", 401,
     R"({"error":{"message":"Incorrect API key provided: sk-abcdefghijkl.","type":"invalid_request_error","code":"invalid_api_key"}})",
     ErrorKind::UpstreamUnauthenticated,
     "litellm.AuthenticationError: GroqException - Incorrect API key provided: ***"},
    {"no money left", 402, R"({"error":{"message":"Insufficient Balance"}})", ErrorKind::UpstreamRateLimited, nullptr},
    {"forbidden", 403, R"({"error":{"message":"no"}})", ErrorKind::UpstreamForbidden,
     "litellm.PermissionDeniedError: GroqException - no"},
    {"unknown model by code", 400, R"({"error":{"message":"x","code":"model_not_found"}})", ErrorKind::UpstreamNotFound,
     nullptr},
    {"not found", 404, "not here", ErrorKind::UpstreamNotFound, "litellm.NotFoundError: GroqException - not here"},
    {"time-out", 408, "{}", ErrorKind::UpstreamTimeout, nullptr},
    {"conflict", 409, "{}", ErrorKind::UpstreamConflict, nullptr},
    {"too large", 413, "{}", ErrorKind::UpstreamTooLarge, nullptr},
    {"unprocessable (FastAPI)", 422, R"({"detail":[{"loc":["body"],"msg":"field required"}]})",
     ErrorKind::UpstreamUnprocessable,
     R"(litellm.UnprocessableEntityError: GroqException - [{"loc":["body"],"msg":"field required"}])"},
    {"rate limit", 429, R"({"error":{"message":"slow down"}})", ErrorKind::UpstreamRateLimited,
     "litellm.RateLimitError: GroqException - slow down"},
    {"rate limit by text in a 400", 400, R"({"error":{"message":"Rate-Limit of 5 reached"}})",
     ErrorKind::UpstreamRateLimited, nullptr},
    {"429 as a word", 500, R"({"error":{"message":"upstream said 429"}})", ErrorKind::UpstreamRateLimited, nullptr},
    {"429 inside a number", 500, R"({"error":{"message":"request 142900 failed"}})", ErrorKind::UpstreamInternal,
     nullptr},
    {"moderate limits are no rate limits", 400, R"({"error":{"message":"only moderate limits"}})",
     ErrorKind::UpstreamBadRequest, nullptr},
    {"request too large", 400, R"({"error":{"message":"Request too large for gpt"}})", ErrorKind::UpstreamRateLimited,
     nullptr},
    {"server error", 500, R"({"error":{"message":"oops","type":"server_error"}})", ErrorKind::UpstreamInternal,
     "litellm.InternalServerError: GroqException - oops"},
    {"bad gateway", 502, "<html>bad gateway</html>", ErrorKind::UpstreamBadGateway, nullptr},
    {"unavailable", 503, "", ErrorKind::UpstreamUnavailable, nullptr},
    {"gateway time-out", 504, "", ErrorKind::UpstreamTimeout, nullptr},
    {"Cloudflare time-out", 524, "", ErrorKind::UpstreamTimeout, nullptr},
    {"overloaded", 529, "", ErrorKind::UpstreamInternal, nullptr},
    {"vLLM's old form", 400, R"({"object":"error","message":"bad","type":"BadRequestError","param":null,"code":400})",
     ErrorKind::UpstreamBadRequest, "litellm.BadRequestError: GroqException - bad"},
    {"error as text", 500, R"({"error":"oops"})", ErrorKind::UpstreamInternal, nullptr},
    {"list of errors (Gemini)", 400, R"([{"error":{"message":"bad","code":400}}])", ErrorKind::UpstreamBadRequest,
     "litellm.BadRequestError: GroqException - bad"},
    {"message as an object (Mistral)", 422, R"({"object":"error","message":{"detail":[1]}})",
     ErrorKind::UpstreamUnprocessable, R"(litellm.UnprocessableEntityError: GroqException - {"detail":[1]})"},
    {"what the model's own provider said (OpenRouter)", 502,
     R"({"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"gone"}}})",
     ErrorKind::UpstreamBadGateway, "litellm.BadGatewayError: GroqException - Provider returned error - gone"},
    {"an empty body", 500, "", ErrorKind::UpstreamInternal,
     "litellm.InternalServerError: GroqException - it answered with status 500 and no body"},
    {"a redirect", 307, "<a href=\"http://elsewhere\">model gone</a>", ErrorKind::UpstreamMalformed,
     "litellm.APIError: GroqException - it answered with a redirect (status 307), which is not followed: api_base must "
     "be the provider's final address"},
    {"inside a 200", 0, R"({"error":{"message":"x","code":"503"}})", ErrorKind::UpstreamUnavailable, nullptr},
    {"inside a 200, by type", 200, R"({"error":{"message":"x","type":"invalid_request_error"}})",
     ErrorKind::UpstreamBadRequest, nullptr},
};

TEST(ReadError, ChoosesTheKindByCodeThenTextThenStatus) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Error error = read_error(c.status, c.body, "Groq", "");
    EXPECT_EQ(error.kind, c.kind) << error.message;
    if (c.message != nullptr) EXPECT_EQ(error.message, c.message);
  }
}

TEST(ReadError, KeepsTypeParamAndCode) {
  const Error error = read_error(
      400, R"({"error":{"message":"bad","type":"invalid_request_error","param":"n","code":"unsupported_value"}})", "X",
      "");
  EXPECT_EQ(error.type, "invalid_request_error");
  EXPECT_EQ(error.param, "n");
  EXPECT_EQ(error.code, "unsupported_value");
  EXPECT_EQ(error.status, 400);
  EXPECT_EQ(read_error(429, R"({"error":{"message":"x","code":"429"}})", "X", "").code, "") << "a number is the status";
  EXPECT_EQ(read_error(400, R"({"error":{"message":"prompt is too long","code":400}})", "X", "").code,
            "context_length_exceeded")
      << "the word that clients look for";
}

TEST(ReadError, ReadsRetryAfter) {
  using std::chrono::milliseconds;
  EXPECT_EQ(read_error(429, "", "X", "3").retry_after, milliseconds(3000));
  EXPECT_EQ(read_error(429, "", "X", " 0.5 ").retry_after, milliseconds(500));
  EXPECT_EQ(read_error(429, "", "X", "1500ms").retry_after, milliseconds(1500));
  EXPECT_FALSE(read_error(429, "", "X", "").retry_after);
  EXPECT_FALSE(read_error(429, "", "X", "-1").retry_after);
  constexpr std::int64_t kNow = 1'792'567'670;  // 10 s before the date below.
  const char* date = "Wed, 21 Oct 2026 07:28:00 GMT";
  EXPECT_EQ(read_error(429, "", "X", date, kNow).retry_after, milliseconds(10'000));
  EXPECT_EQ(read_error(429, "", "X", date, 0).retry_after, milliseconds(86'400'000)) << "a day at most";
  EXPECT_FALSE(read_error(429, "", "X", date, kNow + 10).retry_after) << "it is over";
  for (const char* odd : {"Wed, 21 Okt 2026 07:28:00 GMT", "Wed, 31 Feb 2026 07:28:00 GMT", "21 Oct 2026 07:28:00"})
    EXPECT_FALSE(read_error(429, "", "X", odd, kNow).retry_after) << odd;
}

TEST(ReadError, CutsWhatNobodyWantsToRead) {
  EXPECT_LT(read_error(502, "<html>" + std::string(5000, 'x'), "X", "").message.size(), 600U);
  // Not inside a character.
  const std::string text = read_error(502, std::string(499, 'x') + "\xC3\xA9\xC3\xA9", "X", "").message;
  EXPECT_TRUE(text.ends_with("x")) << text;
}

TEST(MaskSecrets, HidesWhatLooksLikeAKey) {
  EXPECT_EQ(mask_secrets("key sk-proj-0123456789abcdef, please"), "key ***, please");
  EXPECT_EQ(mask_secrets("Authorization: Bearer abcdefghijklmnop"), "Authorization: Bearer ***");
  EXPECT_EQ(mask_secrets("gsk_0123456789 and AIzaSyA0123456789"), "*** and ***");
  EXPECT_EQ(mask_secrets("token eyJhbGciOiJIUzI1NiJ9.e30.abc"), "token ***");
  EXPECT_EQ(mask_secrets("risk-averse sk-1 model gpt-4o req_0123456789"),
            "risk-averse sk-1 model gpt-4o req_0123456789");
}

TEST(FinishReasonOf, KnowsProvidersWords) {
  EXPECT_EQ(finish_reason_of("stop").shown, "stop");
  EXPECT_FALSE(finish_reason_of("stop").native);
  EXPECT_EQ(finish_reason_of("eos").shown, "stop");
  EXPECT_TRUE(finish_reason_of("eos").native);
  EXPECT_EQ(finish_reason_of("model_length").shown, "length");
  EXPECT_EQ(finish_reason_of("sensitive").shown, "content_filter");
  EXPECT_EQ(finish_reason_of("something new").shown, "stop");
  EXPECT_EQ(finish_reason_of("").shown, "");
  EXPECT_TRUE(finish_reason_of("network_error").broke_off);
}

}  // namespace
}  // namespace turnpike::protocol::openai_error_test
