#include <algorithm>

#include "base/text.h"
#include "protocol/audio_length.h"
#include "protocol/call_request.h"

namespace turnpike::protocol {
namespace {

using domain::Measures;
using domain::Operation;
using json::Kind;
using json::Value;

std::uint64_t code_points(std::string_view text) {
  return static_cast<std::uint64_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

/// "1024x1536"; anything else leaves both at 0.
void read_size(std::string_view text, Measures& out) {
  constexpr std::uint64_t kSideMax = 65'536;
  const std::size_t times = text.find('x');
  if (times == std::string_view::npos) return;
  const auto width = base::parse_unsigned(text.substr(0, times));
  const auto height = base::parse_unsigned(text.substr(times + 1));
  if (!width || !height || *width > kSideMax || *height > kSideMax) return;
  out.width = static_cast<std::uint32_t>(*width);
  out.height = static_cast<std::uint32_t>(*height);
}

void measure_image(const CallRequest& call, const Value& root, Measures& out) {
  out.images = call.choices;
  if (const auto size = root.find("size").text()) read_size(*size, out);
  const std::string quality = root.find("quality").text().value_or("");
  if (quality != "auto") out.quality = quality;
  out.text_bytes = root.find("prompt").raw().size();
  if (call.operation != Operation::ImageEdit || !call.form) return;
  out.images_in =
      static_cast<std::uint64_t>(std::count_if(call.form->parts.begin(), call.form->parts.end(),
                                               [](const FormPart& part) { return part.filename.has_value(); }));
}

void measure_rerank(const Value& root, Measures& out) {
  const std::size_t query = root.find("query").raw().size();
  const Value documents = root.find("documents");
  for ([[maybe_unused]] const Value document : documents.elements()) ++out.documents;
  // The model reads the query once for each document.
  out.text_bytes = documents.raw().size() + query * out.documents;
}

void measure_audio(const CallRequest& call, const Value& root, Measures& out) {
  constexpr std::uint64_t kBytesPerSecond = 16'000;  // 128 kbit/s.
  const FormPart* file = call.form ? call.form->find_file("file") : nullptr;
  if (file == nullptr) return;
  const std::string_view bytes = file->value.in(call.form_bytes);
  const std::optional<std::uint64_t> length = audio_milliseconds(bytes);
  out.audio_ms = length.value_or(bytes.size() * 1000 / kBytesPerSecond + 1);
  out.audio_guessed = !length;
  out.text_bytes = root.find("prompt").raw().size();
}

}  // namespace

Measures measure(const CallRequest& call, const Value& root) {
  Measures out;
  switch (call.operation) {
    case Operation::Chat:
    case Operation::Completion:
    case Operation::Embedding:
      break;
    case Operation::Rerank:
      measure_rerank(root, out);
      break;
    case Operation::Moderation:
      out.text_bytes = root.find("input").raw().size();
      break;
    case Operation::ImageGeneration:
    case Operation::ImageEdit:
      measure_image(call, root, out);
      break;
    case Operation::Speech: {
      const std::string spoken = root.find("input").text().value_or("");
      out.characters = code_points(spoken);
      out.text_bytes = spoken.size() + root.find("instructions").raw().size();
      break;
    }
    case Operation::Transcription:
    case Operation::Translation:
      measure_audio(call, root, out);
      break;
  }
  return out;
}

}  // namespace turnpike::protocol
