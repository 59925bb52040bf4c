#pragma once

namespace turnpike::base {

/// Names the calling thread (at most 15 letters), so that /proc, top and debuggers say whose CPU time is whose.
void name_this_thread(const char* name);

/// The same for a thread whose work nobody waits for: where cores are short, those that answer calls go first. It gets
/// a third of an equal share, so that it still keeps up, in slices so short that a call does not wait for one to end
/// (kernels before 6.12 keep their own slice).
void name_background_thread(const char* name);

}  // namespace turnpike::base
