#pragma once

#include <cstddef>

namespace turnpike::base {

/// Memory of coroutine frames. A call makes and ends some twenty of them, of a few sizes that come back with the next
/// call; most are too large for the small-block cache of the C library, whose long way is a tenth of a call's time.
///
/// Limits:    a thread keeps at most `kFramePoolBytesMax` for reuse; frames above `kPooledFrameBytesMax` are not kept.
/// Threading: any; a frame returns to the pool of the thread that ends it. Under AddressSanitizer nothing is kept, so
///            that a use after the end is seen.
constexpr std::size_t kFramePoolBytesMax = 1 << 20;
constexpr std::size_t kPooledFrameBytesMax = 8192;

void* take_frame(std::size_t bytes);
void give_frame(void* frame, std::size_t bytes) noexcept;

}  // namespace turnpike::base
