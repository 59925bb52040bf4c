// Bedrock's streams: bytes as they are, headers of any bytes in frames whose checksums hold, and lines
// "eventType {json}" in sound frames. The third byte chooses.
#include <zlib.h>

#include "base/text.h"
#include "codec/codecs.h"
#include "codec_stream.h"

namespace {

std::string big_endian(std::size_t value, int bytes) {
  std::string out;
  for (int i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i));
  return out;
}

std::string checksum(const std::string& bytes) {
  return big_endian(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())), 4);
}

std::string frame(std::string_view headers, std::string_view payload) {
  std::string out = big_endian(headers.size() + payload.size() + 16, 4) + big_endian(headers.size(), 4);
  out += checksum(out);
  out.append(headers).append(payload);
  return out + checksum(out);
}

std::string header(std::string_view name, std::string_view value) {
  value = value.substr(0, 0xffff);
  return big_endian(name.size(), 1) + std::string(name) + "\x07" + big_endian(value.size(), 2) + std::string(value);
}

std::string frames_of_lines(std::string_view lines) {
  std::string out;
  for (const std::string_view line : turnpike::base::split(lines, '\n')) {
    const std::size_t space = std::min(line.find(' '), line.size());
    const bool exception = line.starts_with('!');
    const std::string_view type = line.substr(exception ? 1 : 0, space - (exception ? 1 : 0));
    out += frame(header(":message-type", exception ? "exception" : "event") +
                     header(exception ? ":exception-type" : ":event-type", type),
                 line.substr(std::min(space + 1, line.size())));
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
  std::string stream(reinterpret_cast<const char*>(data), 2);
  switch (data[2] % 3) {
    case 0:
      stream += bytes;
      break;
    case 1:
      stream += frame(bytes.substr(0, bytes.size() / 2), bytes.substr(bytes.size() / 2));
      break;
    default:
      stream += frames_of_lines(bytes);
      break;
  }
  return turnpike::fuzz::fuzz_codec(turnpike::codec::bedrock_codec(),
                                    reinterpret_cast<const std::uint8_t*>(stream.data()), stream.size());
}
