#pragma once

/// Calls that stay together without a memory of them: weighted rendezvous hashing (Thaler and Ravishankar 1996, the
/// weights after Schindelhauer and Schomaker 2005). Who belongs together is hashed with each candidate, and the best
/// draw wins: the shares follow the weights, every process and replica finds the same one, one that goes or rests
/// hands over only its own calls, and they come back with it.

#include <cstdint>
#include <string_view>

namespace turnpike::router {

/// What stands for all calls of a group that stay together; never 0.
std::uint64_t sticky_of(std::string_view group, std::string_view who);

/// What stands for a deployment in the draws. By its identity, so that other weights move no more calls than they must.
std::uint64_t seed_of(std::string_view identity);

/// The least cost of all candidates wins. `weight` is above zero.
double sticky_cost(std::uint64_t sticky, std::uint64_t seed, double weight);

}  // namespace turnpike::router
