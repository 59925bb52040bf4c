#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/block_pool.h"

namespace turnpike::http {

enum class Method : std::uint8_t { Get, Head, Post, Put, Patch, Delete, Options, Other };
std::string_view method_name(Method method);

/// A header field; names compare without regard to case.
struct Field {
  std::string_view name;
  std::string_view value;
};
using Fields = std::vector<Field, base::PooledAllocator<Field>>;

/// The body of a request is followed by this many readable bytes, so that simdjson parses it in place.
constexpr std::size_t kBodyPadding = 64;

/// Bytes to send in order, in one gather write; what they point to lives until the send has completed.
using Pieces = std::span<const std::string_view>;

/// A parsed request; all views live as long as its exchange.
struct Request {
  Method method = Method::Other;
  std::string_view method_text;
  std::string_view target;  // As sent.
  std::string_view path;    // Up to '?', not decoded: routes compare these bytes and nothing else (AC-SEC-2).
  std::string_view query;   // After '?', not decoded.
  Fields fields;
  std::string_view body;  // Whole, de-chunked, padded.
  std::string_view peer_ip;

  /// The value of the first field of this name (any case), or an empty view.
  std::string_view find(std::string_view name) const;
  /// The percent-decoded value of a query parameter; empty when absent or broken.
  std::string query_value(std::string_view name) const;
};

/// The head of a reply. Framing (Content-Length, Transfer-Encoding, Connection, Date) is the writer's business.
struct ReplyHead {
  int status = 200;
  std::string_view content_type = "application/json";
  std::string fields;  // Further fields, rendered: "name: value\r\n" each; values must not hold CR or LF.
};

/// Appends one field line to `fields`; bytes that could break framing (CR, LF, NUL) become spaces.
void add_field(std::string& fields, std::string_view name, std::string_view value);

}  // namespace turnpike::http
