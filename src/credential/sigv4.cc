#include "credential/sigv4.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/text.h"
#include "http/message.h"

namespace turnpike::credential {
namespace {

using Digest = base::Sha256;

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

/// Hop-by-hop fields, and those that proxies rewrite.
constexpr std::string_view kUnsigned[] = {"accept-encoding",
                                          "authorization",
                                          "connection",
                                          "expect",
                                          "keep-alive",
                                          "proxy-authenticate",
                                          "proxy-authorization",
                                          "te",
                                          "traceparent",
                                          "tracestate",
                                          "trailer",
                                          "transfer-encoding",
                                          "upgrade",
                                          "user-agent",
                                          "x-amzn-trace-id"};

std::string_view text_of(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

/// Each segment once more.
std::string encode_again(std::string_view path) {
  std::string out;
  out.reserve(path.size() + 16);
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    out += base::percent_encode(path.substr(at, end - at));
    if (end < path.size()) out += '/';
    at = end + 1;
  }
  return out.empty() ? "/" : out;
}

std::string sorted_query(std::string_view query) {
  if (query.empty()) return {};
  std::vector<std::pair<std::string_view, std::string_view>> pairs;
  for (const std::string_view item : base::split(query, '&')) {
    const std::size_t equals = std::min(item.find('='), item.size());
    pairs.emplace_back(item.substr(0, equals), item.substr(std::min(equals + 1, item.size())));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& [key, value] : pairs) {
    if (!out.empty()) out += '&';
    out.append(key).append("=").append(value);
  }
  return out;
}

/// White space at the ends goes, within it becomes one space.
std::string plain_value(std::string_view value) {
  std::string out;
  for (const char c : base::trim(value)) {
    const bool space = c == ' ' || c == '\t';
    if (space && out.ends_with(' ')) continue;
    out += space ? ' ' : c;
  }
  return out;
}

struct SignedFields {
  std::string names;  // "content-type;host;x-amz-date"
  std::string lines;  // "content-type:application/json\n..."
};

SignedFields signed_fields(std::string_view rendered, std::string_view host) {
  std::map<std::string, std::string> fields{{"host", plain_value(host)}};
  for (const std::string_view line : base::split(rendered, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string name = base::to_lower(base::trim(line.substr(0, colon)));
    if (name == "host" || std::find(std::begin(kUnsigned), std::end(kUnsigned), name) != std::end(kUnsigned)) continue;
    const auto [at, fresh] = fields.emplace(name, plain_value(line.substr(colon + 1)));
    if (!fresh) at->second.append(",").append(plain_value(line.substr(colon + 1)));
  }
  SignedFields out;
  for (const auto& [name, value] : fields) {
    out.names.append(out.names.empty() ? "" : ";").append(name);
    out.lines.append(name).append(":").append(value).append("\n");
  }
  return out;
}

/// "20150830T123600Z"
std::string compact_time(std::int64_t unix_s) {
  std::string time = base::iso_time(unix_s * 1'000'000);  // 2015-08-30T12:36:00.000000Z
  time.resize(time.find('.'));
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return time + "Z";
}

}  // namespace

std::string sigv4_fields(const SigningInput& input, const Credential& credential) {
  const std::string time = compact_time(input.now_s);
  const std::string day = time.substr(0, 8);
  std::string added;
  http::add_field(added, "X-Amz-Date", time);
  if (!credential.session_token.empty()) {
    http::add_field(added, "X-Amz-Security-Token", credential.session_token.reveal());
  }

  const SignedFields fields = signed_fields(std::string(input.fields) + added, input.host);
  const std::size_t mark = std::min(input.path.find('?'), input.path.size());
  std::string canonical(input.method);
  canonical.append("\n").append(encode_again(input.path.substr(0, mark)));
  canonical.append("\n").append(sorted_query(input.path.substr(std::min(mark + 1, input.path.size()))));
  canonical.append("\n").append(fields.lines).append("\n").append(fields.names);
  canonical.append("\n").append(base::to_hex(base::sha256(input.body)));

  std::string scope = day;
  scope.append("/").append(input.region).append("/").append(input.service).append("/aws4_request");
  std::string to_sign(kAlgorithm);
  to_sign.append("\n").append(time).append("\n").append(scope).append("\n").append(base::sha256_hex(canonical));

  Digest key = base::hmac_sha256("AWS4" + credential.secret_access_key.reveal(), day);
  for (const std::string_view part : {input.region, input.service, std::string_view("aws4_request")}) {
    key = base::hmac_sha256(text_of(key), part);
  }
  std::string proof(kAlgorithm);
  proof.append(" Credential=").append(credential.access_key_id.reveal()).append("/").append(scope);
  proof.append(", SignedHeaders=").append(fields.names);
  proof.append(", Signature=").append(base::to_hex(base::hmac_sha256(text_of(key), to_sign)));
  http::add_field(added, "Authorization", proof);
  return added;
}

}  // namespace turnpike::credential
