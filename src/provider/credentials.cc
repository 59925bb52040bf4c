#include <functional>

#include "base/text.h"
#include "credential/aws.h"
#include "credential/azure.h"
#include "credential/exchanged.h"
#include "credential/google.h"
#include "credential/shared_source.h"
#include "provider/aws.h"
#include "provider/own_aim.h"

// How each provider's credential is found: docs/credentials.md is the same for operators.
namespace turnpike::provider {
namespace {

using SourceRef = std::shared_ptr<credential::CredentialSource>;
using ParamNames = std::initializer_list<std::string_view>;

/// What the config line and the environment say, and a record of all that was read: it tells which deployments mean the
/// same credential.
class Reading {
 public:
  Reading(const AimInput& input, std::string_view kind) : input_(input) {
    note(kind), note(input.provider->label), note(input.ssl_ca_file), note(input.ssl_verify ? "1" : "0");
  }

  std::string setting(std::string_view param, ParamNames variables) { return note(input_.setting(param, variables)); }
  std::string line(std::string_view param) { return note(input_.setting(param, {})); }
  std::string variable(ParamNames names) { return note(input_.setting({}, names)); }
  base::Secret secret(std::string_view param, ParamNames variables) { return base::Secret(setting(param, variables)); }
  base::Secret secret_line(std::string_view param) { return base::Secret(line(param)); }
  base::Secret secret_variable(ParamNames names) { return base::Secret(variable(names)); }
  bool line_has(ParamNames params) const {
    for (const std::string_view param : params) {
      if (!input_.setting(param, {}).empty()) return true;
    }
    return false;
  }
  std::string note(std::string_view value) {
    identity_.append(value) += '\0';
    return std::string(value);
  }

  std::string label() const { return std::string(input_.provider->label); }
  credential::Trust trust() const { return {input_.ssl_verify, input_.ssl_ca_file}; }
  SourceRef share(const std::function<SourceRef()>& make) const { return credential::shared_source(identity_, make); }

