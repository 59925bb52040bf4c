#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "domain/caller.h"
#include "limit/admission.h"
#include "pipeline/rest_fields.h"

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
    places_[place_of(caller)] = {caller, limits, nullptr};
  }
  /// The header lines of what is left of a caller's limits, as they were last written. Null: not known.
  RestFields* fields(const domain::CallerRef& caller, const limit::LimitList& limits) {
    Place& place = places_[place_of(caller)];
    if (!place.limits.is(limits)) return nullptr;
    if (!place.fields) place.fields = std::make_unique<RestFields>();
    return place.fields.get();
  }

 private:
  struct Place {
    domain::CallerRef caller;  // Keeps the address from meaning somebody else later.
    limit::LimitList limits;
    std::unique_ptr<RestFields> fields;  // Null: nobody has been told yet.
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
