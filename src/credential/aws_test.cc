#include "credential/aws.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "credential/aws_answers.h"
#include "credential/aws_profile.h"
#include "credential/test_source.h"

namespace turnpike::credential::aws_test {
namespace {

TEST(AwsProfiles, ReadsTheSharedFiles) {
  AwsProfiles profiles;
  profiles.read_config(
      "[default]\nregion = eu-west-1\n\n# a comment\n[profile work]\nrole_arn=arn:aws:iam::1:role/r ; whose\n"
      "source_profile =  base\ns3 =\n  max_concurrent_requests = 20\n[sso-session s]\nsso_region = x\n"
      "[profile base]\naws_access_key_id = of config\n");
  profiles.read_credentials("[base]\nAWS_ACCESS_KEY_ID = AKIA\naws_secret_access_key = a=b/c+d\n");
  EXPECT_EQ(profiles.find("default")->at("region"), "eu-west-1");
  EXPECT_EQ(profiles.find("work")->at("role_arn"), "arn:aws:iam::1:role/r");
  EXPECT_EQ(profiles.find("work")->at("source_profile"), "base");
  EXPECT_FALSE(profiles.find("work")->contains("max_concurrent_requests"));
  EXPECT_EQ(profiles.find("base")->at("aws_access_key_id"), "AKIA");
  EXPECT_EQ(profiles.find("base")->at("aws_secret_access_key"), "a=b/c+d");
  EXPECT_EQ(profiles.find("s"), nullptr);
}

constexpr const char* kStsXml =
    R"(<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser>)"
    R"(<AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser><Credentials>)"
    R"(<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>se&amp;cret</SecretAccessKey><SessionToken>
      session==</SessionToken>)"
    R"(<Expiration>2023-11-14T23:13:20Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>)";

TEST(AwsAnswers, ReadStsInBothForms) {
  const char* json =
      R"({"AssumeRoleWithWebIdentityResponse":{"AssumeRoleWithWebIdentityResult":{"Audience":"a","AssumedRoleUser":{"Arn":"x"},)"
      R"("Credentials":{"AccessKeyId":"ASIA","SecretAccessKey":"se&cret","SessionToken":"session==","Expiration":1.7000036E9}},)"
      R"("ResponseMetadata":{"RequestId":"r"}}})";
  for (const std::string_view body : {std::string_view(kStsXml), std::string_view(json)}) {
    const Result<Grant> grant = read_sts_credentials(body, 1700000000);
    ASSERT_TRUE(grant) << grant.error().message;
    EXPECT_EQ(grant->credential.access_key_id.reveal(), "ASIA");
    EXPECT_EQ(grant->credential.secret_access_key.reveal(), "se&cret");
    EXPECT_EQ(grant->credential.session_token.reveal(), "session==");
    EXPECT_EQ(grant->good_for, std::chrono::seconds(3600));
  }
  EXPECT_FALSE(read_sts_credentials("<html>", 0));
  EXPECT_FALSE(read_sts_credentials("{}", 0));
  EXPECT_FALSE(read_sts_credentials("{", 0));
}

TEST(AwsAnswers, AnEndBeyondAllDatesIsNoOverflow) {
  struct End {
    const char* written;
    std::int64_t unix_s;
  };
  for (const End& end : {End{"0.7E91", 253'402'300'799}, End{"-1e300", 0}}) {
    const Result<Grant> grant = read_metadata_credentials(
        fmt::format(R"({{"Code":"Success","AccessKeyId":"A","SecretAccessKey":"s","Token":"t","Expiration":{}}})",
                    end.written),
        100);
    ASSERT_TRUE(grant) << end.written;
    EXPECT_EQ(grant->good_for, std::chrono::seconds(end.unix_s - 100));
  }
}

TEST(AwsAnswers, ReadTheMetadataServices) {
  const Result<Grant> grant = read_metadata_credentials(
      R"({"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"s","Token":"t","Expiration":"2023-11-14T22:23:20Z"})",
      1700000000);
  ASSERT_TRUE(grant);
  EXPECT_EQ(grant->good_for, std::chrono::seconds(600));
  EXPECT_EQ(read_metadata_credentials(R"({"Code":"AssumeRoleUnauthorizedAccess"})", 0).error().message,
            "the metadata service has no credentials: AssumeRoleUnauthorizedAccess");
}

TEST(AwsAnswers, SendTheContainersTokenNowhereElse) {
  for (const char* url :
       {"https://any.example/creds", "http://169.254.170.2/v2", "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1", "http://127.0.0.1:80/x", "http://localhost:1/x"}) {
    EXPECT_TRUE(is_container_host(url)) << url;
  }
  for (const char* url : {"http://169.254.169.254/x", "http://10.0.0.1/x", "http://127.evil.example/x",
                          "ftp://127.0.0.1/", "http://example.com/x", ""}) {
    EXPECT_FALSE(is_container_host(url)) << url;
  }
}

AwsOptions base_options() {
  AwsOptions options;
  options.label = "Bedrock";
  options.region = "eu-central-1";
  return options;
}

std::string sts_answer(const std::string& key) {
  return "<R><Credentials><AccessKeyId>" + key +
         "</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
         "<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></R>";
}

TEST(Aws, ARoleIsTakenOnWithTheKeysOfTheLine) {
  TokenServer sts([](const Asked&) { return sts_answer("ASIAROLE"); });
  AwsOptions options = base_options();
  options.access_key_id = base::Secret("AKIAOWN");
  options.secret_access_key = base::Secret("own secret");
  options.role = "arn:aws:iam::123456789012:role/caller";
  options.session_name = "turnpike";
  options.external_id = "outside";
  options.sts_endpoint = sts.url();
  EXPECT_EQ(token_of(aws_credential(options)), "ASIAROLE");
  const Asked asked = sts.asked().back();
  EXPECT_EQ(asked.line, "POST /");
  EXPECT_EQ(asked.body,
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fcaller"
            "&RoleSessionName=turnpike&DurationSeconds=3600&ExternalId=outside");
  EXPECT_NE(asked.head.find("Authorization: AWS4-HMAC-SHA256 Credential=AKIAOWN/"), std::string::npos) << asked.head;
  EXPECT_NE(asked.head.find("/eu-central-1/sts/aws4_request"), std::string::npos) << asked.head;
}

TEST(Aws, AWebIdentityNeedsNoSignature) {
  TokenServer sts([](const Asked&) { return sts_answer("ASIAWEB"); });
  const TemporaryFiles files;
  AwsOptions options = base_options();
  options.role = "arn:r";
  options.sts_endpoint = sts.url() + "/";
  options.variable = [](const std::string& name) { return name == "TOKEN" ? "of the environment" : ""; };
  const std::pair<std::string, std::string> cases[] = {{"eyJ.own", "eyJ.own"},
                                                       {"oidc/env/TOKEN", "of%20the%20environment"},
                                                       {"oidc/file/" + files.write("t", "of-a-file\n"), "of-a-file"},
                                                       {files.write("u", "of-a-path"), "of-a-path"}};
  options.web_identity_token = base::Secret("oidc/google/audience");
  EXPECT_EQ(
      token_of(aws_credential(options)),
      "litellm.AuthenticationError: BedrockException - of oidc/ in aws_web_identity_token only oidc/file/<path> and "
      "oidc/env/<NAME> are read");
  for (const auto& [given, sent] : cases) {
    options.web_identity_token = base::Secret(given);
    EXPECT_EQ(token_of(aws_credential(options)), "ASIAWEB");
    EXPECT_TRUE(sts.asked().back().body.ends_with("&WebIdentityToken=" + sent)) << sts.asked().back().body;
    EXPECT_EQ(sts.asked().back().head.find("Authorization:"), std::string::npos);
  }
}

TEST(Aws, ProfilesChain) {
  TokenServer sts([](const Asked& asked) {
    return sts_answer(asked.head.find("Credential=AKIABASE/") != std::string::npos     ? "ASIAMIDDLE"
                      : asked.head.find("Credential=ASIAMIDDLE/") != std::string::npos ? "ASIAEND"
                                                                                       : "nobody");
  });
  const TemporaryFiles files;
  AwsOptions options = base_options();
  options.sts_endpoint = sts.url();
  options.credentials_file =
      files.write("credentials", "[base]\naws_access_key_id=AKIABASE\naws_secret_access_key=s\n");
  options.config_file =
      files.write("config",
                  "[profile end]\nrole_arn=arn:end\nsource_profile=middle\n[profile "
                  "middle]\nrole_arn=arn:middle\nsource_profile=base\n"
                  "[profile a]\nrole_arn=x\nsource_profile=b\n[profile b]\nrole_arn=x\nsource_profile=a\n"
                  "[profile sso]\nsso_start_url=x\n[profile lost]\nrole_arn=arn:x\n");
  const std::pair<const char*, const char*> cases[] = {
      {"base", "AKIABASE"},
      {"middle", "ASIAMIDDLE"},
      {"end", "ASIAEND"},
      {"a", "litellm.AuthenticationError: BedrockException - the AWS profiles name each other as source_profile"},
      {"none", "litellm.AuthenticationError: BedrockException - there is no AWS profile called \"none\""},
      {"sso",
       "litellm.AuthenticationError: BedrockException - the AWS profile \"sso\" holds no keys and no role_arn; "
       "credential_process and SSO are not served"},
      {"lost",
       "litellm.AuthenticationError: BedrockException - the AWS profile \"lost\" has a role_arn and neither "
       "source_profile nor credential_source"},
  };
  for (const auto& [profile, expected] : cases) {
    options.profile = profile;
    EXPECT_EQ(token_of(aws_credential(options)), expected);
  }
}

TEST(Aws, TheSurroundingsAreAskedInTheirOrder) {
  TokenServer metadata([](const Asked& asked) -> std::string {
    if (asked.line == "PUT /latest/api/token") return "session";
    if (asked.line == "GET /container") {
      return asked.head.find("Authorization: container token\r\n") == std::string::npos
                 ? status_reply(401, "")
                 : R"({"AccessKeyId":"ASIACONTAINER","SecretAccessKey":"s","Token":"t","Expiration":"2999-01-01T00:00:00Z"})";
    }
    if (asked.head.find("X-aws-ec2-metadata-token: session\r\n") == std::string::npos) return status_reply(401, "");
    if (asked.line.ends_with("/security-credentials/")) return "my-role\n";
    return R"({"Code":"Success","AccessKeyId":"ASIAINSTANCE","SecretAccessKey":"s","Token":"t","Expiration":"2999-01-01T00:00:00Z"})";
  });
  TokenServer sts([](const Asked&) { return sts_answer("ASIAWEB"); });
  const TemporaryFiles files;
  AwsOptions options = base_options();
  options.sts_endpoint = sts.url();
  AwsOptions::Surroundings& around = options.around;
  // From the last to the first: each is nearer than those before it.
  EXPECT_EQ(
      token_of(aws_credential(options)),
      "litellm.AuthenticationError: BedrockException - the gateway has no AWS credentials: set aws_access_key_id and "
      "aws_secret_access_key, aws_profile_name, aws_role_name or api_key (a Bedrock API key), or the variables of "
      "the AWS tools");
  around.metadata_url = metadata.url();
  EXPECT_EQ(token_of(aws_credential(options)), "ASIAINSTANCE");
  EXPECT_EQ(metadata.asked().back().line, "GET /latest/meta-data/iam/security-credentials/my-role");
  around.container_url = metadata.url() + "/container";
  around.container_token_file = files.write("token", "container token\n");
  EXPECT_EQ(token_of(aws_credential(options)), "ASIACONTAINER");
  options.config_file = files.write("config", "[default]\nregion=x\n");
  EXPECT_EQ(token_of(aws_credential(options)), "ASIACONTAINER") << "a default profile that only names a region";
  options.credentials_file =
      files.write("credentials", "[default]\naws_access_key_id=AKIAFILE\naws_secret_access_key=s\n");
  EXPECT_EQ(token_of(aws_credential(options)), "AKIAFILE");
  around.role = "arn:pod";
  around.web_identity_token_file = files.write("web", "jwt");
  EXPECT_EQ(token_of(aws_credential(options)), "ASIAWEB");
  options.role = "arn:pod";
  EXPECT_EQ(token_of(aws_credential(options)), "ASIAWEB") << "the role that the pod runs as is not taken on again";
  EXPECT_EQ(sts.asked().size(), 2u);
  options.role.clear();
  around.access_key_id = base::Secret("AKIAVARIABLE");
  around.secret_access_key = base::Secret("s");
  EXPECT_EQ(token_of(aws_credential(options)), "AKIAVARIABLE");
}

TEST(Aws, ARefusalSaysWhyWithoutTheSecret) {
  TokenServer sts([](const Asked&) {
    return status_reply(
        403,
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User may not; own secret</Message></Error>"
        "</ErrorResponse>");
  });
  AwsOptions options = base_options();
  options.access_key_id = base::Secret("AKIAOWN");
  options.secret_access_key = base::Secret("own secret");
  options.role = "arn:r";
  options.sts_endpoint = sts.url();
  EXPECT_EQ(token_of(aws_credential(options)),
            "litellm.AuthenticationError: BedrockException - the token server refused the gateway's credential (403): "
            "AccessDenied: User may not; ***");
}

}  // namespace
}  // namespace turnpike::credential::aws_test
