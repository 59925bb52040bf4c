#pragma once

#include <string>
#include <string_view>

#include "provider/aim.h"
#include "provider/target.h"

namespace turnpike::provider {

/// "us-east-1", "us-gov-west-1", "cn-north-1".
bool is_aws_region(std::string_view text);

/// A model as the config names it, without the gateway's own prefixes: "converse/", "invoke/", "us-east-1/".
std::string_view bedrock_id(std::string_view model);

/// The dialect of a Bedrock model: Converse, unless the config asks for Claude's own by "invoke/".
Shape bedrock_shape(std::string_view model);

/// Where a call is signed for: `aws_region_name`, the region in an ARN (`model_id` or the model's), the one before the
/// model ("eu-west-1/..."), AWS_REGION_NAME, AWS_REGION, AWS_DEFAULT_REGION, else us-west-2.
std::string aws_region(const AimInput& input);
/// The same of a target that `complete_aws` has seen.
std::string_view aws_region(const Target& target);

/// The runtime's address: `aws_bedrock_runtime_endpoint` or its variable, else the region's own host.
/// Errors: InvalidRequest when the region is none.
Result<std::string> bedrock_base_url(const AimInput& input);
/// Writes the region into `target`, where the codec reads it.
void complete_aws(const AimInput& input, Target& target);

}  // namespace turnpike::provider
