#pragma once

#include <string>
#include <string_view>

#include "redis/command.h"

namespace turnpike::limit {

/// The one script that counts over all replicas: "admit" (all limits of a call or none), "done" (corrections at its
/// end), "renew" (what a holder really has). The time is the server's.
///
/// Keys:      1 the era: a text made anew whenever the server has lost everything; 2 the holder's sign of life, which
///            expires; from 3 on one per limit.
/// Arguments: 1 what to do; 2 microseconds per bucket; 3 an era, should there be none; 4 the holder; 5 what stands
///            before a holder in its sign of life; 6 how long that lasts, in ms; from 7 on per limit: its kind, its
///            limit (admit) or the bucket of the admission (done), and an amount.
/// Kinds:     "r" a ring, "p" places, "c" a ring that is counted and not held to; "g50" a ring in which others have
///            shares: with more than 50 used it is crowded; "s" a share, held to while one before it is crowded.
/// Answers:   admit: {1, bucket, era, what is left of each limit...}, or {0, bucket, era, index of the limit from 1,
/// used, wait in us} for the limit
///            with the longest wait. done, renew: 1.
const redis::Script& limit_script();

/// All keys of an installation, or of one of its shards ("turnpike:3"), carry one tag, so that a cluster keeps them in
/// one slot.
std::string shared_key(std::string_view installation, std::string_view name);

}  // namespace turnpike::limit
