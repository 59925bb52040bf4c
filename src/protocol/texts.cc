#include "protocol/texts.h"

namespace turnpike::protocol {

std::optional<std::string_view> text_in(const json::Value& value, Texts& texts) {
  if (!value.is(json::Kind::String)) return std::nullopt;
  const std::string_view inner = value.inner();
  if (inner.find('\\') == std::string_view::npos) return inner;
  auto text = json::unescape(inner);
  if (!text) return std::nullopt;
  return texts.keep(std::move(*text));
}

}  // namespace turnpike::protocol
