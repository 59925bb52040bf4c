#pragma once

#include <string>
#include <string_view>

namespace turnpike::base {

/// Text that must not appear in any log, error, metric or page. It has no stream operator, no fmt formatter and no
/// implicit conversion; `reveal` is for the one place that puts it on the wire or compares it.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}

  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

  /// Constant time in the content, on full values.
  bool equals(std::string_view candidate) const;

  /// "sk-...abcd" for long values, "***" for short ones: what people may see of it.
  std::string masked() const;

 private:
  std::string text_;
};

/// `url` as people may see it: without what stands before an '@', and without query and fragment, whatever its form.
std::string without_credentials(std::string_view url);

}  // namespace turnpike::base
