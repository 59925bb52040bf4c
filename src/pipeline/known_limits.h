#pragma once

#include <array>
#include <cstdint>

#include "domain/caller.h"
#include "limit/admission.h"

namespace turnpike::pipeline {

/// The limits of the callers one I/O thread has served lately, as their last call met them: the next one looks nothing
/// up.
///
/// Limits:    `kPlaces` callers, two that fall on one place take turns. Their meters are not forgotten meanwhile.
/// Threading: none.
class KnownLimits {
 public:
  static constexpr std::size_t kPlaces = 256;

  /// Null: not known.
  const limit::LimitList* find(const domain::CallerRef& caller) const {
    const Place& place = places_[place_of(caller)];
    return place.caller == caller ? &place.limits : nullptr;
  }
  void keep(const domain::CallerRef& caller, const limit::LimitList& limits) {
    places_[place_of(caller)] = {caller, limits};
  }

 private:
  struct Place {
    domain::CallerRef caller;  // Keeps the address from meaning somebody else later.
    limit::LimitList limits;
  };
  /// Addresses are alike in their low bits: the high ones of a product depend on all.
  static std::size_t place_of(const domain::CallerRef& caller) {
    constexpr std::uint64_t kGoldenRatio = 0x9e37'79b9'7f4a'7c15;
    static_assert(kPlaces == 256);
    return static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(caller.get()) * kGoldenRatio >> 56);
  }

  std::array<Place, kPlaces> places_;
};

}  // namespace turnpike::pipeline
