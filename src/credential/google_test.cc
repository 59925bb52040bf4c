#include "credential/google.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/base64.h"
#include "credential/google_key.h"
#include "credential/jwt.h"
#include "credential/test_source.h"
#include "json/document.h"
#include "json/write.h"

namespace turnpike::credential::google_test {
namespace {

/// An RSA key made for this test.
class Key {
 public:
  Key() : key_(EVP_RSA_gen(2048)) {}
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key() { EVP_PKEY_free(key_); }

  std::string pem() const {
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PKCS8PrivateKey(bio, key_, nullptr, nullptr, 0, nullptr, nullptr);
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio, &data);
    std::string text(data, static_cast<std::size_t>(size));
    BIO_free(bio);
    return text;
  }
  bool verifies(std::string_view text, std::string_view signature) const {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    const auto* bytes = [](std::string_view view) { return reinterpret_cast<const unsigned char*>(view.data()); }(text);
    const bool good = EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, key_) == 1 &&
                      EVP_DigestVerify(context, reinterpret_cast<const unsigned char*>(signature.data()),
                                       signature.size(), bytes, text.size()) == 1;
    EVP_MD_CTX_free(context);
    return good;
  }

 private:
  EVP_PKEY* key_;
};
const Key& key() {
  static const Key made;
  return made;
}

std::string from_base64url(std::string_view text) {
  std::string standard(text);
  for (char& c : standard) c = c == '-' ? '+' : c == '_' ? '/' : c;
  return base::from_base64(standard).value_or("no base64");
}

/// "header.claims.signature" as header and claims, checked with the public key.
std::pair<std::string, std::string> opened(std::string_view jwt) {
  const std::vector<std::string_view> parts = base::split(jwt, '.');
  if (parts.size() != 3) return {"no three parts", ""};
  const std::string_view signed_part = jwt.substr(0, parts[0].size() + 1 + parts[1].size());
  if (!key().verifies(signed_part, from_base64url(parts[2]))) return {"wrong signature", ""};
  return {from_base64url(parts[0]), from_base64url(parts[1])};
}

