#include "provider/target.h"

namespace turnpike::provider {

void hide_secrets(std::string& text, const Target& target) {
  constexpr std::size_t kShortest = 6;  // A shorter one could be any word.
  for (const base::Secret& secret : target.hidden) {
    const std::string& hidden = secret.reveal();
    if (hidden.size() < kShortest) continue;
    for (std::size_t at = text.find(hidden); at != std::string::npos; at = text.find(hidden, at + 3)) {
      text.replace(at, hidden.size(), "***");
    }
  }
}

}  // namespace turnpike::provider
