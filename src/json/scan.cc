#include "json/scan.h"

#include <algorithm>

namespace turnpike::json {
namespace {

bool acted_on(std::span<const std::string_view> keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

// A repeated name that somebody acts on: the provider might read the other one.
const Member* repeated(std::span<const Member> members, std::span<const std::string_view> acted_keys) {
  constexpr std::size_t kPairwiseMax = 32;
  if (members.size() <= kPairwiseMax) {
    for (std::size_t i = 1; i < members.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (members[i].key == members[j].key && acted_on(acted_keys, members[i].key)) return &members[i];
      }
    }
    return nullptr;
  }
  std::vector<const Member*> sorted;
  sorted.reserve(members.size());
  for (const Member& member : members) sorted.push_back(&member);
  std::sort(sorted.begin(), sorted.end(), [](const Member* a, const Member* b) { return a->key < b->key; });
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    if (sorted[i]->key == sorted[i - 1]->key && acted_on(acted_keys, sorted[i]->key)) return sorted[i];
  }
  return nullptr;
}

}  // namespace

const Member* Scan::find(std::string_view key) const {
  for (const Member& member : members) {
    if (member.key == key) return &member;
  }
  return nullptr;
}

Status scan(const Document& document, std::span<const std::string_view> acted_keys, Scan& out) {
  constexpr std::size_t kUsualMembers = 16;
  out.members.clear();
  out.members.reserve(kUsualMembers);
  out.unescaped.clear();
  const Value root = document.root();
  if (!root.is(Kind::Object)) return base::fail(ErrorKind::InvalidRequest, "not a JSON object");
  for (const Value::Pair& pair : root.members()) {
    if (out.members.size() == kMembersMax) {
      return base::fail(ErrorKind::InvalidRequest, "more than " + std::to_string(kMembersMax) + " members");
    }
    std::string_view key = pair.key.inner();
    if (key.find('\\') != std::string_view::npos) {
      auto text = pair.key.text();
      if (!text) return base::fail(ErrorKind::InvalidRequest, "not valid JSON: a member name holds a broken escape");
      // Views into these strings are taken: the strings must never move.
      if (out.unescaped.capacity() == 0) out.unescaped.reserve(kMembersMax);
      key = out.unescaped.emplace_back(std::move(*text));
    }
    out.members.push_back({key, pair.value.kind(), pair.key.range(), pair.value.range()});
  }
  if (const Member* member = repeated(out.members, acted_keys)) {
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.message = "the field '" + std::string(member->key) + "' is given more than once";
    error.param = member->key;
    return base::fail(std::move(error));
  }
  return {};
}

Status scan(std::string_view body, std::span<const std::string_view> acted_keys, Scan& out) {
  Document document;
  if (auto parsed = document.parse(body); !parsed) return parsed;
  return scan(document, acted_keys, out);
}

Result<std::string> text_of(std::string_view body, const Member& member) {
  const auto wrong = [&](std::string_view what) {
    Error error;
    error.kind = ErrorKind::InvalidRequest;
    error.message = "'" + std::string(member.key) + "' " + std::string(what);
    error.param = member.key;
    return base::fail(std::move(error));
  };
  if (member.kind != Kind::String) return wrong("must be a string");
  const std::string_view quoted = member.value.in(body);
  const std::string_view inner = quoted.substr(1, quoted.size() - 2);
  if (inner.find('\\') == std::string_view::npos) return std::string(inner);
  auto text = unescape(inner);
  if (!text) return wrong("holds a broken escape");
  return std::move(*text);
}

}  // namespace turnpike::json