TEST(SignedJwt, HoldsItsClaimsAndVerifiesWithThePublicKey) {
  const JwtClaims claims{"robot@project.iam.gserviceaccount.com", "https://scope", "https://oauth2.example/token",
                         1700000000, 1700003600};
  const auto [header, body] = opened(signed_jwt(claims, "key-1", key().pem()).value());
  EXPECT_EQ(header, R"({"alg":"RS256","typ":"JWT","kid":"key-1"})");
  EXPECT_EQ(body, R"({"iss":"robot@project.iam.gserviceaccount.com","scope":"https://scope",)"
                  R"("aud":"https://oauth2.example/token","iat":1700000000,"exp":1700003600})");
}

TEST(SignedJwt, TakesAKeyWhoseLineEndsAreWrittenOut) {
  std::string pem = key().pem();
  for (std::size_t at = pem.find('\n'); at != std::string::npos; at = pem.find('\n')) pem.replace(at, 1, "\\n");
  EXPECT_EQ(opened(signed_jwt({}, "", pem).value()).first, R"({"alg":"RS256","typ":"JWT"})");
}

TEST(SignedJwt, RefusesWhatIsNoRsaKey) {
  for (const std::string_view pem :
       {"", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}) {
    EXPECT_EQ(signed_jwt({}, "", pem).error().message, "private_key is no RSA key in PEM");
  }
}

TEST(GoogleKey, NamesWhatIsMissingAndNoValue) {
  struct Case {
    const char* json;
    const char* why;
  };
  const Case cases[] = {
      {"nonsense", "is no JSON object: vertex_credentials takes a credential file's JSON, or its path"},
      {R"({"type":"service_account","client_email":"a@b"})", "lacks private_key"},
      {R"({"type":"service_account","private_key":"SECRET"})", "lacks client_email"},
      {R"({"type":"authorized_user","client_id":"a","client_secret":"SECRET"})", "lacks refresh_token"},
      {R"({"type":"external_account","audience":"a","subject_token_type":"t","credential_source":{"environment_id":"aws1"}})",
       "takes its token from a source that is not served: only credential_source.file and .url are"},
      {R"({"type":"external_account","subject_token_type":"t","credential_source":{"file":"f"}})", "lacks audience"},
      {R"({"type":"gdch_service_account"})",
       "is of a type that is not served; service_account, authorized_user, external_account and "
       "impersonated_service_account are"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(parse_google_key(c.json).error().message, std::string("the Google credential ") + c.why);
  }
}

std::string service_account(const std::string& token_uri) {
  std::string json;
  json::Writer out(json);
  out.begin_object().key("type").string("service_account").key("project_id").string("p");
  out.key("private_key_id").string("key-1").key("private_key").string(key().pem());
  out.key("client_email").string("robot@p.iam.gserviceaccount.com").key("token_uri").string(token_uri);
  out.end_object();
  return json;
}

GoogleOptions with(std::string credentials) {
  GoogleOptions options;
  options.label = "VertexAI";
  options.credentials = base::Secret(std::move(credentials));
  options.metadata_host = "127.0.0.1:1";
  return options;
}

constexpr const char* kToken = R"({"access_token":"ya29.token","expires_in":3599,"token_type":"Bearer"})";

TEST(Google, AServiceAccountSignsForItsToken) {
  TokenServer server([](const Asked&) { return std::string(kToken); });
  const TemporaryFiles files;
  const std::string json = service_account(server.url() + "/token");
  // Inline and as a file.
  for (const std::string& credentials : {json, files.write("key.json", json)}) {
    const Result<CredentialRef> given = get(google_credential(with(credentials)));
    ASSERT_TRUE(given) << given.error().message << given.error().detail;
    EXPECT_EQ((*given)->kind, Credential::Kind::Bearer);
    EXPECT_EQ((*given)->token.reveal(), "ya29.token");
    const Asked asked = server.asked().back();
    EXPECT_EQ(asked.line, "POST /token");
    EXPECT_NE(asked.head.find("Content-Type: application/x-www-form-urlencoded\r\n"), std::string::npos);
    constexpr std::string_view kBefore = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    ASSERT_TRUE(asked.body.starts_with(kBefore)) << asked.body;
    const std::string claims = opened(std::string_view(asked.body).substr(kBefore.size())).second;
    json::Document document;
    ASSERT_TRUE(document.parse(claims)) << claims;
    const json::Value said = document.root();
    EXPECT_EQ(said.find("iss").text(), "robot@p.iam.gserviceaccount.com");
    EXPECT_EQ(said.find("scope").text(), "https://www.googleapis.com/auth/cloud-platform");
    EXPECT_EQ(said.find("aud").text(), server.url() + "/token");
    const std::uint64_t issued = said.find("iat").whole().value();
    const auto now = static_cast<std::uint64_t>(base::unix_now_us() / 1'000'000);
    EXPECT_EQ(said.find("exp").whole().value(), issued + 3600);
    EXPECT_LE(issued, now);
    EXPECT_GE(issued, now - 60);
  }
}

TEST(Google, AUserRefreshesHisToken) {
  TokenServer server([](const Asked&) { return std::string(kToken); });
  const std::string json =
      R"({"type":"authorized_user","client_id":"id","client_secret":"s&cret","refresh_token":"1//r",)"
      R"("token_uri":")" +
      server.url() + R"(/token"})";
  EXPECT_EQ(token_of(google_credential(with(json))), "ya29.token");
  EXPECT_EQ(server.asked().back().body,
            "grant_type=refresh_token&client_id=id&client_secret=s%26cret&refresh_token=1%2F%2Fr");
}

