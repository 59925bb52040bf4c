#pragma once

#include <pthread.h>

namespace turnpike::base {

/// Names the calling thread (at most 15 letters), so that /proc, top and debuggers say whose CPU time is whose.
inline void name_this_thread(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
}

}  // namespace turnpike::base
