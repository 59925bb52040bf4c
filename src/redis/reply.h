#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

struct redisReader;

namespace turnpike::redis {

/// One answer of the server.
struct Reply {
  enum class Kind : std::uint8_t { Nil, Status, Error, Integer, Text, List };
  Kind kind = Kind::Nil;
  std::int64_t integer = 0;
  std::string text;  // Of Status, Error and Text.
  std::vector<Reply> list;

  bool is_error() const { return kind == Kind::Error; }
  /// "NOSCRIPT", "READONLY": the first word of an error.
  std::string_view error_code() const;
  /// An error that says that the server is of no use now, whatever is asked: read-only, not authorised, loading.
  bool is_outage() const;
  /// The element of a list as a number, or `otherwise`.
  std::int64_t integer_at(std::size_t place, std::int64_t otherwise) const;
};

/// Cuts a byte stream into replies, whatever the boundaries of its pieces.
///
/// Limits: lists of `kElementsMax`, `kBytesMax` waiting for their rest.
/// Errors: UpstreamMalformed; the reader is then spent.
class ReplyReader {
 public:
  static constexpr std::size_t kElementsMax = 65'536;
  static constexpr std::size_t kBytesMax = 16UL * 1024 * 1024;

  ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;
  ~ReplyReader();

  Status feed(std::string_view bytes);
  /// The next whole reply; nothing when more bytes are needed.
  Result<std::optional<Reply>> next();

 private:
  redisReader* reader_;
};

}  // namespace turnpike::redis
