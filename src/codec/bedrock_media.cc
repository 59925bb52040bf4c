#include "codec/bedrock_media.h"

#include "json/write.h"
#include "protocol/media.h"

namespace turnpike::codec {
namespace {

using protocol::Block;
using protocol::Media;

struct Format {
  std::string_view mime;
  std::string_view member;  // Of the content block.
  std::string_view format;
};

// Source: Bedrock's service model, ImageFormat, DocumentFormat, VideoFormat, AudioFormat.
constexpr Format kFormats[] = {
    {"image/png", "image", "png"},
    {"image/jpeg", "image", "jpeg"},
    {"image/gif", "image", "gif"},
    {"image/webp", "image", "webp"},
    {"application/pdf", "document", "pdf"},
    {"text/csv", "document", "csv"},
    {"application/msword", "document", "doc"},
    {"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document", "docx"},
    {"application/vnd.ms-excel", "document", "xls"},
    {"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "document", "xlsx"},
    {"text/html", "document", "html"},
    {"text/plain", "document", "txt"},
    {"text/markdown", "document", "md"},
    {"video/x-matroska", "video", "mkv"},
    {"video/quicktime", "video", "mov"},
    {"video/mp4", "video", "mp4"},
    {"video/webm", "video", "webm"},
    {"video/x-flv", "video", "flv"},
    {"video/mpeg", "video", "mpeg"},
    {"video/x-ms-wmv", "video", "wmv"},
    {"video/3gpp", "video", "three_gp"},
    {"audio/mpeg", "audio", "mp3"},
    {"audio/mp3", "audio", "mp3"},
    {"audio/wav", "audio", "wav"},
    {"audio/x-wav", "audio", "wav"},
    {"audio/ogg", "audio", "ogg"},
    {"audio/opus", "audio", "opus"},
    {"audio/flac", "audio", "flac"},
    {"audio/aac", "audio", "aac"},
    {"audio/mp4", "audio", "mp4"},
    {"audio/m4a", "audio", "m4a"},
    {"audio/webm", "audio", "webm"},
    {"audio/pcm", "audio", "pcm"},
};

const Format* find_format(std::string_view mime) {
  mime = protocol::usual_mime(mime.substr(0, mime.find(';')));
  for (const Format& format : kFormats) {
    if (format.mime == mime) return &format;
  }
  return nullptr;
}

struct Source {
  std::string_view mime;
  std::string json;          // {"bytes":...} or {"s3Location":...}
  std::string_view content;  // What tells one document from another.
};

tl::unexpected<Error> refuse(std::string_view why) {
  return base::fail(ErrorKind::InvalidRequest, std::string(why));
}

Result<Source> source_of(const Media& media) {
  Source source;
  source.mime = media.mime;
  if (media.base64.empty() && !media.url.empty()) {
    if (media.url.starts_with("s3://")) {
      source.content = media.url;
      source.json = "{\"s3Location\":{\"uri\":" + json::quoted(media.url) + "}}";
      return source;
    }
    return refuse("is at an address that nobody can read for it: send the bytes, or an http(s) or s3 address");
  }
  if (media.base64.empty()) return refuse("names a file of another provider's store, or nothing at all");
  source.content = media.base64;
  source.json = "{\"bytes\":" + json::quoted(media.base64) + "}";
  return source;
}

}  // namespace

Result<std::string> bedrock_media(const Block& block, BedrockDocumentNames& names) {
  const Media& media = block.media;
  auto source = source_of(media);
  if (!source) return base::fail(std::move(source.error()));
  const std::string audio_mime = "audio/" + std::string(media.format);
  const bool audio = block.kind == Block::Kind::Audio && !media.format.empty();
  const Format* format = find_format(audio ? std::string_view(audio_mime) : source->mime);
  if (format == nullptr) {
    return refuse("is of a type that Bedrock does not take: \"" +
                  std::string(audio ? std::string_view(audio_mime) : source->mime) + "\"");
  }
  std::string json = "{" + json::quoted(format->member) + ":{\"format\":" + json::quoted(format->format);
  if (format->member == "document") json.append(",\"name\":").append(json::quoted(names.name_for(source->content)));
  return json.append(",\"source\":").append(source->json).append("}}");
}

bool bedrock_needs_bytes(const Block& block) {
  return block.media.url.starts_with("http://") || block.media.url.starts_with("https://");
}

}  // namespace turnpike::codec
