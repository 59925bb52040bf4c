#pragma once

#include <cstdint>
#include <string>

namespace turnpike::domain {

/// What a call that is no chat asks for, as far as its price depends on it.
struct Measures {
  std::uint64_t images = 1;     // That are to be made.
  std::uint64_t images_in = 0;  // That they are to be made of.
  std::uint32_t width = 0;      // Pixels; 0: not said, or "auto".
  std::uint32_t height = 0;
  std::string quality;           // "hd", "high", ...; empty: not said, or "auto".
  std::uint64_t characters = 0;  // Code points of the text to be spoken.
  std::uint64_t documents = 0;   // To be ranked.
  std::uint64_t audio_ms = 0;    // Length of the recording; 0: there is none.
  bool audio_guessed = false;    // Its length was guessed from its bytes,
  bool audio_said = false;       // or is the provider's word.
  std::uint64_t text_bytes = 0;  // That the model reads, before it is counted in tokens.
};

}  // namespace turnpike::domain
