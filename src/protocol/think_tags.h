#pragma once

#include <string>
#include <string_view>

namespace turnpike::protocol {

/// Splits "<think>...</think>" off the front of a text that comes in pieces: what older servers write where newer ones
/// have a field. A text that does not begin with the tag is left alone.
class ThinkTags {
 public:
  struct Pieces {
    std::string_view thinking;
    std::string_view text;
  };
  /// The views live until the next call.
  Pieces feed(std::string_view piece);
  /// What was held back because a tag might have begun in it.
  Pieces finish();
  /// Everything that follows is text.
  bool passed() const { return at_ == At::Text; }

 private:
  enum class At : unsigned char { Front, Thinking, BehindTag, Text };
  Pieces take();

  At at_ = At::Front;
  std::string held_;  // Not told yet.
  std::string told_;  // What the views of the last call point at.
};

}  // namespace turnpike::protocol
