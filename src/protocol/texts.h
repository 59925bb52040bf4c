#pragma once

#include <forward_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "json/document.h"

namespace turnpike::protocol {

/// Keeps texts that had to be made (un-escaped strings, joined parts) for as long as the value whose views point at
/// them: moving it does not move them.
class Texts {
 public:
  std::string_view keep(std::string text) {
    kept_.push_front(std::move(text));
    return kept_.front();
  }
  void clear() { kept_.clear(); }

 private:
  std::forward_list<std::string> kept_;
};

/// What a JSON string says: a view into the JSON where nothing in it is escaped, else into `texts`. Nothing when the
/// value is no string or holds a broken escape.
std::optional<std::string_view> text_in(const json::Value& value, Texts& texts);

}  // namespace turnpike::protocol
