#include "config/readers.h"

namespace turnpike::config {

namespace {

/// Variables LiteLLM reads (config.md 10) and this version does not: silence would let people believe they count.
struct Variable {
  const char* name;
  const char* note;
};

constexpr Variable kNotYet[] = {
    {"SSL_KEYFILE_PATH", "callers are served without TLS; put a proxy that ends TLS in front"},
    {"SSL_CERTFILE_PATH", "callers are served without TLS; put a proxy that ends TLS in front"},
    {"SSL_CERTIFICATE", "no client certificate is sent to providers"},
    {"HTTP_PROXY", "providers are reached directly"},
    {"HTTPS_PROXY", "providers are reached directly"},
    {"SEPARATE_HEALTH_APP", "health routes are on the port of all others"},
    {"LITELLM_MODIFY_PARAMS", "requests are not repaired"},
};

}  // namespace

void check_environment(Reading& reading) {
  const auto set = [&](const char* name) {
    const std::string value = reading.document.environment(name).value_or("");
    return !value.empty() && value != "0" && value != "False" && value != "false";
  };
  for (const Variable& variable : kNotYet) {
    if (!set(variable.name)) continue;
    reading.diagnostics.push_back(
        {Severity::Warning, {}, 0, variable.name, std::string("is not honoured yet: ") + variable.note});
  }
  // LiteLLM would not even look at the file.
  if (set("LITELLM_CONFIG_BUCKET_NAME")) {
    reading.diagnostics.push_back({Severity::Error,
                                   {},
                                   0,
                                   "LITELLM_CONFIG_BUCKET_NAME",
                                   "the configuration is not read from a bucket yet: fetch the file, name it with "
                                   "--config and unset the variable"});
  }
}

}  // namespace turnpike::config
