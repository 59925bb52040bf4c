#include "protocol/field_readers.h"

#include "json/write.h"
#include "protocol/key_set.h"

namespace turnpike::protocol {
namespace {

using json::Kind;
using json::Value;

constexpr std::string_view kRedirecting[] = {
    "api_base",
    "base_url",
    "api_key",
    "api_version",
    "api_type",
    "organization",
    "custom_llm_provider",
    "litellm_credential_name",
    "user_config",
    "model_list",
    "extra_headers",
    "headers",
    "default_headers",
    "proxy",
    "proxies",
    "http_proxy",
    "https_proxy",
    "client_id",
    "client_secret",
    "tenant_id",
    "zen_api_key",
    "region_name",
    "callbacks",
    "success_callback",
    "failure_callback",
    "callback_settings",
    "webhook_url",
    "slack_webhook_url",
    "langfuse_host",
    "langfuse_public_key",
    "langfuse_secret",
    "langfuse_secret_key",
    "langsmith_api_key",
    "langsmith_base_url",
    "langsmith_project",
    "gcs_bucket_name",
    "gcs_path_service_account",
    "arize_api_key",
    "arize_space_key",
    "arize_space_id",
    "dd_site",
    "dd_api_key",
};
constexpr std::string_view kRedirectingPrefixes[] = {"aws_", "vertex_", "azure_", "watsonx_"};

Status read_fallback(const Value& value, std::string_view param, std::string_view group, std::size_t entries_max,
                     std::vector<domain::FallbackWish>& fallbacks) {
  const std::string name(param);
  if (fallbacks.size() == entries_max) {
    return refuse(param, "'" + name + "' holds more than " + std::to_string(entries_max) + " entries");
  }
  domain::FallbackWish fallback;
  fallback.group = group;
  if (auto model = value.text()) {
    fallback.model = std::move(*model);
  } else if (const auto named = value.find("model").text()) {
    if (auto checked = check_redirects(value); !checked) return checked;
    fallback.model = *named;
    json::Writer writer(fallback.overrides_json);
    writer.begin_object();
    bool any = false;
    for (const Value::Pair& pair : value.members()) {
      const auto key = pair.key.text();
      if (!key || *key == "model") continue;
      writer.key(*key).raw(pair.value.raw());
      any = true;
    }
    writer.end_object();
    if (!any) fallback.overrides_json.clear();
  } else {
    return refuse(param, "each entry of '" + name + "' must be a model name or an object with 'model'");
  }
  fallbacks.push_back(std::move(fallback));
  return {};
}

}  // namespace

bool asks_for_nothing(const Value& value) {
  switch (value.kind()) {
    case Kind::Null:
      return true;
    case Kind::Bool:
      return value.raw() == "false";
    case Kind::Number:
      return false;
    case Kind::String:
      return value.inner().empty();
    case Kind::Array:
      return value.elements().empty();
    case Kind::Object:
      return value.members().begin() == value.members().end();
  }
  return false;
}

bool redirects(std::string_view key) {
  for (const std::string_view prefix : kRedirectingPrefixes) {
    if (key.starts_with(prefix)) return true;
  }
  static constexpr KeySet kSet{kRedirecting};
  return kSet.has(key);
}

tl::unexpected<Error> refuse(std::string_view param, std::string message) {
  Error error;
  error.kind = ErrorKind::InvalidRequest;
  error.message = std::move(message);
  error.param = param;
  return base::fail(std::move(error));
}

tl::unexpected<Error> refuse_redirect(std::string_view key) {
  return refuse(key, "Rejected Request: " + std::string(key) + " is not allowed in request body");
}

Status check_redirects(const Value& value) {
  for (const Value::Pair& pair : value.members()) {
    const auto key = pair.key.text();
    if (!key) return refuse("", "not valid JSON: a member name holds a broken escape");
    if (redirects(*key)) return refuse_redirect(*key);
    if (auto checked = check_redirects(pair.value); !checked) return checked;
  }
  for (const Value element : value.elements()) {
    if (auto checked = check_redirects(element); !checked) return checked;
  }
  return {};
}

Status read_flag(const Value& value, std::string_view param, bool& out) {
  if (value.is(Kind::Null)) return {};
  const auto flag = value.boolean();
  if (!flag) return refuse(param, "'" + std::string(param) + "' must be true or false");
  out = *flag;
  return {};
}

Status read_text(const Value& value, std::string_view param, std::string& out) {
  if (value.is(Kind::Null)) return {};
  auto text = value.text();
  if (!text) return refuse(param, "'" + std::string(param) + "' must be a string");
  out = std::move(*text);
  return {};
}

Status read_count(const Value& value, std::string_view param, std::uint64_t max, std::optional<std::uint64_t>& out) {
  if (value.is(Kind::Null)) return {};
  out = value.whole();
  if (!out || *out > max) {
    return refuse(param, "'" + std::string(param) + "' must be a whole number from 0 to " + std::to_string(max));
  }
  return {};
}

Status read_seconds(const Value& value, std::string_view param, std::optional<double>& out) {
  if (value.is(Kind::Null)) return {};
  out = value.number();
  constexpr double kYear = 366.0 * 86400;
  if (!out || *out < 0 || *out > kYear) return refuse(param, "'" + std::string(param) + "' must be seconds, 0 or more");
  return {};
}

Status read_fallbacks(const Value& value, std::string_view param, std::size_t entries_max,
                      std::optional<std::vector<domain::FallbackWish>>& out) {
  if (value.is(Kind::Null)) return {};
  if (!value.is(Kind::Array)) return refuse(param, "'" + std::string(param) + "' must be a list");
  auto& fallbacks = out.emplace();
  for (const Value element : value.elements()) {
    // {"gpt-4o": ["claude"]}: for one group, as a configuration writes it.
    const bool by_group = element.is(Kind::Object) && !element.find("model");
    if (!by_group) {
      if (auto read = read_fallback(element, param, "", entries_max, fallbacks); !read) return read;
      continue;
    }
    for (const Value::Pair& pair : element.members()) {
      const auto group = pair.key.text();
      if (!group || !pair.value.is(Kind::Array)) {
        return refuse(param,
                      "each entry of '" + std::string(param) + "' must be a model name or an object with 'model'");
      }
      for (const Value target : pair.value.elements()) {
        if (auto read = read_fallback(target, param, *group, entries_max, fallbacks); !read) return read;
      }
    }
  }
  return {};
}

}  // namespace turnpike::protocol
