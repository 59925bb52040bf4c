#include "protocol/audio_length.h"

#include <algorithm>

namespace turnpike::protocol {
namespace {

constexpr std::uint64_t kMillisecondsMax = 7ULL * 24 * 3600 * 1000;
using Length = std::optional<std::uint64_t>;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}
/// Big-endian; the caller has checked that the bytes are there.
std::uint64_t big(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i) value = value << 8 | byte_at(bytes, at + i);
  return value;
}
std::uint64_t little(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | byte_at(bytes, at + i);
  return value;
}

Length believed(std::uint64_t units, std::uint64_t per_second) {
  if (per_second == 0 || units == 0 || units > kMillisecondsMax * per_second / 1000) return std::nullopt;
  return std::max<std::uint64_t>(1,
                                 static_cast<std::uint64_t>(static_cast<unsigned __int128>(units) * 1000 / per_second));
}

/// RIFF chunks up to "data"; `total`: bytes of the file, which may be more than is here.
Length wav(std::string_view file, std::uint64_t total) {
  constexpr int kChunksMax = 64;
  std::uint64_t per_second = 0;
  std::uint64_t at = 12;
  for (int i = 0; i < kChunksMax && at + 8 <= file.size(); ++i) {
    const std::string_view name = file.substr(at, 4);
    const std::uint64_t size = little(file, at + 4, 4);
    if (name == "fmt " && at + 8 + 12 <= file.size()) per_second = little(file, at + 8 + 8, 4);
    // A stream's writer does not know the size yet: then the file's own counts.
    if (name == "data") return believed(std::min<std::uint64_t>(size, total - (at + 8)), per_second);
    at += 8 + size + size % 2;
  }
  return std::nullopt;
}

Length flac(std::string_view file) {
  if (file.size() < 4 + 4 + 18) return std::nullopt;
  const std::uint64_t rate = big(file, 18, 3) >> 4;
  return believed(big(file, 21, 5) & 0xfffffffffULL, rate);
}

/// The granule of the last page over the rate of the first.
Length ogg(std::string_view file) {
  constexpr std::size_t kPageMax = 65'307;
  if (file.size() < 28 + 16) return std::nullopt;
  const std::string_view first = file.substr(std::min<std::size_t>(27 + byte_at(file, 26), file.size()));
  std::uint64_t rate = 0;
  std::uint64_t skip = 0;
  if (first.starts_with("OpusHead") && first.size() >= 12) {
    rate = 48'000;
    skip = little(first, 10, 2);
  } else if (first.starts_with("\x01vorbis") && first.size() >= 16) {
    rate = little(first, 12, 4);
  }
  const std::string_view tail = file.substr(file.size() - std::min(file.size(), kPageMax));
  const std::size_t last = tail.rfind("OggS");
  if (last == std::string_view::npos || last + 14 > tail.size()) return std::nullopt;
  const std::uint64_t granule = little(tail, last + 6, 8);
  return granule > skip ? believed(granule - skip, rate) : std::nullopt;
}

struct Mp3Frame {
  std::uint64_t bytes_per_second = 0;
  std::uint64_t rate = 0;
  std::uint64_t samples = 0;
  std::size_t side_info = 0;  // Where a Xing header stands in the frame.
};

