#include "protocol/media.h"

#include <utility>

#include "base/text.h"
#include "json/document.h"
#include "json/write.h"

namespace turnpike::protocol {
namespace {

constexpr std::pair<std::string_view, std::string_view> kMimes[] = {
    {"aac", "audio/aac"},
    {"avif", "image/avif"},
    {"bmp", "image/bmp"},
    {"css", "text/css"},
    {"csv", "text/csv"},
    {"doc", "application/msword"},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"flac", "audio/flac"},
    {"flv", "video/x-flv"},
    {"gif", "image/gif"},
    {"heic", "image/heic"},
    {"htm", "text/html"},
    {"html", "text/html"},
    {"jpeg", "image/jpeg"},
    {"jpg", "image/jpeg"},
    {"json", "application/json"},
    {"m4a", "audio/mp4"},
    {"md", "text/markdown"},
    {"mkv", "video/x-matroska"},
    {"mov", "video/quicktime"},
    {"mp3", "audio/mpeg"},
    {"mp4", "video/mp4"},
    {"mpeg", "video/mpeg"},
    {"mpg", "video/mpeg"},
    {"ogg", "audio/ogg"},
    {"opus", "audio/opus"},
    {"pdf", "application/pdf"},
    {"png", "image/png"},
    {"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"svg", "image/svg+xml"},
    {"tif", "image/tiff"},
    {"tiff", "image/tiff"},
    {"txt", "text/plain"},
    {"wav", "audio/wav"},
    {"webm", "video/webm"},
    {"webp", "image/webp"},
    {"wmv", "video/x-ms-wmv"},
    {"xls", "application/vnd.ms-excel"},
    {"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"xml", "text/xml"},
    {"3gp", "video/3gpp"},
};

bool is_object(std::string_view text) {
  json::Document document;
  return document.parse(text) && document.root().is(json::Kind::Object);
}

}  // namespace

std::string_view usual_mime(std::string_view mime) {
  return mime == "image/jpg" ? "image/jpeg" : mime;
}

bool read_address(std::string_view address, Media& media) {
  for (const std::string_view scheme : {"https://", "http://", "gs://", "s3://"}) {
    if (!address.starts_with(scheme)) continue;
    media.url = address;
    return true;
  }
  constexpr std::string_view kData = "data:";
  constexpr std::string_view kBase64 = ";base64";
  const std::size_t comma = address.find(',');
  if (!address.starts_with(kData) || comma == std::string_view::npos) return false;
  const std::string_view type = address.substr(kData.size(), comma - kData.size());
  if (!type.ends_with(kBase64)) return false;
  const std::string_view mime = type.substr(0, type.find(';'));
  if (!mime.empty()) media.mime = usual_mime(mime);
  media.base64 = address.substr(comma + 1);
  return true;
}

std::string_view mime_of_name(std::string_view name) {
  if (name.find("://") != std::string_view::npos) name = name.substr(0, name.find_first_of("?#"));
  const std::size_t dot = name.find_last_of("./");
  if (dot == std::string_view::npos || name[dot] != '.') return {};
  for (const auto& [ending, mime] : kMimes) {
    if (base::equals_ignoring_case(name.substr(dot + 1), ending)) return mime;
  }
  return {};
}

std::string_view arguments_object(std::string_view arguments, Texts& texts) {
  const std::string_view text = base::trim(arguments);
  if (text.empty() || text == "{}" || text == "null") return "{}";
  if (is_object(text)) return text;
  return texts.keep("{\"INVALID_JSON\":" + json::quoted(text) + "}");
}

SignedId split_signed_id(std::string_view id) {
  const std::size_t at = id.find(kThoughtMark);
  if (at == std::string_view::npos) return {id, {}};
  return {id.substr(0, at), id.substr(at + kThoughtMark.size())};
}

}  // namespace turnpike::protocol
