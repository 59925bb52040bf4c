#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <tl/expected.hpp>
#include <vector>

#include "base/block_pool.h"
#include "limit/meter.h"
#include "limit/refusal.h"
#include "limit/share.h"

namespace turnpike::limit {

/// When a call is held to a limit; it is counted all the time.
enum class Held : std::uint8_t {
  Always,
  WhenCrowded,  // While one before it in the list is used beyond its `crowded_at`: a share in that.
  Never,
};

/// One limit a call has to keep.
struct Limit {
  MeterRef meter;
  std::int64_t most = 0;
  Held held = Held::Always;
  /// It counts for more than the organisation of the call: each shard of the shared count has a part of it.
  bool above = false;
  /// From this on the shares in it hold; they stand behind it in the list. Nothing: nobody has a share.
  std::optional<std::int64_t> crowded_at = std::nullopt;
};

using Limits = std::vector<Limit, base::PooledAllocator<Limit>>;

/// All limits of one call, shared by those who look at them while it is under way.
class LimitList {
 public:
  LimitList() = default;
  LimitList(Limits limits);                       // NOLINT(google-explicit-constructor): a list is what it lists.
  LimitList(std::initializer_list<Limit> limits)  // NOLINT(google-explicit-constructor)
      : LimitList(Limits(limits)) {}

  operator std::span<const Limit>() const { return all(); }  // NOLINT(google-explicit-constructor)
  std::span<const Limit> all() const { return limits_ ? std::span<const Limit>(*limits_) : std::span<const Limit>(); }
  auto begin() const { return all().begin(); }
  auto end() const { return all().end(); }
  bool empty() const { return !limits_; }
  void clear() { limits_.reset(); }
  /// Whether it is the same list, not another with the same limits.
  bool is(const LimitList& other) const { return limits_ == other.limits_; }

 private:
  std::shared_ptr<const Limits> limits_;  // Null: none.
};

/// What the limits are held to in this process at the moment.
enum class Basis : std::uint8_t {
  Whole,  // To the whole limit: a shared count is asked as well, or this is the only replica.
  Share,  // To this replica's share.
  None,   // To nothing; counted only (rate_limit_on_store_failure: open).
};

/// How one call is admitted.
struct Terms {
  std::int64_t tokens = 0;  // To reserve of token limits; a call uses one at least.
  Basis basis = Basis::Whole;
  Share share;
  std::int64_t now_us = 0;  // The clock of the meters.
  std::uint32_t shard = 0;  // Of the shared count.

  std::int64_t amount(Unit unit) const { return unit == Unit::Tokens ? std::max<std::int64_t>(tokens, 1) : 1; }
  std::int64_t most(std::int64_t limit) const {
    return basis == Basis::Share && share.replicas > 1 ? share.of(limit) : std::max<std::int64_t>(limit, 0);
  }
};

class Admission;

/// The count over all replicas, where there is one; hears how the admissions it knows of end.
class SharedCount {
 public:
  /// How an admission ended, per unit: below zero what was taken too much, above zero what was used beyond it.
  struct Correction {
    std::int64_t requests = 0, tokens = 0;
    std::int64_t of(Unit unit) const { return unit == Unit::Tokens ? tokens : requests; }
  };
  virtual void ended(const Admission& admission, Correction correction) = 0;

 protected:
  ~SharedCount() = default;
};

/// What one call has taken of its limits. It gives its places among the calls under way back when it ends, on every way
/// out; requests and tokens stay counted until their window has passed.
///
/// Threading: lives and dies on the call's thread.
class Admission {
 public:
  Admission() = default;
  Admission(Admission&& other) noexcept = default;
  Admission& operator=(Admission&& other) noexcept;
  ~Admission() {
    if (!limits_.empty()) end();
  }

  /// The call is over and used so many tokens: the reservation is set right, each part in its own bucket.
  void settle(std::int64_t tokens, std::int64_t now_us);
  /// The call will not be made after all: as if it had never come.
  void undo(std::int64_t now_us);

  const LimitList& list() const { return limits_; }
  std::span<const Limit> limits() const { return limits_.all(); }
  /// Of the shared count: all its limits are there.
  std::uint32_t shard() const { return shard_; }
  std::int64_t amount(Unit unit) const { return unit == Unit::Tokens ? tokens_ : 1; }

  /// The shared count's own notes.
  struct Shared {
    enum class State : std::uint8_t { NotAsked, Asked, Counted, Refused } state = State::NotAsked;
    std::int64_t bucket = 0;              // Of the server's clock, once it is counted.
    std::uint64_t round = 0;              // What the count had last told the server of.
    bool held = false;                    // The count knows of its places.
    std::vector<std::int64_t> left = {};  // Of each limit over all replicas, once it is counted.
  } shared;

 private:
  friend tl::expected<Admission, Refusal> admit(LimitList limits, const Terms& terms, SharedCount* shared);
  void end();
  void close(SharedCount::Correction correction);

  LimitList limits_;
  std::int64_t tokens_ = 0;
  std::int64_t taken_us_ = 0;
  std::uint32_t shard_ = 0;
  SharedCount* shared_ = nullptr;
};

/// What a limit says that has no room; without a wait it never will.
Refusal refusal_of(const Limit& limit, std::int64_t most, std::int64_t amount, std::int64_t used,
                   std::optional<std::int64_t> wait_us);

/// The same of one of several: a share says in what.
Refusal refusal_of(std::span<const Limit> limits, std::size_t place, std::int64_t most, std::int64_t amount,
                   std::int64_t used, std::optional<std::int64_t> wait_us);

/// Whether a call would be admitted now; takes nothing.
std::optional<Refusal> look(std::span<const Limit> limits, const Terms& terms);

/// Takes from all limits or, when one has no room, from none. `shared`, if there is one, outlives the admission.
tl::expected<Admission, Refusal> admit(LimitList limits, const Terms& terms, SharedCount* shared = nullptr);

/// What is left of the limits, for headers.
Rates rates_of(std::span<const Limit> limits, const Terms& terms);

}  // namespace turnpike::limit
