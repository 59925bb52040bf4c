#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace turnpike::base {

/// A regular expression that an operator wrote, tried on text that strangers send.
///
/// Source:    Perl's dialect (PCRE2), near enough to Python's `re.search` for what people write.
/// Limits:    a search gives up, and finds nothing, after `kStepsMax` steps: an expression that would go back and forth
///            for ever costs a millisecond at most.
/// Errors:    InvalidRequest with the place of the mistake.
/// Threading: immutable; searched by any thread.
class Regex {
 public:
  static constexpr std::uint32_t kStepsMax = 20'000;

  static Result<Regex> compile(std::string_view written);
  bool found_in(std::string_view text) const;

 private:
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

}  // namespace turnpike::base
