#include "provider/aws.h"

#include <gtest/gtest.h>

#include <map>

namespace turnpike::provider::aws_test {
namespace {

using Params = std::vector<std::pair<std::string, base::Secret>>;

struct Case {
  const char* name;
  const char* model;
  std::map<std::string, std::string> params;
  std::map<std::string, std::string> environment;
  const char* region;
  const char* base;  // Empty: a refusal.
};

TEST(Aws, FindsTheRegionAndItsHost) {
  const Case cases[] = {
      {"nobody says", "meta.llama-x", {}, {}, "us-west-2", "https://bedrock-runtime.us-west-2.amazonaws.com"},
      {"the config line",
       "eu-west-1/meta.llama-x",
       {{"aws_region_name", "us-east-1"}},
       {{"AWS_REGION", "us-east-2"}},
       "us-east-1",
       "https://bedrock-runtime.us-east-1.amazonaws.com"},
      {"an ARN beside the model",
       "eu-west-1/meta.llama-x",
       {{"model_id", "arn:aws:bedrock:ap-southeast-2:123456789012:inference-profile/x"}},
       {},
       "ap-southeast-2",
       "https://bedrock-runtime.ap-southeast-2.amazonaws.com"},
      {"an ARN for the model",
       "converse/arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:provisioned-model/x",
       {},
       {},
       "us-gov-west-1",
       "https://bedrock-runtime.us-gov-west-1.amazonaws.com"},
      {"an ARN without a region",
       "arn:aws:bedrock:::x",
       {},
       {{"AWS_REGION", "us-east-2"}},
       "us-east-2",
       "https://bedrock-runtime.us-east-2.amazonaws.com"},
      {"before the model",
       "converse/eu-central-1/anthropic.claude-x",
       {},
       {{"AWS_REGION", "us-east-2"}},
       "eu-central-1",
       "https://bedrock-runtime.eu-central-1.amazonaws.com"},
      {"the gateway's own variable first",
       "meta.llama-x",
       {},
       {{"AWS_REGION_NAME", "eu-north-1"}, {"AWS_REGION", "us-east-2"}},
       "eu-north-1",
       "https://bedrock-runtime.eu-north-1.amazonaws.com"},
      {"the SDKs' second variable",
       "meta.llama-x",
       {},
       {{"AWS_DEFAULT_REGION", "eu-south-1"}},
       "eu-south-1",
       "https://bedrock-runtime.eu-south-1.amazonaws.com"},
      {"China has another domain",
       "meta.llama-x",
       {{"aws_region_name", "cn-north-1"}},
       {},
       "cn-north-1",
       "https://bedrock-runtime.cn-north-1.amazonaws.com.cn"},
      {"an address of one's own",
       "meta.llama-x",
       {{"aws_bedrock_runtime_endpoint", "https://vpce-1.example.com"}, {"aws_region_name", "us-east-1"}},
       {{"AWS_BEDROCK_RUNTIME_ENDPOINT", "https://vpce-2.example.com"}},
       "us-east-1",
       "https://vpce-1.example.com"},
      {"an address of the environment",
       "meta.llama-x",
       {},
       {{"AWS_BEDROCK_RUNTIME_ENDPOINT", "https://vpce-2.example.com"}},
       "us-west-2",
       "https://vpce-2.example.com"},
      {"no region at all", "meta.llama-x", {{"aws_region_name", "evil.example.com/"}}, {}, "evil.example.com/", ""},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Params params;
    for (const auto& [name, value] : c.params) params.emplace_back(name, base::Secret(value));
    AimInput input;
    input.provider = find_provider("bedrock");
    input.model = c.model;
    input.params = &params;
    input.environment = [&](const std::string& name) -> std::optional<std::string> {
      const auto found = c.environment.find(name);
      return found == c.environment.end() ? std::nullopt : std::optional(found->second);
    };
    EXPECT_EQ(aws_region(input), c.region);
    const auto base = own_base_url(input);
    EXPECT_EQ(base ? *base : "", c.base);
    Target target;
    target.params = params;
    complete_target(input, target);
    EXPECT_EQ(aws_region(target), c.region);
    // A wildcard's target is completed once more for each model.
    complete_target(input, target);
    EXPECT_EQ(std::count_if(target.params.begin(), target.params.end(),
                            [](const auto& param) { return param.first == "aws_region_name"; }),
              1);
  }
}

TEST(Aws, TellsIdsFromTheGatewaysOwnPrefixes) {
  const std::pair<const char*, const char*> cases[] = {
      {"anthropic.claude-x-v1:0", "anthropic.claude-x-v1:0"},
      {"converse/us.anthropic.claude-x", "us.anthropic.claude-x"},
      {"invoke/us-east-1/anthropic.claude-x", "anthropic.claude-x"},
      {"us-east-1/converse/anthropic.claude-x", "anthropic.claude-x"},
      {"bedrock/converse/meta.llama-x", "meta.llama-x"},
      {"openai/arn:aws:bedrock:us-east-1:1:imported-model/a", "arn:aws:bedrock:us-east-1:1:imported-model/a"},
      {"openai.gpt-oss-x-1:0", "openai.gpt-oss-x-1:0"},
      {"us-east-1a/meta.llama-x", "us-east-1a/meta.llama-x"},
      {"arn:aws:bedrock:us-east-1:1:custom-model/a/b", "arn:aws:bedrock:us-east-1:1:custom-model/a/b"},
  };
  for (const auto& [model, id] : cases) EXPECT_EQ(bedrock_id(model), id);
}

TEST(Aws, SpeaksConverseUnlessClaudesOwnIsAskedFor) {
  const std::pair<const char*, Shape> cases[] = {
      {"anthropic.claude-x", Shape::BedrockConverse},
      {"converse/anthropic.claude-x", Shape::BedrockConverse},
      {"invoke/anthropic.claude-x", Shape::AnthropicBedrock},
      {"invoke/eu-west-1/eu.anthropic.claude-x", Shape::AnthropicBedrock},
      {"invoke/meta.llama-x", Shape::BedrockConverse},
      {"nobody-knows", Shape::BedrockConverse},
  };
  for (const auto& [model, shape] : cases) EXPECT_EQ(shape_of(*find_provider("bedrock"), model), shape) << model;
}

}  // namespace
}  // namespace turnpike::provider::aws_test
