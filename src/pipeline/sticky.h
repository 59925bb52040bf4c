#pragma once

#include <cstdint>

#include "pipeline/call.h"

namespace turnpike::pipeline {

/// What stands for those this call belongs together with, by the rules of its group (router::Stick): a rule of
/// `turnpike.sticky`, else its session, else how its prompt begins, else its key. 0: it belongs with nobody.
std::uint64_t sticky_of(const Call& call, const router::ModelGroup& group);

}  // namespace turnpike::pipeline
