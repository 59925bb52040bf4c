#pragma once

#include <forward_list>
#include <string>
#include <string_view>
#include <utility>

namespace turnpike::protocol {

/// Keeps texts that had to be made (un-escaped strings, joined parts) for as long as the value whose views point at
/// them: moving it does not move them.
class Texts {
 public:
  std::string_view keep(std::string text) {
    kept_.push_front(std::move(text));
    return kept_.front();
  }

 private:
  std::forward_list<std::string> kept_;
};

}  // namespace turnpike::protocol
