#include "codec/codecs.h"
#include "codec_stream.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return turnpike::fuzz::fuzz_codec(turnpike::codec::gemini_codec(), data, size);
}
