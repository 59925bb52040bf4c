#include "router/wildcard.h"

#include <algorithm>

#include "base/text.h"

namespace turnpike::router {

Wildcard::Wildcard(std::string_view pattern) : pattern_(pattern) {
  for (const std::string_view literal : base::split(pattern, '*')) literals_.emplace_back(literal);
  constexpr std::string_view kSpecials = "*+?\\^$|()";
  specials_ = static_cast<std::size_t>(std::count_if(
      pattern.begin(), pattern.end(), [&](char c) { return kSpecials.find(c) != std::string_view::npos; }));
}

std::optional<std::vector<std::string_view>> Wildcard::match(std::string_view name) const {
  if (name.size() > kNameBytesMax || !name.starts_with(literals_.front())) return std::nullopt;
  const std::size_t least = literals_.front().size();
  // From the right, each literal at its last possible place: that is what greedy stars from the left come to.
  std::vector<std::string_view> captures(literals_.size() - 1);
  std::size_t end = name.size();
  for (std::size_t i = literals_.size() - 1; i > 0; --i) {
    const std::string& literal = literals_[i];
    std::size_t at = end;
    if (!literal.empty()) {
      if (end < literal.size()) return std::nullopt;
      at = name.rfind(literal, end - literal.size());
      if (at == std::string_view::npos) return std::nullopt;
    }
    if (at < least) return std::nullopt;
    captures[i - 1] = name.substr(0, at);  // Its beginning is cut below.
    end = at;
  }
  std::size_t begin = least;
  for (std::size_t i = 0; i < captures.size(); ++i) {
    const std::size_t stop = captures[i].size();
    captures[i] = name.substr(begin, stop - begin);
    begin = stop + literals_[i + 1].size();
  }
  return captures;
}

bool Wildcard::comes_before(const Wildcard& other) const {
  if (pattern_.size() != other.pattern_.size()) return pattern_.size() > other.pattern_.size();
  return specials_ > other.specials_;
}

std::string fill_stars(std::string_view target, const std::vector<std::string_view>& captures, std::string_view name) {
  const auto stars = static_cast<std::size_t>(std::count(target.begin(), target.end(), '*'));
  if (stars > captures.size()) return std::string(name);
  std::string filled;
  std::size_t next = 0;
  for (const char c : target) {
    if (c == '*') {
      filled += captures[next++];
    } else {
      filled += c;
    }
  }
  return filled;
}

}  // namespace turnpike::router
