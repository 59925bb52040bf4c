#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace turnpike::protocol {

/// How long a recording lasts, by what its file says of itself: WAV, FLAC, Ogg (Opus, Vorbis), MP3, MP4/M4A. An MP3
/// without a count of frames lasts what its first frame's rate makes of its size. Nothing for other files, for broken
/// ones and for what nobody believes (above a week).
///
/// Source: RIFF/WAVE; RFC 9639 (FLAC); RFC 3533, 7845 (Ogg, Opus); ISO 11172-3 and the Xing header; ISO 14496-12.
/// Pure; reads a bounded number of headers, never the sound.
std::optional<std::uint64_t> audio_milliseconds(std::string_view file);

/// The length of `bytes` of sound that begins with `head`: for sound that was passed on and not kept. Raw PCM is
/// OpenAI's: 24 kHz, 16 bit, one channel.
std::optional<std::uint64_t> sound_milliseconds(std::string_view head, std::uint64_t bytes, bool pcm);

}  // namespace turnpike::protocol
