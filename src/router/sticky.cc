#include "router/sticky.h"

#include <cmath>
#include <cstring>

#include "base/hash.h"

namespace turnpike::router {
namespace {

/// The finalizer of SplitMix64: spreads 64 bits over 64 bits.
std::uint64_t mixed(std::uint64_t bits) {
  bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ bits >> 27) * 0x94d049bb133111ebU;
  return bits ^ bits >> 31;
}

}  // namespace

std::uint64_t sticky_of(std::string_view group, std::string_view who) {
  const std::uint64_t both = std::uint64_t{base::crc32c(0, group)} << 32 | base::crc32c(1, who);
  const std::uint64_t sticky = mixed(both + 1);
  return sticky == 0 ? 1 : sticky;
}

std::uint64_t seed_of(std::string_view identity) {
  const base::Sha256 digest = base::sha256(identity);
  std::uint64_t seed = 0;
  std::memcpy(&seed, digest.data(), sizeof seed);
  return seed;
}

double sticky_cost(std::uint64_t sticky, std::uint64_t seed, double weight) {
  // Never 0 and never 1.
  const double drawn = (static_cast<double>(mixed(sticky ^ seed) >> 11) + 0.5) * 0x1.0p-53;
  return -std::log(drawn) / weight;
}

}  // namespace turnpike::router
