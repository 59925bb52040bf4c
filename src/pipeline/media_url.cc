#include <algorithm>
#include <array>

#include "base/text.h"
#include "json/document.h"
#include "pipeline/fetch_media.h"

// The pure parts of fetching a file: what a URL says, what a file is, which address may be asked.
namespace turnpike::pipeline {
namespace {

constexpr std::size_t kUrlBytesMax = 8 * 1024;

/// "https://host:8080" of a URL that begins with it; empty when it has none.
std::string_view authority_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  return url.substr(0, url.find_first_of("/?#", scheme + 3));
}

struct Magic {
  std::size_t at;
  std::string_view bytes;
  std::string_view mime;
};
using namespace std::string_view_literals;
constexpr Magic kMagics[] = {
    {0, "\x89PNG\r\n\x1a\n"sv, "image/png"},
    {0, "\xff\xd8\xff"sv, "image/jpeg"},
    {0, "GIF87a"sv, "image/gif"},
    {0, "GIF89a"sv, "image/gif"},
    {8, "WEBP"sv, "image/webp"},
    {8, "WAVE"sv, "audio/wav"},
    {0, "%PDF-"sv, "application/pdf"},
    {4, "ftypheic"sv, "image/heic"},
    {4, "ftypheix"sv, "image/heic"},
    {4, "ftypmif1"sv, "image/heif"},
    {4, "ftypavif"sv, "image/avif"},
    {4, "ftypM4A"sv, "audio/mp4"},
    {4, "ftypqt"sv, "video/quicktime"},
    {4, "ftyp"sv, "video/mp4"},
    {0, "OggS"sv, "audio/ogg"},
    {0, "fLaC"sv, "audio/flac"},
    {0, "ID3"sv, "audio/mpeg"},
    {0, "\xff\xfb"sv, "audio/mpeg"},
    {0, "BM"sv, "image/bmp"},
    {0, "II*\0"sv, "image/tiff"},
    {0, "MM\0*"sv, "image/tiff"},
};

bool is_riff(std::string_view bytes) {
  return bytes.starts_with("RIFF");
}

bool find_string(const json::Value& at, std::string_view value, std::string& path) {
  if (at.is(json::Kind::String))
    return at.inner() == value || (at.inner().size() >= value.size() && at.text() == value);
  const std::size_t length = path.size();
  std::size_t index = 0;
  for (const json::Value element : at.elements()) {
    path.append("[").append(std::to_string(index++)).append("]");
    if (find_string(element, value, path)) return true;
    path.resize(length);
  }
  for (const json::Value::Pair pair : at.members()) {
    path.append(length == 0 ? "" : ".").append(pair.key.inner());
    if (find_string(pair.value, value, path)) return true;
    path.resize(length);
  }
  return false;
}

}  // namespace

Result<MediaUrl> parse_media_url(std::string_view url) {
  const auto refuse = [](std::string why) { return base::fail(ErrorKind::InvalidRequest, std::move(why)); };
  if (url.size() > kUrlBytesMax) return refuse("it is longer than 8 KiB");
  const std::string_view authority = authority_of(url);
  // Schemes compare without regard to case; the parser below wants them lower.
  const std::string lower = base::to_lower(authority);
  if (!lower.starts_with("http://") && !lower.starts_with("https://")) return refuse("it is no http or https URL");
  Result<http::BaseUrl> base = http::parse_base_url(lower);
  if (!base) return refuse("it names no host that can be asked, or holds credentials");
  MediaUrl parts;
  parts.origin = std::move(base->origin);
  if (parts.origin.host.ends_with('.')) parts.origin.host.pop_back();
  parts.path = url.substr(authority.size());
  parts.path.resize(std::min(parts.path.size(), parts.path.find('#')));
  if (!parts.path.starts_with('/')) parts.path.insert(0, "/");
  const bool plain = std::all_of(parts.path.begin(), parts.path.end(), [](char c) { return c > ' ' && c < 0x7f; });
  if (!plain || parts.origin.host.empty()) return refuse("it holds a character that must be percent-encoded");
  return parts;
}

std::string follow_redirect(std::string_view from, std::string_view location) {
  location = base::trim(location);
  const std::string_view authority = authority_of(from);
  if (location.empty()) return {};
  if (location.starts_with("//")) return std::string(authority.substr(0, authority.find(':') + 1)).append(location);
  if (location.starts_with('/')) return std::string(authority).append(location);
  const std::size_t scheme = location.find("://");
  if (scheme != std::string_view::npos && scheme < location.find_first_of("/?#")) return std::string(location);
  // Relative to the directory of the path.
  std::string_view path = from.substr(authority.size());
  path = path.substr(0, path.find_first_of("?#"));
  path = path.substr(0, path.rfind('/') + 1);
  return std::string(authority).append(path.empty() ? "/" : path).append(location);
}

std::string media_type(std::string_view bytes, std::string_view content_type) {
  for (const Magic& magic : kMagics) {
    if (bytes.size() < magic.at || !bytes.substr(magic.at).starts_with(magic.bytes)) continue;
    if (magic.at == 8 && !is_riff(bytes)) continue;
    return std::string(magic.mime);
  }
  const std::string type = base::to_lower(base::trim(content_type.substr(0, content_type.find(';'))));
  // Both mean that the host does not know.
  return type == "application/octet-stream" || type == "binary/octet-stream" ? std::string() : type;
}

std::string field_of(std::string_view json, std::string_view value) {
  json::Document document;
  std::string path;
  if (!document.parse(json) || !find_string(document.root(), value, path)) return {};
  return path;
}

MediaAddresses::MediaAddresses(const std::vector<std::string>& allow, std::string_view host) {
  for (const std::string& entry : allow) {
    if (std::optional<http::AddressRange> range = http::AddressRange::parse(entry)) {
      ranges_.push_back(std::move(*range));
    } else if (base::equals_ignoring_case(entry, host)) {
      host_allowed_ = true;
    }
  }
}

bool MediaAddresses::allows(const net::Address& address) const {
  if (host_allowed_) return true;
  for (const http::AddressRange& range : ranges_) {
    if (range.contains(address)) return true;
  }
  const std::uint16_t port = address.port();
  return http::is_public(address) && (port == 80 || port == 443);
}

}  // namespace turnpike::pipeline
