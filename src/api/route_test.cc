#include "api/route.h"

#include <gtest/gtest.h>

#include <set>

namespace turnpike::api::route_test {
namespace {

using http::Method;

struct PathCase {
  const char* name;
  Method method;
  std::string_view path;
  std::string_view route;  // Empty: none.
  std::string_view captured = {};
};

const PathCase kPaths[] = {
    {"chat", Method::Post, "/v1/chat/completions", "/v1/chat/completions"},
    {"chat without v1", Method::Post, "/chat/completions", "/chat/completions"},
    {"model in the path", Method::Post, "/openai/deployments/gpt-4o/chat/completions",
     "/openai/deployments/{model}/chat/completions", "gpt-4o"},
    {"model with slashes", Method::Post, "/engines/openai/gpt-4o/completions", "/engines/{model}/completions",
     "openai/gpt-4o"},
    {"the longer suffix wins", Method::Post, "/engines/gpt/chat/completions", "/engines/{model}/chat/completions",
     "gpt"},
    {"model id with slashes", Method::Get, "/v1/models/openai/gpt-4o", "/v1/models/{model}", "openai/gpt-4o"},
    {"escapes stay as sent", Method::Get, "/v1/models/openai%2Fgpt-4o", "/v1/models/{model}", "openai%2Fgpt-4o"},
    {"HEAD is answered by GET", Method::Head, "/", "/"},
    {"double slash", Method::Post, "//v1/chat/completions", ""},
    {"double slash inside", Method::Get, "/key//info", ""},
    {"dot segment", Method::Get, "/./key/info", ""},
    {"dot dot", Method::Get, "/health/../key/info", ""},
    {"encoded letter", Method::Get, "/key/inf%6F", ""},
    {"encoded slash", Method::Get, "/key%2Finfo", ""},
    {"encoded dots", Method::Get, "/health/%2e%2e/key/info", ""},
    {"path parameter", Method::Get, "/key/info;x", ""},
    {"trailing slash", Method::Get, "/key/info/", ""},
    {"upper case", Method::Get, "/KEY/info", ""},
    {"dot dot in a capture", Method::Post, "/engines/../key/chat/completions", ""},
    {"empty segment in a capture", Method::Post, "/engines//gpt/chat/completions", ""},
    {"empty capture", Method::Post, "/engines//chat/completions", ""},
    {"capture with a trailing slash", Method::Get, "/v1/models/gpt/", ""},
    {"empty path", Method::Get, "", ""},
    {"star", Method::Get, "*", ""},
};

TEST(FindRoute, ComparesBytesOnly) {
  for (const PathCase& c : kPaths) {
    SCOPED_TRACE(c.name);
    const Match match = find_route(routes(), c.method, c.path);
    EXPECT_EQ(match.route == nullptr ? std::string_view() : match.route->path, c.route);
    EXPECT_EQ(match.captured, c.captured);
  }
}

TEST(FindRoute, NamesTheMethodsOfAKnownPath) {
  EXPECT_EQ(find_route(routes(), Method::Get, "/v1/chat/completions").allowed, std::vector<std::string_view>{"POST"});
  EXPECT_EQ(find_route(routes(), Method::Get, "/engines/a/chat/completions").allowed,
            std::vector<std::string_view>{"POST"});
  EXPECT_EQ(find_route(routes(), Method::Delete, "/key/info").allowed, std::vector<std::string_view>{"GET"});
  EXPECT_TRUE(find_route(routes(), Method::Delete, "/nothing").allowed.empty());
}

// The permission column as lists: what is added where no administrator is asked for shows up here. Whose the objects of
// the other routes are, the permission matrix of the whole-gateway tests says.
TEST(Routes, AreOpenToWhomTheTableSays) {
  std::set<std::string> open, any_key;
  for (const Route& route : routes()) {
    const std::string name = std::string(http::method_name(route.method)) + " " + std::string(route.path);
    if (route.who == Who::Public || route.who == Who::PublicUnlessSet) open.insert(name);
    if (route.who == Who::AnyKey) any_key.insert(name);
    EXPECT_EQ(route.answer == nullptr, route.who == Who::Pipeline) << route.path;
  }
  EXPECT_EQ(open,
            (std::set<std::string>{"GET /", "GET /health/liveliness", "GET /health/liveness", "GET /health/readiness",
                                   "GET /metrics", "GET /metrics/", "GET /routes", "GET /test"}));
  EXPECT_EQ(any_key, (std::set<std::string>{"GET /active/callbacks",
                                            "GET /health",
                                            "GET /health/backlog",
                                            "GET /key/info",
                                            "GET /model/info",
                                            "GET /model_group/info",
                                            "GET /models",
                                            "GET /models/{model}",
                                            "GET /settings",
                                            "GET /openai/models",
                                            "GET /openai/models/{model}",
                                            "GET /spend/logs",
                                            "GET /spend/logs/session/ui",
                                            "GET /spend/logs/ui",
                                            "GET /spend/logs/ui/{request_id}",
                                            "GET /spend/logs/v2",
                                            "GET /tag/list",
                                            "GET /user/available_roles",
                                            "GET /v1/model/info",
                                            "GET /v1/models",
                                            "GET /v1/models/{model}",
                                            "GET /v2/model/info",
                                            "POST /key/health",
                                            "POST /spend/calculate",
                                            "POST /tag/info",
                                            "POST /v2/key/info"}));
}

TEST(UnknownRoute, NamesTheNearest) {
  const Error typo = unknown_route(routes(), "POST", "/v1/chat/completion");
  EXPECT_EQ(typo.kind, ErrorKind::NotFound);
  EXPECT_NE(typo.message.find("There is no route POST /v1/chat/completion."), std::string::npos) << typo.message;
  EXPECT_NE(typo.message.find("/v1/chat/completions"), std::string::npos) << typo.message;
}

TEST(UnknownRoute, SaysWhatComesLater) {
  const Error later = unknown_route(routes(), "POST", "/v1/messages");
  EXPECT_NE(later.message.find("does not serve yet"), std::string::npos) << later.message;
  const Error never = unknown_route(routes(), "GET", "/favicon.ico");
  EXPECT_EQ(never.message.find("does not serve yet"), std::string::npos) << never.message;
}

TEST(UnknownRoute, SaysWhereSettingsAreChanged) {
  for (const char* path : {"/config/update", "/config/field/update", "/config/field/delete", "/add/allowed_ip"}) {
    const Error error = unknown_route(routes(), "POST", path);
    EXPECT_EQ(error.kind, ErrorKind::NotFound);
    EXPECT_NE(error.message.find("changed in the configuration file"), std::string::npos) << error.message;
  }
}

TEST(UnknownRoute, ShowsALongPathCut) {
  const Error error = unknown_route(routes(), "GET", "/" + std::string(100'000, 'a'));
  EXPECT_LT(error.message.size(), 500u);
}

TEST(WrongMethod, SaysWhichOneToUse) {
  EXPECT_EQ(wrong_method("GET", "/v1/chat/completions", {"POST"}).message,
            "GET is not possible on /v1/chat/completions; use POST.");
}

}  // namespace
}  // namespace turnpike::api::route_test
