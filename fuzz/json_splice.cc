// Feeds bytes to the scan of bodies and edits what it accepts. Whatever it accepts must be JSON for another reader too,
// and what the edits leave must be accepted again with the members that were meant to stay.
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "json/scan.h"
#include "json/splice.h"
#include "json/write.h"

namespace {

using turnpike::json::Member;
using turnpike::json::Scan;
using turnpike::json::Splice;

constexpr std::string_view kActed[] = {"model", "stream"};

void require(bool truth) {
  if (!truth) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  // The first byte chooses what is removed; an exact copy of the rest shows reads beyond the end.
  const std::uint8_t choice = data[0];
  const std::unique_ptr<char[]> copy(new char[size]);
  std::copy_n(data + 1, size - 1, copy.get());
  const std::string_view body(copy.get(), size - 1);

  Scan scanned;
  if (!turnpike::json::scan(body, kActed, scanned)) return 0;

  // Broken escapes inside strings are looked at only when the text is asked for.
  bool escapes_sound = true;
  for (std::size_t i = body.find('\\'); i != std::string_view::npos; i = body.find('\\', i + 2)) {
    escapes_sound = escapes_sound && i + 1 < body.size() &&
                    std::string_view("\"\\/bfnrt").find(body[i + 1]) != std::string_view::npos;
  }
  if (escapes_sound) {
    boost::system::error_code error;
    boost::json::parse_options options;
    options.max_depth = turnpike::json::Document::kDepthMax + 1;
    (void)boost::json::parse(body, error, {}, options);
    // Numbers beyond its range are not our business.
    require(!error || error == boost::json::error::exponent_overflow);
  }

  Splice splice(body);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < scanned.members.size(); ++i) {
    const Member& member = scanned.members[i];
    if (((choice >> (i % 8)) & 1) != 0) {
      splice.remove(scanned, member);
    } else {
      ++kept;
      splice.replace(member.value, turnpike::json::quoted(member.value.in(body)));
    }
  }
  splice.add(scanned, "added", "[1]");
  const std::string edited = splice.to_string();
  Scan again;
  require(turnpike::json::scan(edited, {}, again).has_value());
  require(again.members.size() == kept + 1);
  require(again.members.back().key == "added");
  std::size_t at = 0;
  for (std::size_t i = 0; i < scanned.members.size(); ++i) {
    if (((choice >> (i % 8)) & 1) != 0) continue;
    require(again.members[at].key == scanned.members[i].key);
    const auto text = turnpike::json::text_of(edited, again.members[at]);
    require(text.has_value() && *text == scanned.members[i].value.in(body));
    ++at;
  }
  return 0;
}
