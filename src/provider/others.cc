#include "provider/own_aim.h"

namespace turnpike::provider {
namespace {

constexpr std::string_view kWatsonxVersion = "2024-03-13";  // LiteLLM's default.

tl::unexpected<Error> missing(const AimInput& input, std::string_view what) {
  return base::fail(ErrorKind::InvalidRequest,
                    std::string(input.provider->label) + " has an address for each customer: set " + std::string(what));
}

Result<std::string> cloudflare_url(const AimInput& input) {
  const std::string account = input.setting("cloudflare_account_id", {"CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID"});
  if (account.empty()) return missing(input, "api_base or the variable CLOUDFLARE_ACCOUNT_ID");
  return "https://api.cloudflare.com/client/v4/accounts/" + account + "/ai/v1";
}

Result<std::string> snowflake_url(const AimInput& input) {
  const std::string account = input.setting("snowflake_account_id", {"SNOWFLAKE_ACCOUNT_ID"});
  if (account.empty()) return missing(input, "api_base or the variable SNOWFLAKE_ACCOUNT_ID");
  return "https://" + account + ".snowflakecomputing.com";
}

Result<std::string> watsonx_url(const AimInput& input) {
  const std::string region = input.setting("watsonx_region_name", {"WATSONX_REGION"});
  if (region.empty()) return missing(input, "api_base or one of the variables WATSONX_URL, WATSONX_REGION");
  return "https://" + region + ".ml.cloud.ibm.com";
}

/// "my.databricks.com" is what Databricks' own tools write.
Result<std::string> databricks_url(const AimInput& input) {
  const std::string host = input.setting("databricks_host", {"DATABRICKS_HOST"});
  if (host.empty()) return missing(input, "api_base or one of the variables DATABRICKS_API_BASE, DATABRICKS_HOST");
  return host.find("://") == std::string::npos ? "https://" + host : host;
}

/// What stands in front of an operation's path where the base names the host only.
void put_in_front(Target& target, std::string_view path) {
  if (target.base.path.empty()) target.base.path = path;
}

void complete_watsonx(const AimInput& input, Target& target) {
  if (target.api_version.empty()) target.api_version = input.setting("watsonx_api_version", {"WATSONX_API_VERSION"});
  if (target.api_version.empty()) target.api_version = kWatsonxVersion;
  const auto take = [&](std::string_view param, std::initializer_list<std::string_view> variables) {
    if (!target.param(param).empty()) return;
    std::string value = input.setting(param, variables);
    if (!value.empty()) target.params.emplace_back(param, base::Secret(std::move(value)));
  };
  take("watsonx_project_id", {"WATSONX_PROJECT_ID", "WX_PROJECT_ID", "PROJECT_ID"});
  take("watsonx_space_id", {"WATSONX_SPACE_ID", "WATSONX_DEPLOYMENT_SPACE_ID", "WX_SPACE_ID", "SPACE_ID"});
}

void complete_cloudflare(const AimInput&, Target& target) {
  // LiteLLM's base is that of Cloudflare's native calls.
  if (target.base.path.ends_with("/ai/run")) target.base.path.replace(target.base.path.size() - 3, 3, "v1");
}

void complete_databricks(const AimInput&, Target& target) {
  put_in_front(target, "/serving-endpoints");
}

void complete_snowflake(const AimInput& input, Target& target) {
  put_in_front(target, "/api/v2/cortex/v1");
  constexpr std::string_view kField = "X-Snowflake-Authorization-Token-Type: ";
  if (target.extra_fields.find(kField) != std::string::npos) return;
  const std::string key = snowflake_key(input);
  const bool jwt = key.starts_with("eyJ");
  if (!jwt && !key.starts_with("pat/")) return;  // OAuth, which Snowflake tells itself.
  target.extra_fields.append(kField).append(jwt ? "KEYPAIR_JWT" : "PROGRAMMATIC_ACCESS_TOKEN").append("\r\n");
}

void complete_datarobot(const AimInput&, Target& target) {
  std::string& path = target.base.path;
  if (path.empty()) path = "/api/v2";
  if (path == "/api/v2") path += "/genai/llmgw";
}

struct ProviderRow {
  std::string_view provider;
  Result<std::string> (*base_url)(const AimInput&) = nullptr;
  void (*complete)(const AimInput&, Target&) = nullptr;
};

constexpr ProviderRow kProviderRows[] = {
    {"cloudflare", &cloudflare_url, &complete_cloudflare}, {"databricks", &databricks_url, &complete_databricks},
    {"datarobot", nullptr, &complete_datarobot},           {"snowflake", &snowflake_url, &complete_snowflake},
    {"watsonx", &watsonx_url, &complete_watsonx},          {"watsonx_text", &watsonx_url, &complete_watsonx},
    {"workers-ai", &cloudflare_url, &complete_cloudflare},
};

const ProviderRow* find_row(const AimInput& input) {
  for (const ProviderRow& row : kProviderRows) {
    if (row.provider == input.provider->name) return &row;
  }
  return nullptr;
}

}  // namespace

Result<std::string> account_base_url(const AimInput& input) {
  const ProviderRow* row = find_row(input);
  if (row == nullptr || row->base_url == nullptr) return std::string();
  return row->base_url(input);
}

std::string snowflake_key(const AimInput& input) {
  if (!input.api_key.empty()) return input.api_key.reveal();
  if (std::string key = input.setting({}, {"SNOWFLAKE_JWT"}); !key.empty()) return key;
  const std::string token = input.setting({}, {"SNOWFLAKE_PAT"});
  return token.empty() || token.starts_with("pat/") ? token : "pat/" + token;
}

void complete_other(const AimInput& input, Target& target) {
  const ProviderRow* row = find_row(input);
  if (row != nullptr && row->complete != nullptr) row->complete(input, target);
}

}  // namespace turnpike::provider
