#pragma once

#include "fake_provider/shape.h"

namespace turnpike::fake_provider {

/// OpenAI's API; what speaks it under other addresses changes a little of it.
///
/// Source: OpenAI's API reference. An error's `type` and `code` are the members of these names. The words of `odd` are
///         about this dialect.
class OpenAiShape : public Shape {
 public:
  std::string_view name() const override { return "openai"; }
  std::string whole(const Answer& answer) const override;
  std::string_view whole_type(AskKind kind) const override;
  std::vector<Event> events(const Answer& answer) const override;
  std::string error(const VendorError& error, std::string& fields) const override;
  Event error_event(const VendorError& error) const override;
  Event broken_event() const override;
  bool counts_reasoning() const override { return true; }
};

std::string openai_usage(const Answer& answer);
/// Everything that is no chat and no completion.
std::string openai_operation(const Answer& answer);

}  // namespace turnpike::fake_provider
