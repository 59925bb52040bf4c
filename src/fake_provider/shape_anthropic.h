#pragma once

#include "fake_provider/shape.h"

namespace turnpike::fake_provider {

/// Anthropic Messages; clouds that host Claude carry the same answers in their own frames.
///
/// Source: Anthropic's API reference, "Messages", "Streaming" and "Errors". An error's `type` is the member of that
/// name.
class AnthropicShape : public Shape {
 public:
  std::string_view name() const override { return "anthropic"; }
  std::string whole(const Answer& answer) const override;
  std::vector<Event> events(const Answer& answer) const override;
  std::string error(const VendorError& error, std::string& fields) const override;
  Event error_event(const VendorError& error) const override;
  Event broken_event() const override;
};

/// The payload of an event and the tokens it brings, before it is framed.
struct AnthropicEvent {
  std::string type;
  std::string json;
  std::int64_t tokens = 0;
};
std::vector<AnthropicEvent> anthropic_events(const Answer& answer);
std::string anthropic_error(const VendorError& error);

}  // namespace turnpike::fake_provider
