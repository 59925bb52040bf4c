#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace turnpike::codec {

/// One message of an AWS event stream.
struct StreamMessage {
  enum class Kind : unsigned char {
    Event,
    Exception,  // Modelled: `type` is its name ("throttlingException"), `payload` what it says.
    Error,      // Not modelled: `type` is a code, `text` what it says.
  };
  Kind kind = Kind::Event;
  std::string_view type;
  std::string_view text;
  std::string_view payload;
};

/// Takes `application/vnd.amazon.eventstream` apart into its messages, however the bytes are cut. Both checksums of a
/// message are checked before anything of it is believed.
///
/// Source:    Smithy specification, "Amazon Event Stream"; botocore's decoder reads the same.
/// Limits:    128 KiB of headers and 24 MiB of payload a message, AWS's own.
/// Errors:    UpstreamMalformed: a length beyond the limits, a checksum that is wrong, headers that cannot be read or
///            name one thing twice, a message of an unknown kind. Messages before the fault are good.
/// Threading: none; one per upstream response.
class EventStreamReader {
 public:
  explicit EventStreamReader(std::string_view label) : label_(label) {}

  /// Appends the messages that `bytes` complete; their views live until the next call and as long as `bytes`.
  Status feed(std::string_view bytes, std::vector<StreamMessage>& out);
  /// Nothing of a message that has not ended is held.
  bool between_messages() const { return held_.size() == used_; }

 private:
  Status take(std::string_view& rest, std::vector<StreamMessage>& out) const;
  tl::unexpected<Error> broken(std::string_view why, std::string_view bytes) const;

  std::string label_;
  std::string held_;
  std::size_t used_ = 0;  // Of `held_`: messages that were given out.
};

}  // namespace turnpike::codec
