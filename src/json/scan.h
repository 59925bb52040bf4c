#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/block_pool.h"
#include "base/result.h"
#include "json/document.h"

namespace turnpike::json {

/// One member of the top-level object.
struct Member {
  std::string_view key;  // Un-escaped; a view into the body, or into `Scan::unescaped` when it held a backslash.
  Kind kind;
  Range key_range;  // With its quotes.
  Range value;      // As written, quotes included for strings.
};

/// The top-level members of a JSON object in their order; nothing below is built, but
/// the whole structure has been checked (Document).
///
/// Limits:  `Document::kDepthMax` levels of nesting, `kMembersMax` members.
/// Errors:  InvalidRequest: not an object, broken JSON, text after the document, an acted-on key twice
///          (`acted_keys`; escaped spellings count), too deep, too many members.
struct Scan {
  Scan() = default;
  Scan(Scan&&) = default;  // Moved, never copied: keys may be views into `unescaped`.
  Scan& operator=(Scan&&) = default;

  std::vector<Member, base::PooledAllocator<Member>> members;
  std::vector<std::string> unescaped;
  const Member* find(std::string_view key) const;
};

/// `body` must be followed by kJsonPadding readable bytes. Reuse `out` to spare allocations.
constexpr std::size_t kJsonPadding = 64;
constexpr std::size_t kMembersMax = 1024;
Status scan(std::string_view body, std::span<const std::string_view> acted_keys, Scan& out);
/// The same over a document that the caller needs for more than its top level.
Status scan(const Document& document, std::span<const std::string_view> acted_keys, Scan& out);

/// The un-escaped text of a string member; InvalidRequest when it is no string.
Result<std::string> text_of(std::string_view body, const Member& member);

}  // namespace turnpike::json
