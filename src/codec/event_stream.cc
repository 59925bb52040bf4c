#include "codec/event_stream.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "protocol/answer_error.h"

namespace turnpike::codec {
namespace {

constexpr std::size_t kPrelude = 12;  // Two lengths and their checksum.
constexpr std::size_t kChecksum = 4;
constexpr std::size_t kHeaderBytesMax = 128 << 10;
constexpr std::size_t kPayloadBytesMax = 24 << 20;

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t number = 0;
  for (const char c : bytes) number = number << 8U | static_cast<unsigned char>(c);
  return number;
}

std::uint32_t checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

struct Header {
  std::string_view name;
  std::string_view value;  // Of strings; empty for the other types, which nobody sends to us.
};

/// Bytes of a value by its type: true, false, i8, i16, i32, i64, bytes, string, timestamp, uuid. Bytes and strings say
/// their own length.
constexpr std::array<std::size_t, 10> kValueBytes = {0, 0, 1, 2, 4, 8, 2, 2, 8, 16};
constexpr std::uint8_t kBytes = 6;
constexpr std::uint8_t kString = 7;

/// Nothing when the block cannot be read.
std::optional<std::vector<Header>> read_headers(std::string_view block) {
  std::vector<Header> headers;
  while (!block.empty()) {
    const std::size_t name_bytes = static_cast<unsigned char>(block[0]);
    if (name_bytes == 0 || block.size() < name_bytes + 2) return std::nullopt;
    Header header;
    header.name = block.substr(1, name_bytes);
    const auto type = static_cast<std::uint8_t>(block[name_bytes + 1]);
    block.remove_prefix(name_bytes + 2);
    if (type >= kValueBytes.size() || block.size() < kValueBytes[type]) return std::nullopt;
    std::size_t value_bytes = kValueBytes[type];
    if (type == kBytes || type == kString) {
      value_bytes = big_endian(block.substr(0, 2));
      block.remove_prefix(2);
      if (block.size() < value_bytes) return std::nullopt;
      if (type == kString) header.value = block.substr(0, value_bytes);
    }
    block.remove_prefix(value_bytes);
    headers.push_back(header);
  }
  return headers;
}

bool names_one_twice(std::vector<Header> headers) {
  const auto by_name = [](const Header& a, const Header& b) { return a.name < b.name; };
  std::sort(headers.begin(), headers.end(), by_name);
  return std::adjacent_find(headers.begin(), headers.end(),
                            [](const Header& a, const Header& b) { return a.name == b.name; }) != headers.end();
}

std::string_view value_of(const std::vector<Header>& headers, std::string_view name) {
  for (const Header& header : headers) {
    if (header.name == name) return header.value;
  }
  return {};
}

std::optional<StreamMessage> message_of(const std::vector<Header>& headers, std::string_view payload) {
  StreamMessage message;
  message.payload = payload;
  const std::string_view kind = value_of(headers, ":message-type");
  if (kind == "event") {
    message.type = value_of(headers, ":event-type");
  } else if (kind == "exception") {
    message.kind = StreamMessage::Kind::Exception;
    message.type = value_of(headers, ":exception-type");
  } else if (kind == "error") {
    message.kind = StreamMessage::Kind::Error;
    message.type = value_of(headers, ":error-code");
    message.text = value_of(headers, ":error-message");
  } else {
    return std::nullopt;
  }
  return message;
}

}  // namespace

tl::unexpected<Error> EventStreamReader::broken(std::string_view why, std::string_view bytes) const {
  return protocol::unreadable_stream(label_, why, bytes);
}

/// Takes one message off the front of `rest`; leaves it as it is while the message is not whole.
Status EventStreamReader::take(std::string_view& rest, std::vector<StreamMessage>& out) const {
  if (rest.size() < kPrelude) return {};
  const std::size_t total = big_endian(rest.substr(0, 4));
  const std::size_t header_bytes = big_endian(rest.substr(4, 4));
  if (checksum(rest.substr(0, 8)) != big_endian(rest.substr(8, 4))) {
    return broken("the checksum of an event's lengths is wrong", {});
  }
  if (header_bytes > kHeaderBytesMax || total < kPrelude + header_bytes + kChecksum ||
      total - header_bytes - kPrelude - kChecksum > kPayloadBytesMax) {
    return broken("an event's length is beyond the limit", {});
  }
  if (rest.size() < total) return {};
  const std::string_view message = rest.substr(0, total);
  if (checksum(message.substr(0, total - kChecksum)) != big_endian(message.substr(total - kChecksum))) {
    return broken("the checksum of an event is wrong", {});
  }
  const std::string_view payload = message.substr(kPrelude + header_bytes, total - header_bytes - kPrelude - kChecksum);
  const auto headers = read_headers(message.substr(kPrelude, header_bytes));
  if (!headers || names_one_twice(*headers)) return broken("the headers of an event cannot be read", payload);
  const auto read = message_of(*headers, payload);
  if (!read) return broken("an event is of an unknown kind", payload);
  out.push_back(*read);
  rest.remove_prefix(total);
  return {};
}

Status EventStreamReader::feed(std::string_view bytes, std::vector<StreamMessage>& out) {
  held_.erase(0, used_);
  used_ = 0;
  const bool holding = !held_.empty();
  if (holding) held_ += bytes;
  std::string_view rest = holding ? std::string_view(held_) : bytes;
  for (;;) {
    const std::size_t before = rest.size();
    if (Status taken = take(rest, out); !taken) return taken;
    if (rest.size() == before) break;
  }
  if (holding) {
    used_ = held_.size() - rest.size();
  } else {
    held_ = rest;
  }
  return {};
}

}  // namespace turnpike::codec
