#include "credential/sigv4.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "http/message.h"
#include "json/document.h"

namespace turnpike::credential::sigv4_test {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string text_of(const json::Value& object, std::string_view key) {
  return object.find(key).text().value();
}

std::string rendered(const json::Value& pairs) {
  std::string lines;
  for (const json::Value pair : pairs.elements()) {
    std::vector<std::string> texts;
    for (const json::Value text : pair.elements()) texts.push_back(text.text().value());
    lines += texts.at(0) + ": " + texts.at(1) + "\r\n";
  }
  return lines;
}

// Requests that Debian's python3-botocore has signed (tools/make_sigv4_cases.py); the first is AWS's published vector.
TEST(SigV4, SignsAsBotocoreDoes) {
  const std::string file = read_file(TURNPIKE_SOURCE_DIR "/test/data/sigv4/cases.json");
  json::Document document;
  ASSERT_TRUE(document.parse(file));
  std::size_t seen = 0;
  for (const json::Value item : document.root().elements()) {
    ++seen;
    SCOPED_TRACE(text_of(item, "name"));
    const std::string method = text_of(item, "method"), path = text_of(item, "path"), host = text_of(item, "host"),
                      body = text_of(item, "body"), region = text_of(item, "region"),
                      service = text_of(item, "service"), fields = rendered(item.find("fields"));
    // The hash goes over the pieces, however the body is cut.
    const std::string_view pieces[] = {std::string_view(body).substr(0, body.size() / 3),
                                       std::string_view(body).substr(body.size() / 3)};
    SigningInput input;
    input.method = method;
    input.path = path;
    input.host = host;
    input.fields = fields;
    input.body = pieces;
    input.region = region;
    input.service = service;
    input.now_s = static_cast<std::int64_t>(item.find("time").whole().value());
    Credential credential;
    credential.kind = Credential::Kind::Aws;
    credential.access_key_id = base::Secret(text_of(item, "access_key"));
    credential.secret_access_key = base::Secret(text_of(item, "secret_key"));
    credential.session_token = base::Secret(text_of(item, "token"));
    EXPECT_EQ(sigv4_fields(input, credential), rendered(item.find("added")));
  }
  EXPECT_EQ(seen, 202U);
}

TEST(SigV4, KnowsThePublishedVectorByHeart) {
  SigningInput input;
  input.method = "GET";
  input.host = "example.amazonaws.com";
  input.region = "us-east-1";
  input.service = "service";
  input.now_s = 1'440'938'160;
  Credential credential;
  credential.access_key_id = base::Secret("AKIDEXAMPLE");
  credential.secret_access_key = base::Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  EXPECT_EQ(sigv4_fields(input, credential),
            "X-Amz-Date: 20150830T123600Z\r\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=host;x-amz-date, "
            "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31\r\n");
}

}  // namespace
}  // namespace turnpike::credential::sigv4_test
