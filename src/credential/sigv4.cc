#include "credential/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <map>
#include <memory>
#include <stdexcept>
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

Digest hmac(std::string_view key, std::string_view text) {
  Digest digest;
  unsigned length = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
           text.size(), digest.data(), &length) == nullptr) {
    throw std::runtime_error("HMAC-SHA-256 is not available");
  }
  return digest;
}

std::string hash_of(std::span<const std::string_view> pieces) {
  if (pieces.size() == 1) return base::sha256_hex(pieces[0]);
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  Digest digest;
  bool good = EVP_DigestInit_ex2(context.get(), EVP_sha256(), nullptr) == 1;
  for (const std::string_view piece : pieces) {
    good = good && EVP_DigestUpdate(context.get(), piece.data(), piece.size()) == 1;
  }
  if (!good || EVP_DigestFinal_ex(context.get(), digest.data(), nullptr) != 1) {
    throw std::runtime_error("SHA-256 is not available");
  }
  return base::to_hex(digest);
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

std::string encode_again(std::string_view path) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(path.size() + 16);
  for (const char c : path) {
    if (is_unreserved(c) || c == '/') {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
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
  canonical.append("\n").append(hash_of(input.body));

  std::string scope = day;
  scope.append("/").append(input.region).append("/").append(input.service).append("/aws4_request");
  std::string to_sign(kAlgorithm);
  to_sign.append("\n").append(time).append("\n").append(scope).append("\n").append(base::sha256_hex(canonical));

  Digest key = hmac("AWS4" + credential.secret_access_key.reveal(), day);
  for (const std::string_view part : {input.region, input.service, std::string_view("aws4_request")}) {
    key = hmac(text_of(key), part);
  }
  std::string proof(kAlgorithm);
  proof.append(" Credential=").append(credential.access_key_id.reveal()).append("/").append(scope);
  proof.append(", SignedHeaders=").append(fields.names);
  proof.append(", Signature=").append(base::to_hex(hmac(text_of(key), to_sign)));
  http::add_field(added, "Authorization", proof);
  return added;
}

}  // namespace turnpike::credential
