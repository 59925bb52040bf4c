#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/text.h"
#include "config/readers.h"

namespace turnpike::config {
namespace {

/// "10.0.0.0/8", "2001:db8::/32" or one address.
bool is_address_range(const std::string& text) {
  const std::size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  unsigned char bytes[16];
  const bool four = ::inet_pton(AF_INET, address.c_str(), bytes) == 1;
  if (!four && ::inet_pton(AF_INET6, address.c_str(), bytes) != 1) return false;
  if (slash == std::string::npos) return true;
  const std::optional<std::uint64_t> bits = base::parse_unsigned(std::string_view(text).substr(slash + 1));
  return bits && *bits <= (four ? 32u : 128u);
}

void take_ranges(Reading& reading, const Node& section, std::string_view key, std::vector<std::string>& target) {
  const auto texts = take(section, key, &Node::as_text_list);
  if (!texts) return;
  for (const std::string& text : *texts) {
    if (is_address_range(text)) continue;
    reading.diagnostics.push_back(section.find(key)->error(
        fmt::format("\"{}\" is no address or range; write it like 10.1.2.3, 10.0.0.0/8 or 2001:db8::/32", text)));
  }
  target = *texts;
}

}  // namespace

void read_access(Reading& reading, const Node& section, GeneralSettings& settings) {
  take_ranges(reading, section, "allowed_ips", settings.allowed_ips);
  take_into(settings.enforced_params, section, "enforced_params", &Node::as_text_list);
  if (const Node* accounts = section.find("service_account_settings"))
    take_into(settings.service_account_params, *accounts, "enforced_params", &Node::as_text_list);
  take_into(settings.enforce_user_param, section, "enforce_user_param", &Node::as_bool);
  take_into(settings.reject_clientside_metadata_tags, section, "reject_clientside_metadata_tags", &Node::as_bool);
}

void read_key_access(Reading& reading, const Node& section, TurnpikeSettings& settings) {
  take_into(settings.key_cache_max_staleness, section, "key_cache_max_staleness", &Node::as_time);
  take_ranges(reading, section, "trusted_proxies", settings.trusted_proxies);
}

}  // namespace turnpike::config
