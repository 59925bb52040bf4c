#include <fmt/core.h>

#include "base/secret.h"
#include "base/text.h"
#include "http/client.h"

namespace turnpike::http {

std::string Origin::key() const {
  std::string text = fmt::format("{}://{}:{}", tls ? "https" : "http", host, port);
  if (tls && !verify) text += " (unverified)";
  if (!ca_file.empty()) text += " (roots: " + ca_file + ")";
  return text;
}

void Origin::append_host(std::string& out) const {
  const bool v6 = host.find(':') != std::string::npos;
  if (v6) out += '[';
  out += host;
  if (v6) out += ']';
  if (port != (tls ? 443 : 80)) out.append(":").append(std::to_string(port));
}

Result<BaseUrl> parse_base_url(std::string_view url) {
  const auto refuse = [&](std::string_view why) {
    return base::fail(ErrorKind::InvalidRequest,
                      fmt::format("\"{}\" is no base URL: {}. Write it like https://api.example.com/v1.",
                                  base::without_credentials(url), why));
  };
  BaseUrl base;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    base.origin.tls = true;
    base.origin.port = 443;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return refuse("it does not start with http:// or https://");
  }
  const std::size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  std::string_view path = slash == std::string_view::npos ? std::string_view() : rest.substr(slash);
  if (path.find_first_of("?#") != std::string_view::npos) return refuse("it holds a query or a fragment");
  if (authority.find('@') != std::string_view::npos) return refuse("it holds credentials");
  for (const char c : url) {
    if (c <= ' ' || c == 0x7f) return refuse("it holds a space or a control character");
  }
  std::size_t colon = authority.rfind(':');
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == std::string_view::npos) return refuse("its IPv6 address has no closing bracket");
    base.origin.host = authority.substr(1, close - 1);
    colon = close + 1 < authority.size() && authority[close + 1] == ':' ? close + 1 : std::string_view::npos;
  } else {
    base.origin.host = authority.substr(0, colon);
  }
  if (base.origin.host.empty()) return refuse("it names no host");
  if (colon != std::string_view::npos) {
    const std::optional<std::uint64_t> port = base::parse_unsigned(authority.substr(colon + 1));
    if (!port || *port == 0 || *port > 65'535) return refuse("its port is not a number from 1 to 65535");
    base.origin.port = static_cast<std::uint16_t>(*port);
  }
  while (path.ends_with('/')) path.remove_suffix(1);
  base.path = path;
  return base;
}

}  // namespace turnpike::http
