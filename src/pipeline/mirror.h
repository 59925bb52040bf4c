#pragma once

#include "pipeline/call.h"

namespace turnpike::pipeline {

/// Tag of the entries of mirrored calls.
inline constexpr std::string_view kMirrorTag = "mirror";

/// Repeats an answered call on the groups that its own is mirrored to (turnpike.mirroring, silent_model): whole, never
/// streamed, off the caller's path. The copy is paid by the same key under the tag `mirror`, has the call's id and
/// trace, so that both entries are found together, and nobody sees its answer or its failure. At most
/// `mirror_calls_max` at a time; further ones are left out and counted.
void mirror(const Call& call, const router::RoutePlan& plan);

}  // namespace turnpike::pipeline
