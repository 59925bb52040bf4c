#include "credential/exchanged.h"

#include <gtest/gtest.h>

#include "credential/azure.h"
#include "credential/shared_source.h"
#include "credential/test_source.h"

namespace turnpike::credential::exchanged_test {
namespace {

constexpr const char* kToken = R"({"token_type":"Bearer","expires_in":"3599","access_token":"the token"})";

AzureOptions azure_options(const std::string& authority) {
  AzureOptions options;
  options.label = "Azure";
  options.authority = authority;
  options.scope = "https://cognitiveservices.azure.com/.default";
  return options;
}

TEST(Azure, EveryWayAsksInItsForm) {
  TokenServer server([](const Asked&) { return std::string(kToken); });
  const TemporaryFiles files;
  constexpr const char* kStart = "client_id=app&scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default";

  AzureOptions application = azure_options(server.url());
  EXPECT_FALSE(application.complete());
  application.tenant = "tenant";
  application.client_id = "app";
  EXPECT_FALSE(application.complete());
  AzureOptions person = application, workload = application;
  application.client_secret = base::Secret("s~/=");
  ASSERT_TRUE(application.complete());
  EXPECT_EQ(token_of(azure_credential(application)), "the token");
  EXPECT_EQ(server.asked().back().line, "POST /tenant/oauth2/v2.0/token");
  EXPECT_EQ(server.asked().back().body, kStart + std::string("&grant_type=client_credentials&client_secret=s~%2F%3D"));

  person.username = "a@b.c";
  person.password = base::Secret("pass word");
  ASSERT_TRUE(person.complete());
  EXPECT_EQ(token_of(azure_credential(person)), "the token");
  EXPECT_EQ(server.asked().back().body,
            kStart + std::string("&grant_type=password&username=a%40b.c&password=pass%20word"));

  workload.federated_file = files.write("token", "eyJ.cluster\n");
  ASSERT_TRUE(workload.complete());
  EXPECT_EQ(token_of(azure_credential(workload)), "the token");
  EXPECT_EQ(server.asked().back().body,
            kStart + std::string("&grant_type=client_credentials&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
                                 "client-assertion-type%3Ajwt-bearer&client_assertion=eyJ.cluster"));

  AzureOptions machine = azure_options("");
  machine.instance_url = server.url();
  ASSERT_TRUE(machine.complete());
  EXPECT_EQ(token_of(azure_credential(machine)), "the token");
  EXPECT_EQ(
      server.asked().back().line,
      "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com");
  EXPECT_NE(server.asked().back().head.find("Metadata: true\r\n"), std::string::npos);

  AzureOptions app_service = azure_options("");
  app_service.identity_url = server.url() + "/msi/token";
  app_service.identity_header = base::Secret("guid");
  app_service.client_id = "mine";
  ASSERT_TRUE(app_service.complete());
  EXPECT_EQ(token_of(azure_credential(app_service)), "the token");
  EXPECT_EQ(server.asked().back().line,
            "GET /msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=mine");
  EXPECT_NE(server.asked().back().head.find("X-IDENTITY-HEADER: guid\r\n"), std::string::npos);
}

TEST(Ibm, AKeyIsExchanged) {
  TokenServer server([](const Asked&) { return std::string(kToken); });
  EXPECT_EQ(token_of(ibm_credential("Watsonx", server.url() + "/identity/token", base::Secret("key-1"), {})),
            "the token");
  EXPECT_EQ(server.asked().back().line, "POST /identity/token");
  EXPECT_EQ(server.asked().back().body, "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=key-1");
}

TEST(Databricks, AServicePrincipalProvesItselfInTheHeader) {
  TokenServer server([](const Asked&) { return std::string(kToken); });
  EXPECT_EQ(token_of(databricks_credential("Databricks", server.url(), "id", base::Secret("secret"), {})), "the token");
  EXPECT_EQ(server.asked().back().line, "POST /oidc/v1/token");
  EXPECT_EQ(server.asked().back().body, "grant_type=client_credentials&scope=all-apis");
  EXPECT_NE(server.asked().back().head.find("Authorization: Basic aWQ6c2VjcmV0\r\n"), std::string::npos);
}

TEST(ReadToken, KnowsWhenItEnds) {
  struct Case {
    const char* body;
    long seconds;  // Below zero: refused.
  };
  const Case cases[] = {
      {R"({"access_token":"t","expires_in":3599})", 3599},
      {R"({"access_token":"t","expires_in":"3599"})", 3599},
      {R"({"access_token":"t","expires_on":"1700000100"})", 100},
      {R"({"access_token":"t"})", 3600},
      {R"({"access_token":""})", -1},
      {R"({"access_token":"a\nb"})", -1},
      {R"({"token":"t"})", -1},
      {"<html>", -1},
  };
  for (const Case& c : cases) {
    const Result<Grant> grant = read_token(c.body, "Test", 1'700'000'000);
    EXPECT_EQ(grant ? grant->good_for.count() : -1, c.seconds) << c.body;
  }
}

TEST(TokenRequest, WhatAServerSaysInItsErrorsIsToldWithoutSecrets) {
  struct Case {
    int status;
    const char* body;
    const char* told;
  };
  const Case cases[] = {
      {401, R"({"error":"invalid_client","error_description":"AADSTS7000215: secret key-1 is wrong"})",
       "refused the gateway's credential (401): invalid_client: AADSTS7000215: *** is wrong"},
      {400, R"({"error":{"code":400,"message":"quota\nproject","status":"INVALID"}})",
       "refused the gateway's credential (400): quota project"},
      {400, R"({"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."})",
       "refused the gateway's credential (400): Provided API key could not be found."},
      {403, "<html>no</html>", "refused the gateway's credential (403)"},
      {302, "", "refused the gateway's credential (302)"},
      {503, "", "could not look at the gateway's credential (503)"},
  };
  for (const Case& c : cases) {
    TokenServer server([&c](const Asked&) { return status_reply(c.status, c.body); });
    const std::string told = token_of(ibm_credential("Watsonx", server.url() + "/t", base::Secret("secret key-1"), {}));
    EXPECT_TRUE(told.ends_with(": WatsonxException - the token server " + std::string(c.told))) << told;
    EXPECT_NE(told.find(c.status >= 500 ? "ServiceUnavailableError" : "AuthenticationError"), std::string::npos)
        << told;
  }
}

TEST(SharedSource, IsOneForTheSameIdentityAsLongAsItLives) {
  int made = 0;
  const auto make = [&made] {
    ++made;
    return static_credential(base::Secret("key"));
  };
  std::shared_ptr<CredentialSource> first = shared_source("a", make);
  EXPECT_EQ(shared_source("a", make), first);
  EXPECT_NE(shared_source("b", make), first);
  EXPECT_EQ(made, 2);
  first.reset();
  static_cast<void>(shared_source("a", make));
  EXPECT_EQ(made, 3);
}

}  // namespace
}  // namespace turnpike::credential::exchanged_test
