#pragma once

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace turnpike::base {

/// Names the calling thread (at most 15 letters), so that /proc, top and debuggers say whose CPU time is whose.
inline void name_this_thread(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
}

/// The same for a thread whose work nobody waits for: where cores are short, those that answer calls go first.
inline void name_background_thread(const char* name) {
  name_this_thread(name);
  constexpr int kNice = 5;  // A third of an equal share, so that it still keeps up.
  ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
}

}  // namespace turnpike::base
