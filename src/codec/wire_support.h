#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "codec/codec.h"
#include "codec/test_call.h"

// What the fixture tests share: files, targets by shape, frames, and what an answer means.
namespace turnpike::codec {

std::string read_file(const std::filesystem::path& path);
/// With UPDATE_FIXTURES set: writes the file.
void expect_file(const std::filesystem::path& path, const std::string& text);

inline constexpr std::string_view kFixtureId = "chatcmpl-0199f2c0-0000-7000-8000-000000000001";
inline constexpr std::int64_t kFixtureTime = 1763942400;  // Unix seconds.

/// Whom a shape's fixtures speak to; `overrides` is a `<shape>.target.json`, which need not exist.
struct ShapeTarget {
  std::string provider;
  std::string model;
  std::string base_url;
  std::string api_version;
  std::vector<std::string> traits;  // Fields of the price file.
  std::vector<std::pair<std::string, std::string>> params;
  bool drop_params = false;
  bool modify_params = false;
};
ShapeTarget target_of_shape(std::string_view shape, const std::filesystem::path& overrides);
std::unique_ptr<TestCall> aimed_call(const ShapeTarget& shape, std::string body,
                                     domain::Operation operation = domain::Operation::Chat,
                                     std::string_view content_type = {});

/// "POST path", header lines, blank line, body.
std::string request_text(const Encoded& encoded);
std::string usage_text(const std::optional<domain::Usage>& usage);
/// "429 upstream_rate_limited, retry after 30000 ms" and the body a caller gets.
std::string error_text(const Error& error);
/// The value of a header line of that (lower-case) name; empty when there is none.
std::string field_of(std::string_view fields, std::string_view name);

/// Lines "eventType {json}" and "!exceptionType {json}" as event-stream frames.
std::string frames_of(std::string_view lines);

/// What a caller gets of a stream, and the usage read on the way.
struct Followed {
  std::string events;
  std::optional<domain::Usage> usage;
};
using Parts = std::vector<std::string_view>;
/// Each part is fed from memory that dies at once: nothing may point into an earlier read.
Followed follow(protocol::ReplyStream& stream, const Parts& parts);
/// `whole` is what comes of `bytes` in one part: cut in two anywhere, and byte by byte, they must give the same.
void expect_same_however_cut(std::string_view bytes, const Followed& whole,
                             const std::function<Followed(const Parts&)>& follow_parts);

/// What a chat completion, or its chunks, say: texts, tool calls, finish reasons, usage; one line each.
std::string meaning_of_reply(std::string_view reply);
std::string meaning_of_stream(std::string_view events);

}  // namespace turnpike::codec
