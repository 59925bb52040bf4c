// Feeds bytes to the SSE decoder and to the OpenAI stream, whole and cut in two: both must read the same.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "protocol/openai_stream.h"
#include "protocol/sse_decoder.h"

namespace {

using turnpike::protocol::OpenAiStream;
using turnpike::protocol::SseDecoder;
using turnpike::protocol::SseEvent;

void require(bool truth) {
  if (!truth) std::abort();
}

void append(const std::vector<SseEvent>& events, std::string& seen) {
  for (const SseEvent& event : events) seen.append("[").append(event.name).append("|").append(event.data).append("]");
}

std::string decode(std::string_view first, std::string_view second) {
  SseDecoder decoder(4096);
  std::string seen;
  for (const std::string_view part : {first, second}) {
    std::vector<SseEvent> events;
    const std::string copy(part);
    const bool sound = decoder.feed(copy, events).has_value();
    append(events, seen);
    if (!sound) return seen + "!";
  }
  std::vector<SseEvent> events;
  (void)decoder.finish(events);
  append(events, seen);
  return seen;
}

std::string follow(std::string_view first, std::string_view second, bool include_usage) {
  OpenAiStream::Options options;
  options.shown_model = "m";
  options.fallback_id = "ours";
  options.provider_label = "Fuzz";
  options.include_usage = include_usage;
  OpenAiStream stream(options);
  std::string seen;
  std::vector<std::string_view> pieces;
  turnpike::Status status;
  for (const std::string_view part : {first, second}) {
    const std::string copy(part);
    status = stream.feed(copy, pieces);
    for (const std::string_view piece : pieces) seen += piece;
    pieces.clear();
    if (!status) break;
  }
  if (status && !stream.done()) {
    status = stream.finish(pieces);
    for (const std::string_view piece : pieces) seen += piece;
  }
  (void)stream.text_for_count();
  return seen + (status ? "" : status.error().message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t cut = data[0] % (bytes.size() + 1);
  const bool include_usage = (data[1] & 1) != 0;
  // An event above the limit is noticed at another place when the bytes are cut elsewhere.
  if (bytes.size() <= 4096) require(decode(bytes, {}) == decode(bytes.substr(0, cut), bytes.substr(cut)));
  require(follow(bytes, {}, include_usage) == follow(bytes.substr(0, cut), bytes.substr(cut), include_usage));
  return 0;
}
