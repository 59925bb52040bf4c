#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "provider/own_aim.h"

namespace turnpike::provider::google_test {
namespace {

using Values = std::map<std::string, std::string>;

/// The address that a deployment of Vertex AI's gets; what is wrong where it gets none.
std::string address_of(std::string_view model, const Values& params, const Values& variables = {},
                       std::string_view key = {}, bool global_only = false) {
  std::vector<std::pair<std::string, base::Secret>> given;
  for (const auto& [name, value] : params) given.emplace_back(name, base::Secret(value));
  AimInput input;
  input.provider = find_provider("vertex_ai");
  input.model = model;
  input.shape = shape_of(*input.provider, model);
  input.api_key = base::Secret(std::string(key));
  input.params = &given;
  input.global_only = global_only;
  input.environment = [&variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  const Result<std::string> url = own_base_url(input);
  return url ? *url : url.error().message;
}

TEST(Vertex, SpeaksToEachMakersModelInItsDialect) {
  struct Case {
    std::string_view model;
    Shape shape;
  };
  const Case cases[] = {
      {"gemini-2.5-pro", Shape::VertexGemini},
      {"1234567890", Shape::VertexGemini},
      {"text-embedding-005", Shape::VertexGemini},
      {"claude-sonnet-4-5@20250929", Shape::AnthropicVertex},
      {"anthropic/claude-opus-5", Shape::AnthropicVertex},
      {"meta/llama-4-scout-17b-16e-instruct-maas", Shape::OpenAi},
      {"deepseek-ai/deepseek-v3.2-maas", Shape::OpenAi},
      {"qwen/qwen3-coder-480b-a35b-instruct-maas", Shape::OpenAi},
      {"openai/gpt-oss-120b-maas", Shape::OpenAi},
      {"xai/grok-4.20-reasoning", Shape::OpenAi},
      {"google/gemma-4-26b-a4b-it-maas", Shape::OpenAi},
      {"openai/1234567890", Shape::OpenAi},
      {"mistralai/mistral-medium-3@001", Shape::OpenAiVertex},
      {"mistral-large@2407", Shape::OpenAiVertex},
      {"codestral-2@001", Shape::OpenAiVertex},
      {"jamba-1.5-large", Shape::OpenAiVertex},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.model);
    EXPECT_EQ(shape_of(*find_provider("vertex_ai"), c.model), c.shape);
    EXPECT_EQ(shape_of(*find_provider("vertex_ai_beta"), c.model), c.shape);
  }
}

TEST(Vertex, HasAnAddressPerLocationProjectAndMaker) {
  struct Case {
    const char* name;
    std::string_view model;
    Values params;
    Values variables;
    std::string url;
  };
  const std::string us = "https://us-central1-aiplatform.googleapis.com";
  const Case cases[] = {
      {"the usual location",
       "gemini-2.5-pro",
       {{"vertex_project", "p"}},
       {},
       us + "/v1/projects/p/locations/us-central1"},
      {"a location",
       "gemini-2.5-pro",
       {{"vertex_project", "p"}, {"vertex_location", "europe-west4"}},
       {},
       "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"},
      {"everywhere",
       "gemini-2.5-pro",
       {{"vertex_project", "p"}, {"vertex_location", "global"}},
       {},
       "https://aiplatform.googleapis.com/v1/projects/p/locations/global"},
      {"several regions",
       "gemini-2.5-pro",
       {{"vertex_project", "p"}, {"vertex_location", "eu"}},
       {},
       "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu"},
      {"of the environment",
       "gemini-2.5-pro",
       {},
       {{"VERTEXAI_PROJECT", "q"}, {"VERTEX_LOCATION", "us"}},
       "https://aiplatform.us.rep.googleapis.com/v1/projects/q/locations/us"},
      {"the project of the credentials",
       "gemini-2.5-pro",
       {{"vertex_credentials",
         R"({"type":"service_account","project_id":"keyed","private_key_id":"1","private_key":"k","client_email":"a@b","token_uri":"https://oauth2.googleapis.com/token"})"}},
       {},
       us + "/v1/projects/keyed/locations/us-central1"},
      {"Claude ends behind the location",
       "claude-opus-5",
       {{"vertex_project", "p"}},
       {},
       us + "/v1/projects/p/locations/us-central1"},
      {"open models",
       "meta/llama-4-scout-17b-16e-instruct-maas",
       {{"vertex_project", "p"}},
       {},
       us + "/v1/projects/p/locations/us-central1/endpoints/openapi"},
      {"an endpoint of one's own",
       "openai/123",
       {{"vertex_project", "p"}},
       {},
       us + "/v1/projects/p/locations/us-central1/endpoints/123"},
      {"Mistral",
       "mistral-large@2407",
       {{"vertex_project", "p"}},
       {},
       us + "/v1/projects/p/locations/us-central1/publishers/mistralai/models/mistral-large@2407"},
      {"AI21",
       "jamba-1.5-mini",
       {{"vertex_project", "p"}},
       {},
       us + "/v1beta1/projects/p/locations/us-central1/publishers/ai21/models/jamba-1.5-mini"},
      {"nothing says which project",
       "gemini-2.5-pro",
       {},
       {},
       "VertexAI needs a project: set vertex_project or the variable VERTEXAI_PROJECT"},
      {"a location that would be another host",
       "gemini-2.5-pro",
       {{"vertex_project", "p"}, {"vertex_location", "evil.example/"}},
       {},
       "vertex_location is no location of Google's: evil.example/"},
      {"a project is one segment",
       "gemini-2.5-pro",
       {{"vertex_project", "a/b"}},
       {},
       us + "/v1/projects/a%2Fb/locations/us-central1"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(address_of(c.model, c.params, c.variables), c.url);
  }
}

TEST(Vertex, ExpressModeNeedsNoProject) {
  EXPECT_EQ(address_of("gemini-2.5-pro", {}, {}, "AQ.key"), "https://aiplatform.googleapis.com/v1");
}

TEST(Vertex, ModelsThatAreServedGloballyAreAskedThere) {
  EXPECT_EQ(address_of("qwen/qwen3-next-80b-a3b-instruct-maas",
                       {{"vertex_project", "p"}, {"vertex_location", "us-east1"}}, {}, {}, true),
            "https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi");
}

TEST(Vertex, TheProjectMayStandInACredentialFile) {
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / ("turnpike-google-test-" + std::to_string(::getpid()) + ".json");
  std::ofstream(file) << R"({"type":"service_account","project_id":"filed","private_key_id":"1","private_key":"k",)"
                      << R"("client_email":"a@b","token_uri":"https://oauth2.googleapis.com/token"})";
  EXPECT_EQ(address_of("gemini-2.5-pro", {}, {{"GOOGLE_APPLICATION_CREDENTIALS", file.string()}}),
            "https://us-central1-aiplatform.googleapis.com/v1/projects/filed/locations/us-central1");
  std::filesystem::remove(file);
}

TEST(Vertex, AnAddressOfOnesOwnGetsThePathUnlessItHasOne) {
  std::vector<std::pair<std::string, base::Secret>> params;
  params.emplace_back("vertex_project", base::Secret("p"));
  AimInput input;
  input.provider = find_provider("vertex_ai");
  input.model = "gemini-2.5-pro";
  input.shape = Shape::VertexGemini;
  input.params = &params;
  Target target;
  complete_target(input, target);
  EXPECT_EQ(target.base.path, "/v1/projects/p/locations/us-central1");
  target.base.path = "/mine";
  complete_target(input, target);
  EXPECT_EQ(target.base.path, "/mine");
}

}  // namespace
}  // namespace turnpike::provider::google_test
