#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace turnpike::base {

std::string to_lower(std::string_view text);
std::string_view trim(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);
bool equals_ignoring_case(std::string_view a, std::string_view b);
/// Whether a byte below 0x20 stands in it.
bool has_control(std::string_view text);

void append_number(std::string& out, std::int64_t value);
/// Milliseconds with three decimals; a negative time is none.
void append_milliseconds(std::string& out, std::int64_t us);

/// Lower-case hexadecimal.
std::string to_hex(std::span<const std::uint8_t> bytes);
/// Nothing when a digit is not hexadecimal or the length is odd.
std::optional<std::vector<std::uint8_t>> from_hex(std::string_view text);

/// URL-safe base64 without padding.
std::string to_base64url(std::span<const std::uint8_t> bytes);

/// Decimal digits only, no sign; nothing on overflow or any other character.
std::optional<std::uint64_t> parse_unsigned(std::string_view text);

/// The whole part of a number, the nearest that fits when it is beyond 64 bits; 0 for what is no number.
std::int64_t whole_of(double number);

/// Decodes %XX; nothing when an escape is broken. '+' stays '+'.
std::optional<std::string> percent_decode(std::string_view text);
/// One segment of a path or one value of a query: every byte but RFC 3986's unreserved ones as %XX.
std::string percent_encode(std::string_view text);

/// The up to `count` candidates that look most like `text`, nearest first; far ones are left out.
std::vector<std::string> nearest(std::string_view text, std::span<const std::string> candidates, std::size_t count);

/// ISO 8601 in UTC: "2026-02-16T10:00:00.000000Z".
std::string iso_time(std::int64_t unix_us);
/// Reads ISO 8601 ("2026-02-16T10:00:00Z", fraction and "+00:00" offset allowed, a bare date too) into unix
/// microseconds.
std::optional<std::int64_t> parse_iso_time(std::string_view text);

/// "30s", "5m", "2h", "1d", "2w", "1mo" as seconds (mo = 30 days); nothing for any other text.
std::optional<std::int64_t> parse_duration_seconds(std::string_view text);

}  // namespace turnpike::base
