#include "protocol/error_face.h"

#include <gtest/gtest.h>

namespace turnpike::protocol::error_face_test {
namespace {

Error make(ErrorKind kind, std::string type = {}, std::string param = {}, int status = 0) {
  Error error;
  error.kind = kind;
  error.message = "text";
  error.type = std::move(type);
  error.param = std::move(param);
  error.status = status;
  return error;
}

struct Case {
  const char* name;
  Error error;
  const char* later;
  const char* old;  // turnpike.litellm_compat: "1.81"
};

// Rows of spec http-api 5.2 and 5.3: status, type, param.
const Case kCases[] = {
    {"no key", make(ErrorKind::Unauthenticated, "auth_error"), "401 \"auth_error\" null",
     "401 \"auth_error\" \"None\""},
    {"unknown key", make(ErrorKind::Unauthenticated, "token_not_found_in_db", "key"),
     "401 \"token_not_found_in_db\" \"key\"", "401 \"token_not_found_in_db\" \"key\""},
    {"expired key", make(ErrorKind::Unauthenticated, "expired_key", "sk-...abcd"), "401 \"expired_key\" \"sk-...abcd\"",
     "400 \"expired_key\" \"sk-...abcd\""},
    {"model denied", make(ErrorKind::PermissionDenied, "key_model_access_denied", "model"),
     "403 \"key_model_access_denied\" \"model\"", "401 \"key_model_access_denied\" \"model\""},
    {"budget spent", make(ErrorKind::BudgetSpent), "429 \"budget_exceeded\" null", "400 \"budget_exceeded\" null"},
    {"budget held", make(ErrorKind::BudgetHeld), "429 \"budget_exceeded\" null", "400 \"budget_exceeded\" null"},
    {"our rate limit", make(ErrorKind::RateLimited), "429 \"rate_limit_error\" null", "429 \"None\" \"None\""},
    {"unknown model", make(ErrorKind::InvalidRequest), "400 \"invalid_request_error\" null", "400 \"None\" \"None\""},
    {"unknown model, named field", make(ErrorKind::InvalidRequest, "", "model"),
     "400 \"invalid_request_error\" \"model\"", "400 \"None\" \"model\""},
    {"database away", make(ErrorKind::Unavailable, "no_db_connection"), "503 \"no_db_connection\" null",
     "503 \"no_db_connection\" \"None\""},
    {"bad request at the provider", make(ErrorKind::UpstreamBadRequest), "400 \"invalid_request_error\" null",
     "400 null null"},
    {"the provider's own words", make(ErrorKind::UpstreamBadRequest, "invalid_request_error", "temperature"),
     "400 \"invalid_request_error\" \"temperature\"", "400 \"invalid_request_error\" \"temperature\""},
    {"context window", make(ErrorKind::UpstreamContextWindow), "400 \"invalid_request_error\" null", "400 null null"},
    {"provider 401", make(ErrorKind::UpstreamUnauthenticated), "401 \"authentication_error\" null", "401 null null"},
    {"provider 403", make(ErrorKind::UpstreamForbidden), "403 \"permission_error\" null", "403 null null"},
    {"provider 404", make(ErrorKind::UpstreamNotFound), "404 \"not_found_error\" null", "404 null null"},
    {"time-out", make(ErrorKind::UpstreamTimeout), "408 \"timeout_error\" null", "408 null null"},
    {"provider 422", make(ErrorKind::UpstreamUnprocessable), "422 \"invalid_request_error\" null", "422 null null"},
    {"provider 429", make(ErrorKind::UpstreamRateLimited), "429 \"throttling_error\" null",
     "429 \"throttling_error\" null"},
    {"provider 500", make(ErrorKind::UpstreamInternal), "500 \"api_error\" null", "500 null null"},
    {"provider 502", make(ErrorKind::UpstreamBadGateway), "502 \"api_error\" null", "502 null null"},
    {"provider 503", make(ErrorKind::UpstreamUnavailable), "503 \"api_error\" null", "503 null null"},
    {"connection", make(ErrorKind::UpstreamConnection), "500 \"api_connection_error\" null", "500 null null"},
    {"all cooling", make(ErrorKind::NoDeployment), "429 \"rate_limit_error\" null", "429 \"None\" \"None\""},
    {"a provider's 4xx stays", make(ErrorKind::UpstreamBadRequest, "", "", 418), "418 \"invalid_request_error\" null",
     "418 null null"},
    {"a provider's 529 is folded", make(ErrorKind::UpstreamInternal, "", "", 529), "500 \"api_error\" null",
     "500 null null"},
};

/// "status type param" of a body, and that `code` is the status as text.
std::string face_of(const Error& error, Compat compat) {
  const int status = status_of(error, compat);
  const std::string body = openai_error_body(error, compat);
  const std::string start = R"({"error":{"message":"text","type":)";
  const std::string end = R"(,"code":")" + std::to_string(status) + "\"}}";
  if (!body.starts_with(start) || !body.ends_with(end)) return body;
  std::string middle = body.substr(start.size(), body.size() - start.size() - end.size());
  const std::string mark = R"(,"param":)";
  middle.replace(middle.find(mark), mark.size(), " ");
  return std::to_string(status) + " " + middle;
}

TEST(ErrorFace, IsLitellmsInBothForms) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(face_of(c.error, Compat::Later), c.later);
    EXPECT_EQ(face_of(c.error, Compat::V1_81), c.old);
  }
}

TEST(ErrorFields, SayWhenToComeBack) {
  Error error = make(ErrorKind::RateLimited);
  EXPECT_EQ(error_fields(error), "");
  error.retry_after = std::chrono::milliseconds(1);
  EXPECT_EQ(error_fields(error), "Retry-After: 1\r\n");
  error.retry_after = std::chrono::milliseconds(2001);
  EXPECT_EQ(error_fields(error), "Retry-After: 3\r\n");
  EXPECT_EQ(error_fields(make(ErrorKind::BudgetSpent)), "x-should-retry: false\r\n");
  EXPECT_EQ(error_fields(make(ErrorKind::BudgetHeld)), "x-should-retry: true\r\n");
}

TEST(ErrorBody, CarriesItsOwnCode) {
  Error error = make(ErrorKind::BudgetSpent);
  error.code = "budget_spent";
  EXPECT_NE(openai_error_body(error).find(R"("code":"budget_spent")"), std::string::npos);
  // That release had the status there, always.
  EXPECT_NE(openai_error_body(error, Compat::V1_81).find(R"("code":"400")"), std::string::npos);
}

}  // namespace
}  // namespace turnpike::protocol::error_face_test
