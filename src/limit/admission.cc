#include "limit/admission.h"

#include <algorithm>
#include <utility>

namespace turnpike::limit {
namespace {

constexpr std::int64_t kAtOnce = 0;

std::optional<std::int64_t> wait_for(const Meter& meter, std::int64_t most, const Terms& terms) {
  return meter.wait_us(terms.amount(meter.unit()), terms.most(most), terms.now_us);
}

/// How long until none of these is crowded, this call included; nothing when its size alone makes it so.
std::optional<std::int64_t> crowd_ends(std::span<const Limit> limits, const Terms& terms) {
  std::int64_t longest = kAtOnce;
  for (const Limit& limit : limits) {
    if (!limit.crowded_at) continue;
    const std::optional<std::int64_t> wait = wait_for(*limit.meter, *limit.crowded_at, terms);
    if (!wait) return std::nullopt;
    longest = std::max(longest, *wait);
  }
  return longest;
}

/// How long a limit keeps a call waiting; nothing when it never lets it pass.
std::optional<std::int64_t> wait_of(std::span<const Limit> limits, std::size_t place, const Terms& terms) {
  const Limit& limit = limits[place];
  if (terms.basis == Basis::None || limit.held == Held::Never) return kAtOnce;
  const std::optional<std::int64_t> wait = wait_for(*limit.meter, limit.most, terms);
  if (limit.held == Held::Always || wait == kAtOnce) return wait;
  const std::optional<std::int64_t> crowded = crowd_ends(limits.first(place), terms);
  return wait && crowded ? std::min(*wait, *crowded) : (wait ? wait : crowded);
}

/// Whether a limit is held to for a call that has taken all those before it. Others who take at the same time may be
/// seen as well: then it is held to a call too early, never too late.
bool is_held(std::span<const Limit> limits, std::size_t place, const Terms& terms) {
  if (terms.basis == Basis::None || limits[place].held == Held::Never) return false;
  if (limits[place].held == Held::Always) return true;
  return std::ranges::any_of(limits.first(place), [&terms](const Limit& before) {
    return before.crowded_at && before.meter->used(terms.now_us) > terms.most(*before.crowded_at);
  });
}

/// Takes the first limits until one has no room; how many were taken.
std::size_t take_all(std::span<const Limit> limits, const Terms& terms) {
  for (std::size_t i = 0; i < limits.size(); ++i) {
    Meter& meter = *limits[i].meter;
    const std::int64_t amount = terms.amount(meter.unit());
    if (!is_held(limits, i, terms)) {
      meter.add(amount, terms.now_us);
    } else if (!meter.take(amount, terms.most(limits[i].most), terms.now_us)) {
      return i;
    }
  }
  return limits.size();
}

void keep_tighter(std::optional<Rate>& kept, const Rate& rate) {
  if (!kept || rate.remaining < kept->remaining) kept = rate;
}

}  // namespace

LimitList::LimitList(Limits limits) {
  if (!limits.empty())
    limits_ = std::allocate_shared<const Limits>(base::PooledAllocator<const Limits>(), std::move(limits));
}

Refusal refusal_of(const Limit& limit, std::int64_t most, std::int64_t amount, std::int64_t used,
                   std::optional<std::int64_t> wait_us) {
  constexpr std::int64_t kNoneToSpeakOfUs = 60'000'000;
  Refusal refusal;
  refusal.subject = limit.meter->subject();
  refusal.unit = limit.meter->unit();
  refusal.limit = most;
  refusal.whole = limit.most;
  refusal.used = used;
  refusal.amount = amount;
  // A limit of zero refuses everything, so the size of this call is not what is wrong with it.
  if (!wait_us && most > 0) refusal.why = Refusal::Why::TooLarge;
  refusal.wait = std::chrono::microseconds(wait_us.value_or(kNoneToSpeakOfUs));
  return refusal;
}

Refusal refusal_of(std::span<const Limit> limits, std::size_t place, std::int64_t most, std::int64_t amount,
                   std::int64_t used, std::optional<std::int64_t> wait_us) {
  Refusal refusal = refusal_of(limits[place], most, amount, used, wait_us);
  if (limits[place].held != Held::WhenCrowded) return refusal;
  for (const Limit& before : limits.first(place)) {
    if (before.crowded_at && before.meter->unit() == refusal.unit) refusal.share_of = before.most;
  }
  return refusal;
}

namespace {

Refusal local_refusal(std::span<const Limit> limits, std::size_t place, const Terms& terms,
                      std::optional<std::int64_t> wait_us) {
  const Limit& limit = limits[place];
  return refusal_of(limits, place, terms.most(limit.most), terms.amount(limit.meter->unit()),
                    limit.meter->used(terms.now_us), wait_us);
}

}  // namespace

std::optional<Refusal> look(std::span<const Limit> limits, const Terms& terms) {
  std::size_t worst = limits.size();
  std::optional<std::int64_t> longest = kAtOnce;
  for (std::size_t i = 0; i < limits.size(); ++i) {
    const std::optional<std::int64_t> wait = wait_of(limits, i, terms);
    if (wait == kAtOnce || !longest || (wait && *wait <= *longest)) continue;
    worst = i;
    longest = wait;
  }
  if (worst == limits.size()) return std::nullopt;
  return local_refusal(limits, worst, terms, longest);
}

tl::expected<Admission, Refusal> admit(LimitList list, const Terms& terms, SharedCount* shared) {
  const std::span<const Limit> limits = list.all();
  const std::size_t taken = take_all(limits, terms);
  if (taken < limits.size()) {
    for (std::size_t i = taken; i-- > 0;) {
      Meter& meter = *limits[i].meter;
      meter.give_back(terms.amount(meter.unit()), terms.now_us, terms.now_us);
    }
    if (auto refusal = look(limits, terms)) return tl::unexpected(std::move(*refusal));
    // Room came back between the two looks: the call is refused all the same, for the shortest time.
    return tl::unexpected(local_refusal(limits, taken, terms, kAtOnce));
  }
  Admission admission;
  admission.limits_ = std::move(list);
  admission.tokens_ = terms.amount(Unit::Tokens);
  admission.taken_us_ = terms.now_us;
  admission.shard_ = terms.shard;
  admission.shared_ = shared;
  return admission;
}

Admission& Admission::operator=(Admission&& other) noexcept {
  if (this == &other) return *this;
  if (!limits_.empty()) end();
  limits_ = std::move(other.limits_);
  tokens_ = other.tokens_;
  taken_us_ = other.taken_us_;
  shard_ = other.shard_;
  shared = std::move(other.shared);
  shared_ = other.shared_;
  return *this;
}

void Admission::settle(std::int64_t tokens, std::int64_t now_us) {
  const std::int64_t more = tokens - tokens_;
  for (const Limit& limit : limits_) {
    Meter& meter = *limit.meter;
    if (meter.unit() == Unit::Calls) {
      meter.give_back(1, taken_us_, now_us);
    } else if (meter.unit() == Unit::Tokens && more > 0) {
      meter.add(more, now_us);
    } else if (meter.unit() == Unit::Tokens && more < 0) {
      meter.give_back(-more, taken_us_, now_us);
    }
  }
  close({.tokens = more});
}

void Admission::undo(std::int64_t now_us) {
  for (const Limit& limit : limits_) limit.meter->give_back(amount(limit.meter->unit()), taken_us_, now_us);
  close({.requests = -1, .tokens = -tokens_});
}

void Admission::end() {
  for (const Limit& limit : limits_) {
    if (limit.meter->unit() == Unit::Calls) limit.meter->give_back(1, taken_us_, taken_us_);
  }
  close({});
}

/// All is given back that is to be.
void Admission::close(SharedCount::Correction correction) {
  if (limits_.empty()) return;
  if (shared_ != nullptr) shared_->ended(*this, correction);
  limits_.clear();
}

Rates rates_of(std::span<const Limit> limits, const Terms& terms) {
  Rates rates;
  for (const Limit& limit : limits) {
    const Meter& meter = *limit.meter;
    if (meter.unit() == Unit::Calls || limit.held != Held::Always) continue;
    const std::int64_t most = terms.most(limit.most);
    Rate rate;
    rate.limit = most;
    rate.remaining = std::max<std::int64_t>(0, most - meter.used(terms.now_us));
    // All of it is free when as much as the limit fits.
    const std::int64_t wait_us = meter.wait_us(most, most, terms.now_us).value_or(0);
    rate.reset_seconds = (wait_us + 999'999) / 1'000'000;
    keep_tighter(meter.unit() == Unit::Tokens ? rates.tokens : rates.requests, rate);
  }
  return rates;
}

}  // namespace turnpike::limit
