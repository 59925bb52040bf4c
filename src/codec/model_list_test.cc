#include "codec/model_list.h"

#include <gtest/gtest.h>

namespace turnpike::codec::model_list_test {
namespace {

using provider::Shape;

TEST(ModelList, IsFoundFromTheAddressOfACall) {
  struct Case {
    Shape shape;
    const char* call;
    const char* list;  // Empty: none.
  };
  const Case cases[] = {
      {Shape::OpenAi, "/v1/chat/completions", "/v1/models"},
      {Shape::OpenAi, "/proxy/openai/v1/chat/completions", "/proxy/openai/v1/models"},
      {Shape::OpenAi, "/serving-endpoints/x/invocations", ""},
      {Shape::AzureOpenAi, "/openai/deployments/my-gpt/chat/completions?api-version=2025-02-01-preview",
       "/openai/models?api-version=2025-02-01-preview"},
      {Shape::AzureOpenAi, "/openai/v1/chat/completions?api-version=preview", "/openai/v1/models?api-version=preview"},
      {Shape::AzureOpenAi, "/models/chat/completions?api-version=2024-05-01-preview", ""},
      {Shape::Anthropic, "/v1/messages", "/v1/models?limit=1"},
      {Shape::Anthropic, "/anthropic/v1/messages", "/anthropic/v1/models?limit=1"},
      {Shape::Gemini, "/v1beta/models/gemini-2.5-flash:generateContent", "/v1beta/models?pageSize=1"},
      {Shape::Gemini, "/v1beta/tunedModels/mine:generateContent", "/v1beta/models?pageSize=1"},
      {Shape::Cohere, "/v2/chat", "/v1/models?page_size=1"},
      {Shape::Cohere, "/cohere/v2/chat", "/cohere/v1/models?page_size=1"},
      {Shape::Ollama, "/api/chat", "/api/tags"},
      {Shape::VertexGemini, "/v1/projects/p/locations/l/publishers/google/models/m:generateContent", ""},
      {Shape::BedrockConverse, "/model/m/converse", ""},
      {Shape::Watsonx, "/ml/v1/text/chat?version=2025-02-11", ""},
  };
  for (const Case& test : cases) EXPECT_EQ(model_list_path(test.shape, test.call).value_or(""), test.list) << test.call;
}

}  // namespace
}  // namespace turnpike::codec::model_list_test
