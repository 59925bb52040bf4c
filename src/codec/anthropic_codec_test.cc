#include "codec/anthropic_codec.h"

#include <gtest/gtest.h>

#include "codec/test_call.h"

namespace turnpike::codec::anthropic_codec_test {
namespace {

TEST(AnthropicCodec, FilesByAddressAreFetchedWhereTheCloudDoesNot) {
  const char* body = R"({"model":"m","messages":[{"role":"user","content":[
      {"type":"image_url","image_url":"https://x.example/a.png"},{"type":"image_url","image_url":"http://x.example/b.png"},
      {"type":"file","file":{"file_id":"https://x.example/c.pdf"}},
      {"type":"file","file":{"file_id":"https://x.example/d.txt"}}]}]})";
  const auto urls = [&](const char* provider, provider::Shape shape) {
    TestCall call(provider, body);
    call.target.shape = shape;
    std::string all;
    for (const std::string& url : codec_of(call.target).urls_to_fetch(*call.input))
      all += url.substr(url.rfind('/') + 1) + " ";
    return all;
  };
  EXPECT_EQ(urls("anthropic", provider::Shape::Anthropic), "b.png d.txt ");
  EXPECT_EQ(urls("vertex_ai", provider::Shape::AnthropicVertex), "a.png b.png c.pdf d.txt ");

  TestCall call("vertex_ai", body);
  call.target.shape = provider::Shape::AnthropicVertex;
  const FetchedByUrl fetched = {{"https://x.example/a.png", {"image/png", "iVBORw0KGgo="}},
                                {"http://x.example/b.png", {"", "R0lGODlh"}},
                                {"https://x.example/c.pdf", {"application/octet-stream", "JVBERi0="}},
                                {"https://x.example/d.txt", {"text/plain; charset=utf-8", "aGk="}}};
  call.input->fetched = &fetched;
  const auto request = call.encode();
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(body_of(*request),
            R"({"anthropic_version":"vertex-2023-10-16","max_tokens":4096,"messages":[{"role":"user","content":[)"
            R"({"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},)"
            R"({"type":"image","source":{"type":"base64","media_type":"image/gif","data":"R0lGODlh"}},)"
            R"({"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}},)"
            R"({"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"}}]}]})");
}

TEST(AnthropicCodec, FieldsAndAddresses) {
  struct {
    const char* name;
    const char* base;
    const char* token;
    const char* extra;
    const char* members;
    const char* path;
    const char* fields;  // Those of the API's own.
  } const rows[] = {
      {"as Anthropic has it", "", "sk-ant-api", "", "", "/v1/messages",
       "anthropic-version: 2023-06-01\r\nx-api-key: sk-ant-api\r\n"},
      {"with the version of the API", "/v1", "k", "", "", "/v1/messages",
       "anthropic-version: 2023-06-01\r\nx-api-key: k\r\n"},
      {"below a prefix", "/anthropic", "k", "", "", "/anthropic/v1/messages",
       "anthropic-version: 2023-06-01\r\nx-api-key: k\r\n"},
      {"the whole address", "/x/v1/messages", "k", "", "", "/x/v1/messages",
       "anthropic-version: 2023-06-01\r\nx-api-key: k\r\n"},
      {"a token of a person", "", "sk-ant-oat01-x", "", "", "/v1/messages",
       "anthropic-version: 2023-06-01\r\nAuthorization: Bearer sk-ant-oat01-x\r\nanthropic-beta: oauth-2025-04-20\r\n"},
      {"betas of the deployment, the caller and the call in one line, each once", "", "k",
       "anthropic-beta: a-1, files-api-2025-04-14\r\nAnthropic-Version: 2024-01-01\r\n",
       R"(,"tools":[{"type":"computer_20250124","name":"computer"}],"mcp_servers":[],"speed":"fast",
          "context_management":{"edits":[{"type":"compact_20260112"}]},"anthropic_beta":["a-1","b-2"])",
       "/v1/messages",
       "Anthropic-Version: 2024-01-01\r\nx-api-key: k\r\nanthropic-beta: "
       "a-1,files-api-2025-04-14,computer-use-2025-01-24,"
       "mcp-client-2025-04-04,fast-mode-2026-02-01,context-management-2025-06-27,compact-2026-01-12,b-2\r\n"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.name);
    TestCall call("anthropic",
                  std::string(R"({"model":"m","messages":[{"role":"user","content":"hi"}])") + row.members + "}");
    call.target.base.path = row.base;
    call.target.extra_fields = row.extra;
    call.credential.token = base::Secret(row.token);
    const auto request = call.encode();
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->path, row.path);
    constexpr std::string_view kLastCommon = "User-Agent: turnpike/" TURNPIKE_VERSION "\r\n";
    EXPECT_EQ(request->fields.substr(request->fields.find(kLastCommon) + kLastCommon.size()), row.fields);
  }
}

}  // namespace
}  // namespace turnpike::codec::anthropic_codec_test