std::optional<Mp3Frame> mp3_frame(std::string_view bytes) {
  static constexpr std::uint16_t kRates1[] = {0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0};
  static constexpr std::uint16_t kRates2[] = {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0};
  static constexpr std::uint32_t kSampleRates[] = {44'100, 48'000, 32'000, 0};
  if (bytes.size() < 4 || byte_at(bytes, 0) != 0xff || (byte_at(bytes, 1) & 0xe0U) != 0xe0U) return std::nullopt;
  const unsigned version = byte_at(bytes, 1) >> 3 & 3U;  // 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
  const unsigned layer = byte_at(bytes, 1) >> 1 & 3U;    // 1: layer III
  if (version == 1 || layer != 1) return std::nullopt;
  const bool first = version == 3;
  const bool mono = (byte_at(bytes, 3) >> 6 & 3U) == 3;
  Mp3Frame frame;
  frame.bytes_per_second = (first ? kRates1 : kRates2)[byte_at(bytes, 2) >> 4] * 125ULL;
  frame.rate = kSampleRates[byte_at(bytes, 2) >> 2 & 3U] / (first ? 1 : version == 2 ? 2 : 4);
  frame.samples = first ? 1152 : 576;
  frame.side_info = 4 + (first ? (mono ? 17 : 32) : (mono ? 9 : 17));
  if (frame.bytes_per_second == 0 || frame.rate == 0) return std::nullopt;
  return frame;
}

Length mp3(std::string_view file, std::uint64_t total) {
  std::size_t at = 0;
  if (file.starts_with("ID3") && file.size() >= 10) {
    at = 10 + (static_cast<std::size_t>(byte_at(file, 6) & 0x7fU) << 21 |
               static_cast<std::size_t>(byte_at(file, 7) & 0x7fU) << 14 |
               static_cast<std::size_t>(byte_at(file, 8) & 0x7fU) << 7 | (byte_at(file, 9) & 0x7fU));
  }
  if (at >= file.size()) return std::nullopt;
  const std::optional<Mp3Frame> frame = mp3_frame(file.substr(at));
  if (!frame) return std::nullopt;
  const std::string_view xing = file.substr(at).substr(std::min(frame->side_info, file.size() - at));
  const bool counted = (xing.starts_with("Xing") || xing.starts_with("Info")) && xing.size() >= 12;
  if (counted && (byte_at(xing, 7) & 1U) != 0) return believed(big(xing, 8, 4) * frame->samples, frame->rate);
  return believed(total - at, frame->bytes_per_second);
}

/// The box `name` among those of `boxes`; its content.
std::optional<std::string_view> find_box(std::string_view boxes, std::string_view name) {
  constexpr int kBoxesMax = 256;
  for (int i = 0; i < kBoxesMax && boxes.size() >= 8; ++i) {
    std::uint64_t size = big(boxes, 0, 4);
    std::size_t head = 8;
    if (size == 1) {
      if (boxes.size() < 16) return std::nullopt;
      size = big(boxes, 8, 8);
      head = 16;
    }
    if (size == 0 || size > boxes.size()) size = boxes.size();  // To the end of the file.
    if (size < head) return std::nullopt;
    if (boxes.substr(4, 4) == name) return boxes.substr(head, size - head);
    boxes.remove_prefix(size);
  }
  return std::nullopt;
}

Length mp4(std::string_view file) {
  const std::optional<std::string_view> movie = find_box(file, "moov");
  if (!movie) return std::nullopt;
  const std::optional<std::string_view> header = find_box(*movie, "mvhd");
  if (!header || header->empty()) return std::nullopt;
  const bool wide = byte_at(*header, 0) == 1;
  if (header->size() < (wide ? 32U : 20U)) return std::nullopt;
  return wide ? believed(big(*header, 24, 8), big(*header, 20, 4)) : believed(big(*header, 16, 4), big(*header, 12, 4));
}

}  // namespace

std::optional<std::uint64_t> audio_milliseconds(std::string_view file) {
  if (file.starts_with("RIFF") && file.size() >= 12 && file.substr(8, 4) == "WAVE") return wav(file, file.size());
  if (file.starts_with("fLaC")) return flac(file);
  if (file.starts_with("OggS")) return ogg(file);
  if (file.size() >= 8 && file.substr(4, 4) == "ftyp") return mp4(file);
  return mp3(file, file.size());
}

std::optional<std::uint64_t> sound_milliseconds(std::string_view head, std::uint64_t bytes, bool pcm) {
  constexpr std::uint64_t kPcmBytesPerSecond = 48'000;
  if (pcm) return believed(bytes, kPcmBytesPerSecond);
  if (head.starts_with("RIFF") && head.size() >= 12 && head.substr(8, 4) == "WAVE") return wav(head, bytes);
  return mp3(head, bytes);
}

}  // namespace turnpike::protocol
