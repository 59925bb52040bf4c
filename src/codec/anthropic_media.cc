#include "codec/anthropic_media.h"

#include "base/base64.h"
#include "base/text.h"
#include "protocol/media.h"

namespace turnpike::codec {
namespace {

using protocol::Block;
using protocol::Media;

constexpr std::string_view kPdf = "application/pdf";
constexpr std::string_view kFilesBeta = "files-api-2025-04-14";

tl::unexpected<Error> refuse(std::string what) {
  return base::fail(ErrorKind::InvalidRequest, std::move(what));
}

// The API refuses an image whose bytes are not what its type says, and clients guess.
std::string_view sniffed(std::string_view base64) {
  struct Row {
    std::string_view start;
    std::string_view mime;
  };
  static constexpr Row kRows[] = {{"iVBORw0KGgo", "image/png"},
                                  {"/9j/", "image/jpeg"},
                                  {"R0lGOD", "image/gif"},
                                  {"UklGR", "image/webp"},
                                  {"JVBERi", kPdf}};
  for (const Row& row : kRows) {
    if (base64.starts_with(row.start)) return row.mime;
  }
  return {};
}

bool is_text(std::string_view mime) {
  if (mime.starts_with("image/")) return false;
  return mime.starts_with("text/") || mime == "application/json" || mime == "application/xml" ||
         mime == "application/yaml" || mime.ends_with("+json") || mime.ends_with("+xml");
}

struct Source {
  std::string_view mime;
  std::string_view base64;
  std::string_view url;
  std::string_view file_id;
};

Result<Source> source_of(const Media& media) {
  Source source{media.mime.substr(0, media.mime.find(';')), media.base64, media.url, media.file_id};
  if (!source.url.empty() && !source.url.starts_with("https://")) {
    return refuse("the provider cannot fetch " + std::string(source.url));
  }
  if (const std::string_view mime = sniffed(source.base64); !mime.empty()) source.mime = mime;
  source.mime = protocol::usual_mime(source.mime);
  return source;
}

void write_source(json::Writer& writer, const Source& source) {
  writer.key("source").begin_object();
  if (!source.file_id.empty()) {
    writer.key("type").string("file").key("file_id").string(source.file_id);
  } else if (!source.url.empty()) {
    writer.key("type").string("url").key("url").string(source.url);
  } else {
    writer.key("type").string("base64").key("media_type").string(source.mime).key("data").string(source.base64);
  }
  writer.end_object();
}

void write_text_source(json::Writer& writer, std::string_view text) {
  writer.key("source").begin_object();
  writer.key("type").string("text").key("media_type").string("text/plain").key("data").string(text);
  writer.end_object();
}

void end_block(json::Writer& writer, const protocol::CacheMark& cache) {
  write_cache_mark(writer, cache);
  writer.end_object();
}

Status write_document(json::Writer& writer, const Block& block, const Source& source,
                      const protocol::CacheMark& cache) {
  std::optional<std::string> text;
  if (!source.base64.empty() && source.mime != kPdf) {
    if (is_text(source.mime)) text = base::from_base64(source.base64);
    if (!text) {
      return refuse("files of type '" + std::string(source.mime) + "' are not taken: PDF and text are");
    }
    if (base::trim(*text).empty()) return refuse("the file holds no text");
  }
  writer.begin_object().key("type").string("document");
  if (text) {
    write_text_source(writer, *text);
  } else {
    write_source(writer, source);
  }
  if (!block.media.name.empty()) writer.key("title").string(block.media.name);
  end_block(writer, cache);
  return {};
}

}  // namespace

void write_cache_mark(json::Writer& writer, const protocol::CacheMark& cache) {
  if (!cache.set) return;
  writer.key("cache_control").begin_object().key("type").string("ephemeral");
  if (!cache.ttl.empty()) writer.key("ttl").string(cache.ttl);
  writer.end_object();
}

bool anthropic_needs_bytes(const Block& block, bool fetches_https) {
  if (block.media.url.empty()) return false;
  if (!fetches_https || !block.media.url.starts_with("https://")) return true;
  return block.kind == Block::Kind::Document && !block.media.mime.empty() && block.media.mime != kPdf;
}

Status write_anthropic_media(json::Writer& writer, const Block& block, const protocol::CacheMark& cache,
                             AnthropicBetas& betas) {
  if (block.kind == Block::Kind::Audio) return refuse("audio is not taken");
  if (block.kind == Block::Kind::Video) return refuse("video is not taken");
  Result<Source> source = source_of(block.media);
  if (!source) return base::fail(std::move(source.error()));
  const bool text = is_text(source->mime);
  if (!source->file_id.empty()) {
    betas.add(kFilesBeta);
    const bool read = source->mime.empty() || source->mime == kPdf || text || source->mime.starts_with("image/");
    if (!read) {
      // Tables, archives and the like are for the code that the model runs.
      betas.add("code-execution-2025-08-25");
      writer.begin_object().key("type").string("container_upload").key("file_id").string(source->file_id);
      end_block(writer, cache);
      return {};
    }
  }
  if (block.kind == Block::Kind::Document || source->mime == kPdf || text) {
    return write_document(writer, block, *source, cache);
  }
  writer.begin_object().key("type").string("image");
  write_source(writer, *source);
  end_block(writer, cache);
  return {};
}

}  // namespace turnpike::codec
