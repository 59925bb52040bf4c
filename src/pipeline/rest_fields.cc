#include "pipeline/rest_fields.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace turnpike::pipeline {

class RestFields::Name {
 public:
  static constexpr std::size_t kRoom = kNameMax;
  Name() = default;
  explicit constexpr Name(std::string_view name) : size_(name.copy(text_.data(), kRoom)) {}
  /// Writes it where `kRoom` bytes have room; its end.
  char* put(char* at) const { return static_cast<char*>(std::memcpy(at, text_.data(), kRoom)) + size_; }

 private:
  std::array<char, kRoom> text_{};
  std::size_t size_ = 0;
};

namespace {

using limit::Unit;
using FieldName = RestFields::Name;

/// A model's name as part of a header's.
std::string in_header(std::string_view model) {
  std::string name(model);
  for (char& c : name) {
    const bool plain =
        (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_';
    if (!plain) c = '-';
  }
  return name;
}

struct RateNames {
  FieldName limit, remaining;
};

/// By kind and unit; made once, since every answer of a limited call has several.
const RateNames& names_of(limit::Kind kind, Unit unit) {
  static const auto names = [] {
    std::array<std::array<RateNames, limit::kUnits>, limit::kKinds> all;
    for (std::size_t k = 0; k < limit::kKinds; ++k) {
      for (std::size_t u = 0; u < limit::kUnits; ++u) {
        const std::string_view who = descriptor_of(static_cast<limit::Kind>(k)), what = name_of(static_cast<Unit>(u));
        all[k][u].limit = FieldName(fmt::format("x-ratelimit-{}-limit-{}: ", who, what));
        all[k][u].remaining = FieldName(fmt::format("x-ratelimit-{}-remaining-{}: ", who, what));
      }
    }
    return all;
  }();
  return names[static_cast<std::size_t>(kind)][static_cast<std::size_t>(unit)];
}

/// "00" to "99".
constexpr auto kDigitPairs = [] {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = static_cast<char>('0' + (i % 2 == 0 ? i / 20 : i / 2 % 10));
  return pairs;
}();

/// Makes the digits before `end`, those of `before`, those of `now`, which has as many. Two at a time.
void change_digits(char* end, std::uint64_t before, std::uint64_t now) {
  for (; now != before; now /= 100, before /= 100) {
    if (now < 10) {
      *--end = static_cast<char>('0' + now);
      return;
    }
    end -= 2;
    std::memcpy(end, kDigitPairs.data() + 2 * (now % 100), 2);
  }
}

}  // namespace

std::string_view RestFields::write(std::span<const limit::Limit> limits, std::span<const std::int64_t> over_all,
                                   const limit::Terms& terms) {
  for (std::size_t i = 0; i < limits.size() && (i < told_count_ || !is_full()); ++i) {
    const std::int64_t most = terms.most(limits[i].most);
    const std::int64_t here = most - limits[i].meter->used(terms.now_us);
    const std::int64_t left = std::max<std::int64_t>(0, i < over_all.size() ? std::min(here, over_all[i]) : here);
    if (i < told_count_) {
      if (tell_again(told_[i], most, left)) continue;
      size_ = told_[i].begin;
      told_count_ = i;
    }
    tell(limits[i], most, left);
  }
  return {text_.data(), size_};
}

/// False: its lines must be written anew, and those behind them.
bool RestFields::tell_again(Told& told, std::int64_t most, std::int64_t left) {
  if (most != told.most) return false;
  if (left == told.left) return true;
  const auto now = static_cast<std::uint64_t>(left);
  if (now < told.from || now >= told.to) return false;
  change_digits(text_.data() + told.left_end, static_cast<std::uint64_t>(std::exchange(told.left, left)), now);
  return true;
}

void RestFields::tell(const limit::Limit& limit, std::int64_t most, std::int64_t left) {
  constexpr std::size_t kLineEnd = 2;
  const limit::Meter& meter = *limit.meter;
  const Unit unit = meter.unit();
  const limit::Kind kind = meter.subject().kind;
  const RateNames& names = names_of(kind, unit);
  Told& told = told_[told_count_++];
  told = {most, left, size_, 0, 0, 10};
  put(names.limit, most);
  put(names.remaining, left);
  told.left_end = size_ - kLineEnd;
  for (; static_cast<std::uint64_t>(left) >= told.to; told.to *= 10) told.from = told.to;
  if (unit == Unit::Calls) return;
  if (kind == limit::Kind::Key) {
    static constexpr FieldName kTokens("x-litellm-key-tpm-limit: "), kRequests("x-litellm-key-rpm-limit: ");
    put(unit == Unit::Tokens ? kTokens : kRequests, limit.most);
  }
  if (kind == limit::Kind::KeyModel) {
    static constexpr FieldName kTokens("x-litellm-key-remaining-tokens-"),
        kRequests("x-litellm-key-remaining-requests-");
    constexpr std::size_t kModelMax = 64;
    put(unit == Unit::Tokens ? kTokens : kRequests);
    put(FieldName(in_header(std::string_view(meter.subject().model).substr(0, kModelMax)) + ": "), left);
    told.to = 0;
  }
}

/// The first part of a name that has two.
void RestFields::put(const Name& name) {
  size_ = static_cast<std::size_t>(name.put(text_.data() + size_) - text_.data());
}

void RestFields::put(const Name& name, std::int64_t value) {
  constexpr std::string_view kEnd = "\r\n";
  char* const end = fmt::format_to(name.put(text_.data() + size_), FMT_COMPILE("{}"), value);
  size_ = static_cast<std::size_t>(end + kEnd.copy(end, kEnd.size()) - text_.data());
}

}  // namespace turnpike::pipeline
