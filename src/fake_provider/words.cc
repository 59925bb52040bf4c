#include "fake_provider/words.h"

#include <array>

namespace turnpike::fake_provider {
namespace {

constexpr std::array<std::string_view, 16> kWords = {"road ", "toll ", "gate ", "lane ", "mile ", "sign ",
                                                     "turn ", "stop ", "pass ", "ramp ", "exit ", "fork ",
                                                     "hill ", "dale ", "ford ", "pike "};

}  // namespace

std::string_view Words::next() {
  state_ ^= state_ << 13;
  state_ ^= state_ >> 7;
  state_ ^= state_ << 17;
  return kWords[state_ >> 60];
}

std::string text_of_tokens(const Ask& ask, std::int64_t count, std::uint64_t choice) {
  Words words(ask.content_hash + choice);
  std::string text;
  text.reserve(static_cast<std::size_t>(count) * 5 + static_cast<std::size_t>(ask.script.pad_bytes));
  for (std::int64_t i = 0; i < count; ++i) text += words.next();
  text.append(static_cast<std::size_t>(ask.script.pad_bytes), 'x');
  return text;
}

}  // namespace turnpike::fake_provider
