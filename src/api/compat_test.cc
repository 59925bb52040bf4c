#include <gtest/gtest.h>

#include "api/test_gateway.h"
#include "base/hash.h"

// What `turnpike.litellm_compat: "1.81"` changes of the routes that manage, and what it leaves.
namespace turnpike::api::compat_test {
namespace {

struct Face {
  int status;
  const char* type;
  const char* param;
  std::string says;
};

/// A refusal in the later form and as release 1.81 put it.
struct FaceCase {
  const char* what;
  const char* key;  // Empty: the master key.
  const char* target;
  const char* body;  // Empty: a GET.
  Face later, old;
};

const std::string kNobody = base::sha256_hex("sk-nobody");
const std::string kAdminsOnly =
    "Authentication Error, Only proxy admin can be used to generate, delete, update info for new keys/users/teams. "
    "Route=/budget/new. Your role=internal_user. Your user_id=dev";

const FaceCase kCases[] = {
    {"a key that nobody knows is changed",
     "",
     "/key/update",
     R"({"key":"sk-nobody"})",
     {404, "not_found_error", "key", "Key not found in database"},
     {404, "None", "key", "Team not found, passed team_id=" + kNobody}},
    {"it is looked at",
     "",
     "/key/info?key=sk-nobody",
     "",
     {404, "not_found_error", "key", "Key not found in database"},
     {404, "None", "key", "Key not found in database"}},
    {"an alias that is taken",
     "",
     "/key/generate",
     R"({"key_alias":"app"})",
     {400, "bad_request_error", "key_alias", "Key with alias 'app' already exists."},
     {400, "bad_request_error", "key_alias", "Key with alias 'app' already exists."}},
    {"a field of another type",
     "",
     "/key/generate",
     R"({"max_budget":"5"})",
     {400, "invalid_request_error", "max_budget", "max_budget must be a number"},
     {400, "None", "max_budget", "max_budget must be a number"}},
    {"a team that nobody knows",
     "",
     "/team/info?team_id=t9",
     "",
     {404, "not_found_error", "team_id", "Team not found, passed team_id=t9"},
     {404, "None", "team_id", "Team not found, passed team_id=t9"}},
    {"a user who is there",
     "",
     "/user/new",
     R"({"user_id":"dev"})",
     {409, "bad_request_error", "user_id", "User with id dev already exists"},
     {409, "bad_request_error", "user_id", "User with id dev already exists"}},
    {"a customer who is not",
     "",
     "/customer/info?end_user_id=c9",
     "",
     {404, "not_found", "end_user_id", "End User Id=c9 does not exist in db"},
     {404, "not_found", "end_user_id", "End User Id=c9 does not exist in db"}},
    {"a route of administrators",
     "sk-of-dev-0123456789",
     "/budget/new",
     "{}",
     {401, "auth_error", "null", kAdminsOnly},
     {401, "auth_error", "None", kAdminsOnly}},
    {"somebody else's key",
     "sk-of-dev-0123456789",
     "/key/generate",
     R"({"user_id":"other"})",
     {403, "permission_error", "null", "User can only create keys for themselves."},
     {403, "None", "None", "User can only create keys for themselves."}},
    {"a key that has expired",
     "sk-expired-0123456789",
     "/key/info",
     "",
     {401, "expired_key", "sk-...6789", "Authentication Error - Expired Key."},
     {400, "expired_key", "sk-...6789", "Authentication Error - Expired Key."}},
};

void check(TestGateway& gateway, const FaceCase& c, const Face& face) {
  const std::string key = *c.key == '\0' ? TestGateway::kMaster : c.key;
  const Sent sent = *c.body == '\0' ? gateway.get(c.target, key) : gateway.post(c.target, c.body, key);
  EXPECT_EQ(sent.status, face.status) << sent.body;
  EXPECT_EQ(TestGateway::field(sent, "type"), face.type) << sent.body;
  EXPECT_EQ(TestGateway::field(sent, "param"), face.param) << sent.body;
  EXPECT_EQ(TestGateway::field(sent, "code"), std::to_string(face.status)) << sent.body;
  EXPECT_TRUE(TestGateway::field(sent, "message").starts_with(face.says)) << sent.body;
  // Some routes of LiteLLM raise {"detail": {"error": text}}; scripts that read it find it here everywhere.
  const std::size_t detail = sent.body.find(R"(,"detail":{"error":")" + face.says);
  EXPECT_NE(detail, std::string::npos) << sent.body;
}

TEST(LitellmCompat, GivesTheOlderFacesOfManagementRoutes) {
  TestGateway gateway;
  ASSERT_EQ(gateway.post("/user/new", R"({"user_id":"dev","auto_create_key":false})").status, 200);
  for (const char* body : {R"({"key_alias":"app"})", R"({"key":"sk-of-dev-0123456789","user_id":"dev"})",
                           R"({"key":"sk-expired-0123456789"})"}) {
    ASSERT_EQ(gateway.post("/key/generate", body).status, 200) << body;
  }
  ASSERT_TRUE(gateway.database->transact_now([](db::Transaction& transaction) -> Status {
    const auto done = transaction.run(
        "UPDATE verification_key SET expires_us = 1 WHERE key_name = 'sk-...6789' AND user_id IS NULL", {});
    return done ? Status() : base::fail(done.error());
  }));
  for (const FaceCase& c : kCases) {
    SCOPED_TRACE(std::string(c.what) + ", later");
    check(gateway, c, c.later);
  }
  gateway.use_settings(protocol::Compat::V1_81);
  for (const FaceCase& c : kCases) {
    SCOPED_TRACE(std::string(c.what) + ", 1.81");
    check(gateway, c, c.old);
  }
}

}  // namespace
}  // namespace turnpike::api::compat_test
