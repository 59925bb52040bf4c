#include "base/thread_name.h"

#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace turnpike::base {
namespace {

/// The kernel's `struct sched_attr` in its first version; the C library has none, and the kernel's header does not go
/// with <sched.h>.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

}  // namespace

void name_this_thread(const char* name) {
  ::pthread_setname_np(::pthread_self(), name);
}

void name_background_thread(const char* name) {
  name_this_thread(name);
  SchedulingAttributes attributes;
  attributes.nice = 5;
  attributes.runtime_ns = 100'000;
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);  // A kernel that refuses leaves the thread as it was.
}

}  // namespace turnpike::base
