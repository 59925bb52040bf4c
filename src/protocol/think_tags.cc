#include "protocol/think_tags.h"

#include <algorithm>

namespace turnpike::protocol {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kSpace = " \t\r\n";

/// How many bytes at the end of `text` may be the beginning of `tag`.
std::size_t begun(std::string_view text, std::string_view tag) {
  for (std::size_t size = std::min(text.size(), tag.size() - 1); size > 0; --size) {
    if (tag.starts_with(text.substr(text.size() - size))) return size;
  }
  return 0;
}

}  // namespace

ThinkTags::Pieces ThinkTags::take() {
  told_ = std::move(held_);
  held_.clear();
  std::string_view rest = told_;
  Pieces pieces;
  if (at_ == At::Front) {
    const std::size_t first = rest.find_first_not_of(kSpace);
    const std::string_view seen = first == std::string_view::npos ? std::string_view() : rest.substr(first);
    if (seen.size() < kOpen.size() && kOpen.starts_with(seen)) {
      held_ = rest;
      return pieces;
    }
    at_ = seen.starts_with(kOpen) ? At::Thinking : At::Text;
    if (at_ == At::Thinking) rest = seen.substr(kOpen.size());
  }
  if (at_ == At::Thinking) {
    const std::size_t close = rest.find(kClose);
    if (close == std::string_view::npos) {
      const std::size_t kept = begun(rest, kClose);
      held_ = rest.substr(rest.size() - kept);
      pieces.thinking = rest.substr(0, rest.size() - kept);
      return pieces;
    }
    pieces.thinking = rest.substr(0, close);
    rest.remove_prefix(close + kClose.size());
    at_ = At::BehindTag;
  }
  if (at_ == At::BehindTag) {
    rest.remove_prefix(std::min(rest.find_first_not_of(kSpace), rest.size()));
    if (!rest.empty()) at_ = At::Text;
  }
  pieces.text = rest;
  return pieces;
}

ThinkTags::Pieces ThinkTags::feed(std::string_view piece) {
  if (at_ == At::Text) return {{}, piece};
  held_ += piece;
  return take();
}

ThinkTags::Pieces ThinkTags::finish() {
  told_ = std::move(held_);
  held_.clear();
  if (at_ == At::Thinking) return {told_, {}};
  return {{}, told_};
}

}  // namespace turnpike::protocol
