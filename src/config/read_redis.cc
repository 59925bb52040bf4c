#include <fmt/format.h>

#include <charconv>

#include "base/text.h"
#include "config/readers.h"
#include "config/redis_settings.h"

namespace turnpike::config {
namespace {

tl::unexpected<Error> malformed(std::string_view why) {
  return base::fail(ErrorKind::InvalidRequest,
                    fmt::format("{}; write redis://user:password@host:6379/0, or rediss:// for TLS, with %XX for what "
                                "is special in user and password",
                                why));
}

std::optional<std::int64_t> number_within(std::string_view text, std::int64_t least, std::int64_t most) {
  const auto number = base::parse_unsigned(text);
  if (!number || *number > static_cast<std::uint64_t>(most) || static_cast<std::int64_t>(*number) < least) return {};
  return static_cast<std::int64_t>(*number);
}

bool says_no(std::string_view text) {
  const std::string word = base::to_lower(text);
  return word == "none" || word == "false" || word == "no" || word == "0" || word == "off" || word.empty();
}

/// One option of a URL's query or of the environment, by redis-py's name. False: its value makes no sense.
bool set_option(RedisSettings& settings, std::string_view name, const std::string& value) {
  if (name == "host") {
    settings.host = value;
  } else if (name == "port") {
    const auto port = number_within(value, 1, 65'535);
    if (!port) return false;
    settings.port = static_cast<std::uint16_t>(*port);
  } else if (name == "db") {
    const auto database = number_within(value, 0, 1'000'000);
    if (!database) return false;
    settings.database = *database;
  } else if (name == "username") {
    settings.user = value;
  } else if (name == "password") {
    settings.password = base::Secret(value);
  } else if (name == "ssl") {
    settings.tls = !says_no(value);
  } else if (name == "ssl_cert_reqs") {
    settings.tls_verify = !says_no(value);
  } else if (name == "ssl_check_hostname") {
    settings.tls_verify_name = !says_no(value);
  } else if (name == "ssl_ca_certs") {
    settings.ca_file = value;
  } else if (name == "ssl_certfile") {
    settings.certificate_file = value;
  } else if (name == "ssl_keyfile") {
    settings.key_file = value;
  }
  return true;
}

constexpr std::string_view kOptions[] = {
    "host",         "port",         "db",         "username", "password", "ssl", "ssl_cert_reqs", "ssl_check_hostname",
    "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"};

Status read_query(RedisSettings& settings, std::string_view query) {
  for (const std::string_view word : base::split(query, '&')) {
    const std::size_t equals = word.find('=');
    const auto value = equals == std::string_view::npos ? std::string() : base::percent_decode(word.substr(equals + 1));
    const std::string_view name = word.substr(0, equals);
    if (!value || (name != "host" && name != "port" && !set_option(settings, name, *value))) {
      return malformed(fmt::format("the option \"{}\" in the URL of redis makes no sense", name));
    }
  }
  return {};
}

Status read_user(RedisSettings& settings, std::string_view text) {
  const std::size_t colon = text.find(':');
  const auto user = base::percent_decode(text.substr(0, colon));
  const auto password =
      colon == std::string_view::npos ? std::optional<std::string>("") : base::percent_decode(text.substr(colon + 1));
  if (!user || !password) return malformed("user or password in the URL of redis has a % that stands for no byte");
  settings.user = *user;
  settings.password = base::Secret(*password);
  return {};
}

Status read_place(RedisSettings& settings, std::string_view text) {
  const std::size_t bracket = text.starts_with('[') ? text.find(']') : 0;
  if (bracket == std::string_view::npos) return malformed("the host in the URL of redis has a [ without a ]");
  const std::size_t colon = text.find(':', bracket);
  settings.host = std::string(text.substr(0, colon));
  if (text.starts_with('[')) settings.host = std::string(text.substr(1, bracket - 1));
  if (settings.host.empty()) return malformed("the URL of redis names no host");
  if (colon == std::string_view::npos) return {};
  if (!set_option(settings, "port", std::string(text.substr(colon + 1)))) {
    return malformed("the port in the URL of redis is no number between 1 and 65535");
  }
  return {};
}

}  // namespace

std::string RedisSettings::shown() const {
  return fmt::format("redis{}://{}:{}/{}", tls ? "s" : "", host, port, database);
}

bool RedisSettings::operator==(const RedisSettings& other) const {
  const auto fields = [](const RedisSettings& of) {
    return std::tie(of.host, of.port, of.database, of.user, of.password.reveal(), of.tls, of.tls_verify,
                    of.tls_verify_name, of.ca_file, of.certificate_file, of.key_file, of.timeout, of.connect_timeout);
  };
  return fields(*this) == fields(other);
}

Result<RedisSettings> parse_redis_url(std::string_view url) {
  RedisSettings settings;
  const std::size_t scheme = url.find("://");
  const std::string_view name = url.substr(0, scheme);
  if (scheme == std::string_view::npos || (name != "redis" && name != "rediss")) {
    return malformed("the URL of redis does not begin with redis:// or rediss://");
  }
  settings.tls = name == "rediss";
  url.remove_prefix(scheme + 3);
  const std::size_t mark = url.find('?');
  std::string_view authority = url.substr(0, mark);
  if (const std::size_t slash = authority.find('/', authority.rfind('@') + 1); slash != std::string_view::npos) {
    const std::string database(authority.substr(slash + 1));
    if (!database.empty() && !set_option(settings, "db", database)) {
      return malformed("the database in the URL of redis is no number");
    }
    authority = authority.substr(0, slash);
  }
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    if (Status read = read_user(settings, authority.substr(0, at)); !read) return base::fail(std::move(read.error()));
    authority.remove_prefix(at + 1);
  }
  if (Status read = read_place(settings, authority); !read) return base::fail(std::move(read.error()));
  if (mark != std::string_view::npos) {
    if (Status read = read_query(settings, url.substr(mark + 1)); !read) return base::fail(std::move(read.error()));
  }
  return settings;
}

namespace {

void complain(Reading& reading, const Node* written, std::string_view name, std::string what) {
  reading.diagnostics.push_back(written != nullptr
                                    ? written->error(std::move(what))
                                    : Diagnostic{Severity::Error, {}, 0, std::string(name), std::move(what)});
}

/// A map that may hold redis-py's options ("host", or "redis_host" in router_settings).
void take_options(Reading& reading, const Node& map, const std::string& prefix, RedisSettings& settings) {
  if (const Node* const url = map.find(prefix.empty() ? "url" : "redis_url")) {
    Result<RedisSettings> parsed = parse_redis_url(url->as_text().value_or(""));
    if (!parsed) return complain(reading, url, "", parsed.error().message);
    settings = std::move(*parsed);
  }
  for (const std::string_view option : kOptions) {
    const Node* const node = map.find(prefix + std::string(option));
    if (node == nullptr) continue;
    const auto text = node->as_text();
    if (text && !set_option(settings, option, *text)) complain(reading, node, "", "makes no sense here");
  }
}

/// REDIS_URL, REDIS_HOST and the others.
void take_variables(Reading& reading, RedisSettings& settings) {
  const auto variable = [&reading](const std::string& name) {
    auto value = reading.document.environment(name);
    return value && value->empty() ? std::nullopt : value;
  };
  if (const auto url = variable("REDIS_URL")) {
    Result<RedisSettings> parsed = parse_redis_url(*url);
    if (!parsed) return complain(reading, nullptr, "REDIS_URL", parsed.error().message);
    settings = std::move(*parsed);
  }
  for (const std::string_view option : kOptions) {
    std::string name = "REDIS_";
    for (const char letter : option) {
      name += letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
    }
    const auto value = variable(name);
    if (value && !set_option(settings, option, *value)) complain(reading, nullptr, name, "makes no sense");
  }
}

/// Limits are counted on one server: what names several would leave them uncounted.
void refuse_several(Reading& reading, const Node* cache) {
  constexpr std::string_view kWhy =
      "limits are counted by one server of Redis: name that one (host, port); clusters and sentinels are not served";
  for (const std::string_view name : {"redis_startup_nodes", "startup_nodes", "sentinel_nodes", "service_name"}) {
    for (const Node* map :
         {cache, &reading.section("router_settings"), reading.section("router_settings").find("cache_kwargs")}) {
      const Node* const written = map == nullptr ? nullptr : map->find(name);
      if (written != nullptr && !written->is_null()) complain(reading, written, "", std::string(kWhy));
    }
  }
  for (const std::string name : {"REDIS_CLUSTER_NODES", "REDIS_SENTINEL_NODES"}) {
    if (const auto value = reading.document.environment(name); value && !value->empty())
      complain(reading, nullptr, name, std::string(kWhy));
  }
}

}  // namespace

RedisSettings read_redis(Reading& reading) {
  RedisSettings settings;
  const Node& router = reading.section("router_settings");
  const Node& litellm = reading.section("litellm_settings");
  const Node* const cache = litellm.find("cache_params");
  const bool cached = take(litellm, "cache", &Node::as_bool).value_or(false);
  const bool in_cache =
      cached && cache != nullptr && take(*cache, "type", &Node::as_text).value_or("redis").starts_with("redis");
  const bool in_router = router.find("redis_url") != nullptr || router.find("redis_host") != nullptr;
  // Variables alone ask for no Redis: they complete what the file asks for.
  if (!in_cache && !in_router) return settings;
  refuse_several(reading, in_cache && !in_router ? cache : nullptr);
  take_variables(reading, settings);
  if (in_cache && !in_router) take_options(reading, *cache, "", settings);
  if (in_router) {
    take_options(reading, router, "redis_", settings);
    if (const Node* const more = router.find("cache_kwargs")) take_options(reading, *more, "", settings);
  }
  if (settings.host.empty()) {
    complain(reading, in_router ? &router : cache, "",
             "names a Redis without a host, so limits would not be counted together");
  }
  if (const auto timeout = take(reading.section("turnpike"), "redis_timeout", &Node::as_time)) {
    settings.timeout = std::max(*timeout, std::chrono::milliseconds(1));
  }
  return settings;
}

}  // namespace turnpike::config
