#pragma once

#include <cstdint>

namespace turnpike::db {

/// What `replica.state` says of the gateway that owns a journal.
inline constexpr std::int64_t kReplicaLive = 0;
inline constexpr std::int64_t kReplicaStopped = 1;    // A clean end: everything is shipped and returned.
inline constexpr std::int64_t kReplicaReclaimed = 2;  // Silent for so long that what it had free was taken back.
inline constexpr std::int64_t kReplicaForgotten = 3;  // An operator has given it up.
/// Others believe it to be gone.
constexpr bool is_given_up(std::int64_t state) {
  return state == kReplicaReclaimed || state == kReplicaForgotten;
}

}  // namespace turnpike::db