 private:
  const AimInput& input_;
  std::string identity_;
};

SourceRef bearer(base::Secret token) {
  credential::Credential fixed;
  fixed.kind = credential::Credential::Kind::Bearer;
  fixed.token = std::move(token);
  return credential::static_credential(std::move(fixed));
}

std::string home_file(Reading& read, std::string_view below) {
  const std::string home = read.variable({"HOME"});
  return home.empty() ? std::string() : home + "/" + std::string(below);
}

// Google.

SourceRef vertex(const AimInput& input) {
  if (!input.api_key.empty()) return nullptr;  // Express mode: a plain key.
  Reading read(input, "google");
  credential::GoogleOptions options;
  options.label = read.label();
  options.trust = read.trust();
  options.credentials = read.secret("vertex_credentials", {"VERTEXAI_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS"});
  constexpr std::string_view kFile = "application_default_credentials.json";
  const std::string gcloud = read.variable({"CLOUDSDK_CONFIG"});
  options.well_known_file =
      gcloud.empty() ? home_file(read, ".config/gcloud/" + std::string(kFile)) : gcloud + "/" + std::string(kFile);
  options.metadata_host = read.variable({"GCE_METADATA_HOST", "GCE_METADATA_ROOT"});
  if (options.metadata_host.empty()) options.metadata_host = "metadata.google.internal";
  return read.share([&options] { return credential::google_credential(std::move(options)); });
}

// AWS.

void read_surroundings(Reading& read, credential::AwsOptions::Surroundings& around) {
  around.access_key_id = read.secret_variable({"AWS_ACCESS_KEY_ID"});
  around.secret_access_key = read.secret_variable({"AWS_SECRET_ACCESS_KEY"});
  around.session_token = read.secret_variable({"AWS_SESSION_TOKEN"});
  around.web_identity_token_file = read.variable({"AWS_WEB_IDENTITY_TOKEN_FILE"});
  around.role = read.variable({"AWS_ROLE_ARN"});
  around.session_name = read.variable({"AWS_ROLE_SESSION_NAME"});
  around.profile = read.variable({"AWS_PROFILE", "AWS_DEFAULT_PROFILE"});
  const std::string relative = read.variable({"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"});
  around.container_url =
      relative.empty() ? read.variable({"AWS_CONTAINER_CREDENTIALS_FULL_URI"}) : "http://169.254.170.2" + relative;
  around.container_token = read.secret_variable({"AWS_CONTAINER_AUTHORIZATION_TOKEN"});
  around.container_token_file = read.variable({"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"});
  if (base::equals_ignoring_case(read.variable({"AWS_EC2_METADATA_DISABLED"}), "true")) return;
  around.metadata_url = read.variable({"AWS_EC2_METADATA_SERVICE_ENDPOINT"});
  if (around.metadata_url.empty()) around.metadata_url = "http://169.254.169.254";
  while (around.metadata_url.ends_with('/')) around.metadata_url.pop_back();
}

SourceRef aws_keys(const AimInput& input) {
  Reading read(input, "aws");
  credential::AwsOptions options;
  options.label = read.label();
  options.trust = read.trust();
  options.region = read.note(aws_region(input));  // Where STS is asked.
  options.web_identity_token = read.secret("aws_web_identity_token", {"AWS_WEB_IDENTITY_TOKEN"});
  options.role = read.setting("aws_role_name", {"AWS_ROLE_NAME"});
  options.session_name = read.setting("aws_session_name", {"AWS_SESSION_NAME"});
  options.external_id = read.setting("aws_external_id", {"AWS_EXTERNAL_ID"});
  options.sts_endpoint = read.setting("aws_sts_endpoint", {"AWS_STS_ENDPOINT", "AWS_ENDPOINT_URL_STS"});
  options.access_key_id = read.secret_line("aws_access_key_id");
  options.secret_access_key = read.secret_line("aws_secret_access_key");
  options.session_token = read.secret_line("aws_session_token");
  options.profile = read.line("aws_profile_name");
  // Keys in the line are nearer than a profile of the environment.
  if (options.profile.empty() && options.access_key_id.empty()) options.profile = read.variable({"AWS_PROFILE_NAME"});
  options.config_file = read.variable({"AWS_CONFIG_FILE"});
  if (options.config_file.empty()) options.config_file = home_file(read, ".aws/config");
  options.credentials_file = read.variable({"AWS_SHARED_CREDENTIALS_FILE"});
  if (options.credentials_file.empty()) options.credentials_file = home_file(read, ".aws/credentials");
  options.variable = [environment = input.environment](const std::string& name) {
    return environment ? environment(name).value_or("") : std::string();
  };
  read_surroundings(read, options.around);
  return read.share([&options] { return credential::aws_credential(std::move(options)); });
}

SourceRef bedrock(const AimInput& input) {
  Reading read(input, "bedrock");
  if (!input.api_key.empty()) return bearer(input.api_key);
  if (!read.line_has({"aws_access_key_id", "aws_role_name", "aws_profile_name", "aws_web_identity_token"})) {
    if (base::Secret key = read.secret_variable({"AWS_BEARER_TOKEN_BEDROCK"}); !key.empty()) {
      return bearer(std::move(key));
    }
  }
  return aws_keys(input);
}

// Microsoft.

std::string azure_authority(Reading& read) {
  std::string authority = read.variable({"AZURE_AUTHORITY_HOST"});
  if (authority.empty()) authority = "login.microsoftonline.com";
  if (authority.find("://") == std::string::npos) authority.insert(0, "https://");
  while (authority.ends_with('/')) authority.pop_back();
  return authority;
}

/// Where a machine or an app of Azure's gives tokens to what runs on it: only when asked for.
void read_managed_identity(Reading& read, credential::AzureOptions& options) {
  const std::string wanted = read.variable({"AZURE_CREDENTIAL"});
  const bool managed = wanted == "ManagedIdentityCredential" || wanted == "DefaultAzureCredential";
  options.identity_url = read.variable({"IDENTITY_ENDPOINT"});
  options.identity_header = read.secret_variable({"IDENTITY_HEADER"});
  if (!managed) return;
  options.instance_url = read.variable({"AZURE_POD_IDENTITY_AUTHORITY_HOST"});
  if (options.instance_url.empty()) options.instance_url = "http://169.254.169.254";
  while (options.instance_url.ends_with('/')) options.instance_url.pop_back();
}

/// "oidc/file//var/run/token" in the place of an Entra token names a file whose token is exchanged for one.
std::string federated_file(std::string_view token) {
  constexpr std::string_view kFile = "oidc/file/";
  return token.starts_with(kFile) ? std::string(token.substr(kFile.size())) : std::string();
}

SourceRef entra(const AimInput& input, bool from_line) {
  Reading read(input, "azure");
  const auto setting = [&](std::string_view param, std::string_view variable) {
    return from_line ? read.setting(param, {variable}) : read.variable({variable});
  };
  credential::AzureOptions options;
  options.label = read.label();
  options.trust = read.trust();
  options.authority = azure_authority(read);
  options.scope = read.setting("azure_scope", {"AZURE_SCOPE"});
  if (options.scope.empty()) {
    options.scope = input.shape == Shape::Anthropic ? "https://ai.azure.com/.default"
                                                    : "https://cognitiveservices.azure.com/.default";
    read.note(options.scope);
  }
  options.tenant = setting("tenant_id", "AZURE_TENANT_ID");
  options.client_id = setting("client_id", "AZURE_CLIENT_ID");
  options.client_secret = base::Secret(setting("client_secret", "AZURE_CLIENT_SECRET"));
  options.username = setting("azure_username", "AZURE_USERNAME");
  options.password = base::Secret(setting("azure_password", "AZURE_PASSWORD"));
  options.federated_file = from_line ? federated_file(read.line("azure_ad_token")) : std::string();
  if (options.federated_file.empty()) options.federated_file = read.variable({"AZURE_FEDERATED_TOKEN_FILE"});
  read_managed_identity(read, options);
  if (!options.complete()) return nullptr;
  return read.share([&options] { return credential::azure_credential(std::move(options)); });
}

SourceRef azure(const AimInput& input) {
  if (!input.api_key.empty()) return nullptr;
  Reading read(input, "azure");
  base::Secret token = read.secret_line("azure_ad_token");
  const bool exchanged = token.reveal().starts_with("oidc/");
  if (!token.empty() && !exchanged) return bearer(std::move(token));
  if (exchanged || read.line_has({"tenant_id", "client_id", "client_secret", "azure_username"})) {
    if (SourceRef source = entra(input, true)) return source;
  }
  for (const std::string_view variable : input.provider->key_variables) {
    if (!read.variable({variable}).empty()) return nullptr;
  }
  token = read.secret_variable({"AZURE_AD_TOKEN"});
  if (!token.empty()) return bearer(std::move(token));
  return entra(input, false);
}

// IBM and Databricks.

SourceRef watsonx(const AimInput& input) {
  Reading read(input, "ibm");
  base::Secret key = input.api_key;
  if (key.empty()) {
    if (base::Secret token = read.secret("watsonx_token", {"WATSONX_TOKEN", "WX_TOKEN"}); !token.empty()) {
      return bearer(std::move(token));
    }
    // The codec sends a Kind::Key as "Authorization: ZenApiKey ..." (Cloud Pak for Data).
    if (base::Secret zen = read.secret("zen_api_key", {"WATSONX_ZENAPIKEY"}); !zen.empty()) {
      return credential::static_credential(std::move(zen));
    }
    for (const std::string_view variable : input.provider->key_variables) {
      if (key.empty()) key = read.secret_variable({variable});
    }
  }
  if (key.empty()) return nullptr;
  read.note(key.reveal());
  std::string url = read.variable({"WATSONX_IAM_URL"});
  if (url.empty()) url = "https://iam.cloud.ibm.com";
  if (url.find('/', url.find("://") + 3) == std::string::npos) url += "/identity/token";
  read.note(url);
  return read.share([&] { return credential::ibm_credential(read.label(), url, key, read.trust()); });
}

SourceRef databricks(const AimInput& input) {
  if (!input.api_key.empty()) return nullptr;
  Reading read(input, "databricks");
  for (const std::string_view variable : input.provider->key_variables) {
    if (!read.variable({variable}).empty()) return nullptr;
  }
  const std::string id = read.setting("client_id", {"DATABRICKS_CLIENT_ID"});
  const base::Secret secret = read.secret("client_secret", {"DATABRICKS_CLIENT_SECRET"});
  std::string workspace = input.api_base;
  if (workspace.empty()) workspace = read.variable({"DATABRICKS_API_BASE", "DATABRICKS_HOST"});
  if (id.empty() || secret.empty() || workspace.empty()) return nullptr;
  if (workspace.find("://") == std::string::npos) workspace.insert(0, "https://");
  workspace.resize(std::min(workspace.size(), workspace.find('/', workspace.find("://") + 3)));
  read.note(workspace);
  return read.share(
      [&] { return credential::databricks_credential(read.label(), workspace, id, secret, read.trust()); });
}

// Snowflake. LiteLLM tells programmatic access tokens from JWTs by "pat/", which is ours alone.

SourceRef snowflake(const AimInput& input) {
  constexpr std::string_view kPrefix = "pat/";
  const std::string key = snowflake_key(input);
  if (!key.starts_with(kPrefix)) return nullptr;
  return credential::static_credential(base::Secret(key.substr(kPrefix.size())));
}

struct Row {
  std::string_view provider;
  SourceRef (*source)(const AimInput&);
};
constexpr Row kRows[] = {
    {"azure", &azure},          {"azure_ai", &azure},           {"azure_text", &azure},
    {"bedrock", &bedrock},      {"bedrock_converse", &bedrock}, {"databricks", &databricks},
    {"sagemaker", &aws_keys},   {"sagemaker_chat", &aws_keys},  {"snowflake", &snowflake},
    {"vertex_ai", &vertex},     {"vertex_ai_beta", &vertex},    {"watsonx", &watsonx},
    {"watsonx_text", &watsonx},
};

}  // namespace

Result<std::shared_ptr<credential::CredentialSource>> own_credential(const AimInput& input) {
  for (const Row& row : kRows) {
    if (row.provider == input.provider->name) return row.source(input);
  }
  return nullptr;
}

}  // namespace turnpike::provider
