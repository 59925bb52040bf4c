// Feeds bytes to one dialect's decoders: as a stream, whole, cut in two and cut in many (all must give the same), as a
// whole answer and as an error.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "codec/codec.h"

namespace turnpike::fuzz {

using Parts = std::vector<std::string_view>;

inline void require(bool truth) {
  if (!truth) std::abort();
}

/// Pieces of 1 to 16 bytes, drawn from `seed`.
inline Parts cut_often(std::string_view bytes, std::uint32_t seed) {
  Parts parts;
  while (!bytes.empty()) {
    seed = seed * 1'664'525u + 1'013'904'223u;
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + (seed >> 28));
    parts.push_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return parts;
}

/// What the caller gets, and how it ended.
inline std::string follow(const codec::Codec& codec, const codec::Encoded& request, const Parts& parts,
                          bool include_usage) {
  protocol::StreamOptions options;
  options.shown_model = "m";
  options.fallback_id = "ours";
  options.provider_label = "Fuzz";
  options.include_usage = include_usage;
  const std::unique_ptr<protocol::ReplyStream> stream = codec.follow(std::move(options), request);
  std::string seen;
  std::vector<std::string_view> pieces;
  const auto take = [&] {
    for (const std::string_view piece : pieces) seen += piece;
    pieces.clear();
  };
  Status status;
  for (const std::string_view part : parts) {
    const std::string copy(part);
    status = stream->feed(copy, pieces);
    take();
    if (!status) break;
  }
  if (status && !stream->done()) {
    status = stream->finish(pieces);
    take();
  }
  (void)stream->text_for_count();
  if (stream->owes_usage()) seen += stream->last_events({});
  return seen + (status ? "" : status.error().message);
}

inline void read_all(const codec::Codec& codec, const codec::Encoded& request, std::string_view bytes) {
  protocol::ReplyOptions options;
  options.shown_model = "m";
  options.provider_label = "Fuzz";
  options.fallback_id = "ours";
  std::string scratch;
  std::vector<std::string_view> pieces;
  (void)codec.read_reply(options, request, bytes, scratch, pieces);
  codec::Refusal refusal;
  refusal.status = 400;
  refusal.body = bytes;
  refusal.label = "Fuzz";
  (void)codec.read_error(refusal);
  (void)codec.usage_of_part(bytes);
  (void)codec.text_of_part(bytes);
}

/// The first two bytes choose the cuts and whether usage is asked for.
inline int fuzz_codec(const codec::Codec& codec, const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  // A copy of its own size: a read past the end is seen.
  const std::string owned(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string_view bytes = owned;
  const std::size_t cut = data[0] % (bytes.size() + 1);
  const bool include_usage = (data[1] & 1) != 0;
  const codec::Encoded request;
  const std::string sent = follow(codec, request, {bytes}, include_usage);
  require(sent == follow(codec, request, {bytes.substr(0, cut), bytes.substr(cut)}, include_usage));
  require(sent == follow(codec, request, cut_often(bytes, data[0] * 256u + data[1]), include_usage));
  read_all(codec, request, bytes);
  return 0;
}

}  // namespace turnpike::fuzz
