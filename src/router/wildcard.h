#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::router {

/// A model name with stars, as LiteLLM reads it: each '*' takes any text, as much as it can, and the name may go on
/// after the pattern's end.
///
/// Source: LiteLLM's pattern router (`openai/*` is the expression `^openai/(.*)`).
/// Limits: names above `kNameBytesMax` match nothing. Time is linear in name times stars.
class Wildcard {
 public:
  static constexpr std::size_t kNameBytesMax = 512;

  explicit Wildcard(std::string_view pattern);

  /// What each star stands for; nothing when the name does not match.
  std::optional<std::vector<std::string_view>> match(std::string_view name) const;

  const std::string& pattern() const { return pattern_; }
  /// Longer patterns first, then those with more special characters.
  bool comes_before(const Wildcard& other) const;

 private:
  std::string pattern_;
  std::vector<std::string> literals_;  // One more than there are stars.
  std::size_t specials_ = 0;
};

/// Puts the captured parts in for the stars of `target`, one by one. Without a star the target is literal; with more
/// stars than captures the requested name itself is meant.
std::string fill_stars(std::string_view target, const std::vector<std::string_view>& captures, std::string_view name);

}  // namespace turnpike::router
