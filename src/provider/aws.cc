#include "provider/aws.h"

#include <algorithm>

#include "base/text.h"

namespace turnpike::provider {
namespace {

constexpr std::string_view kRegion = "aws_region_name";
constexpr std::string_view kDefaultRegion = "us-west-2";
constexpr std::string_view kRoutes[] = {"bedrock/", "converse/",     "converse_like/",
                                        "invoke/",  "async_invoke/", "openai/"};

bool is_word(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

std::string_view without_routes(std::string_view model) {
  for (const std::string_view route : kRoutes) {
    if (model.starts_with(route)) return without_routes(model.substr(route.size()));
  }
  return model;
}

/// "arn:aws:bedrock:us-east-1:123456789012:inference-profile/..." says its region; empty for what is no ARN.
std::string_view region_of_arn(std::string_view text) {
  if (!text.starts_with("arn:")) return {};
  const auto parts = base::split(text, ':');
  return parts.size() > 4 && is_aws_region(parts[3]) ? parts[3] : std::string_view();
}

}  // namespace

bool is_aws_region(std::string_view text) {
  const auto parts = base::split(text, '-');
  if (parts.size() < 3 || parts.back().size() != 1 || parts.back()[0] < '1' || parts.back()[0] > '9') return false;
  return std::all_of(parts.begin(), parts.end() - 1, is_word);
}

std::string_view bedrock_id(std::string_view model) {
  model = without_routes(model);
  const std::size_t slash = model.find('/');
  if (slash != std::string_view::npos && is_aws_region(model.substr(0, slash))) model.remove_prefix(slash + 1);
  return without_routes(model);
}

Shape bedrock_shape(std::string_view model) {
  const bool invoke = model.starts_with("invoke/") || model.starts_with("bedrock/invoke/");
  const std::string_view id = bedrock_id(model);
  const bool claude = id.starts_with("anthropic.") || id.find(".anthropic.") != std::string_view::npos;
  return invoke && claude ? Shape::AnthropicBedrock : Shape::BedrockConverse;
}

std::string aws_region(const AimInput& input) {
  if (std::string named = input.setting(kRegion, {}); !named.empty()) return named;
  const std::string model_id = input.setting("model_id", {});
  if (const std::string_view region = region_of_arn(model_id); !region.empty()) return std::string(region);
  const std::string_view model = without_routes(input.model);
  if (const std::string_view region = region_of_arn(bedrock_id(model)); !region.empty()) return std::string(region);
  const std::string_view first = model.substr(0, model.find('/'));
  if (first.size() < model.size() && is_aws_region(first)) return std::string(first);
  std::string set = input.setting({}, {"AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"});
  return set.empty() ? std::string(kDefaultRegion) : set;
}

std::string_view aws_region(const Target& target) {
  const std::string_view region = target.param(kRegion);
  return region.empty() ? kDefaultRegion : region;
}

Result<std::string> bedrock_base_url(const AimInput& input) {
  if (std::string own = input.setting("aws_bedrock_runtime_endpoint", {"AWS_BEDROCK_RUNTIME_ENDPOINT"}); !own.empty()) {
    return own;
  }
  const std::string region = aws_region(input);
  if (!is_aws_region(region)) {
    return base::fail(ErrorKind::InvalidRequest,
                      "\"" + region + "\" is no AWS region: write aws_region_name like us-east-1");
  }
  return "https://bedrock-runtime." + region + ".amazonaws.com" + (region.starts_with("cn-") ? ".cn" : "");
}

void complete_aws(const AimInput& input, Target& target) {
  std::erase_if(target.params, [](const auto& param) { return param.first == kRegion; });
  target.params.emplace_back(kRegion, base::Secret(aws_region(input)));
}

}  // namespace turnpike::provider
