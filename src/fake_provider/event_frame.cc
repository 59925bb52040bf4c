#include "fake_provider/event_frame.h"

#include <zlib.h>

#include <cstdint>

namespace turnpike::fake_provider {
namespace {

std::string big_endian(std::size_t value, int bytes) {
  std::string out;
  for (int i = bytes; i-- > 0;) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

std::string checksum(std::string_view bytes) {
  return big_endian(crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())), 4);
}

std::string header(std::string_view name, std::string_view value) {
  constexpr char kText = 7;
  std::string out = big_endian(name.size(), 1);
  out.append(name).push_back(kText);
  return out.append(big_endian(value.size(), 2)).append(value);
}

}  // namespace

std::string event_frame(FrameKind kind, std::string_view type, std::string_view payload) {
  const bool event = kind == FrameKind::Event;
  const std::string headers = header(event ? ":event-type" : ":exception-type", type) +
                              header(":content-type", "application/json") +
                              header(":message-type", event ? "event" : "exception");
  constexpr std::size_t kAround = 16;  // Two lengths and two checksums.
  std::string message = big_endian(kAround + headers.size() + payload.size(), 4) + big_endian(headers.size(), 4);
  message += checksum(message);
  message.append(headers).append(payload);
  return message + checksum(message);
}

}  // namespace turnpike::fake_provider