TEST(Google, TheMetadataServerGivesOneWhereNothingIsSet) {
  TokenServer server([](const Asked& asked) {
    return asked.head.find("Metadata-Flavor: Google\r\n") == std::string::npos ? status_reply(403, "") : kToken;
  });
  GoogleOptions options = with("");
  options.metadata_host = server.host();
  options.well_known_file = "/nonexistent/application_default_credentials.json";
  EXPECT_EQ(token_of(google_credential(options)), "ya29.token");
  EXPECT_EQ(server.asked().back().line, "GET /computeMetadata/v1/instance/service-accounts/default/token");
}

TEST(Google, TheWellKnownFileIsNearerThanTheMetadataServer) {
  TokenServer server([](const Asked&) { return std::string(kToken); });
  const TemporaryFiles files;
  GoogleOptions options = with("");
  options.well_known_file = files.write("application_default_credentials.json", service_account(server.url() + "/t"));
  EXPECT_EQ(token_of(google_credential(options)), "ya29.token");
  EXPECT_EQ(server.asked().back().line, "POST /t");
}

TEST(Google, AnExternalAccountIsExchangedAndTakesOnAServiceAccount) {
  TokenServer server([](const Asked& asked) -> std::string {
    if (asked.line == "POST /sts") return R"({"access_token":"federated","expires_in":3600})";
    if (asked.head.find("Authorization: Bearer federated\r\n") == std::string::npos) return status_reply(401, "");
    return R"({"accessToken":"impersonated","expireTime":"2999-01-01T00:00:00Z"})";
  });
  const TemporaryFiles files;
  const std::string token = files.write("token", R"({"id_token":"subject"})");
  const std::string json =
      R"({"type":"external_account","audience":"//iam/pool","subject_token_type":"urn:jwt","token_url":")" +
      server.url() + R"(/sts","service_account_impersonation_url":")" + server.url() +
      R"(/v1/sa:generateAccessToken","credential_source":{"file":")" + token +
      R"(","format":{"type":"json","subject_token_field_name":"id_token"}}})";
  EXPECT_EQ(token_of(google_credential(with(json))), "impersonated");
  ASSERT_EQ(server.asked().size(), 2u);
  EXPECT_EQ(server.asked()[0].body,
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&audience=%2F%2Fiam%2Fpool"
            "&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform"
            "&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
            "&subject_token_type=urn%3Ajwt&subject_token=subject");
  EXPECT_EQ(server.asked()[1].line, "POST /v1/sa:generateAccessToken");
  EXPECT_EQ(server.asked()[1].body, R"({"scope":["https://www.googleapis.com/auth/cloud-platform"]})");
}

TEST(Google, ErrorsSayWhatToDoAndQuoteNoSecret) {
  TokenServer server([](const Asked& asked) {
    // A server that quotes what it was sent.
    return status_reply(400, R"({"error":"invalid_grant","error_description":"wrong: )" +
                                 asked.body.substr(asked.body.find("ion=") + 4) + R"("})");
  });
  EXPECT_EQ(token_of(google_credential(with(service_account(server.url() + "/token")))),
            "litellm.AuthenticationError: VertexAIException - the token server refused the gateway's credential (400): "
            "invalid_grant: wrong: ***");
  EXPECT_EQ(
      token_of(google_credential(with(service_account("http://127.0.0.1:1/token")))),
      "litellm.ServiceUnavailableError: VertexAIException - the token server cannot be reached; the gateway's log "
      "says why");
  EXPECT_EQ(token_of(google_credential(with("/nonexistent/key.json"))),
            "litellm.AuthenticationError: VertexAIException - a file of the credential cannot be read; the gateway's "
            "log names it");
  EXPECT_EQ(
      token_of(google_credential(with(""))),
      "litellm.AuthenticationError: VertexAIException - the gateway has no Google credential: set "
      "vertex_credentials, VERTEXAI_CREDENTIALS or GOOGLE_APPLICATION_CREDENTIALS to a service account's JSON file "
      "(no metadata server answers here)");
}

}  // namespace
}  // namespace turnpike::credential::google_test
