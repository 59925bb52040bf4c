// Feeds bytes to the SSE decoder and to the OpenAI stream, whole, cut in two and cut in many: all must read the same.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "protocol/openai_stream.h"
#include "protocol/sse_decoder.h"

namespace {

using turnpike::protocol::OpenAiStream;
using turnpike::protocol::SseDecoder;
using turnpike::protocol::SseEvent;
using turnpike::protocol::StreamOptions;

void require(bool truth) {
  if (!truth) std::abort();
}

void append(const std::vector<SseEvent>& events, std::string& seen) {
  for (const SseEvent& event : events) seen.append("[").append(event.name).append("|").append(event.data).append("]");
}

using Parts = std::vector<std::string_view>;

std::string decode(const Parts& parts) {
  SseDecoder decoder(4096);
  std::string seen;
  for (const std::string_view part : parts) {
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

/// Pieces of 1 to 16 bytes, drawn from `seed`.
Parts cut_often(std::string_view bytes, std::uint32_t seed) {
  Parts parts;
  while (!bytes.empty()) {
    seed = seed * 1'664'525u + 1'013'904'223u;
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + (seed >> 28));
    parts.push_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return parts;
}

/// `how`: bit 0 asks for usage, the others are what the provider is known for.
std::string follow(const Parts& parts, unsigned how) {
  StreamOptions options;
  options.shown_model = "m";
  options.fallback_id = "ours";
  options.provider_label = "Fuzz";
  options.include_usage = (how & 1U) != 0;
  options.quirks = {.think_tags = (how & 2U) != 0, .json_tool = (how & 4U) != 0, .cites = (how & 8U) != 0};
  OpenAiStream stream(options);
  std::string seen;
  std::vector<std::string_view> pieces;
  turnpike::Status status;
  for (const std::string_view part : parts) {
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
  if (stream.owes_usage()) seen += stream.last_events({});
  return seen + (status ? "" : status.error().message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t cut = data[0] % (bytes.size() + 1);
  const unsigned how = data[1];
  const Parts whole{bytes};
  const Parts two{bytes.substr(0, cut), bytes.substr(cut)};
  const Parts many = cut_often(bytes, data[0] * 256u + data[1]);
  // An event above the limit is noticed at another place when the bytes are cut elsewhere.
  if (bytes.size() <= 4096) {
    const std::string events = decode(whole);
    require(events == decode(two));
    require(events == decode(many));
  }
  const std::string sent = follow(whole, how);
  require(sent == follow(two, how));
  require(sent == follow(many, how));
  return 0;
}
