#include "base/memory.h"

#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace turnpike::base {

std::uint64_t resident_bytes() {
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long long size = 0, resident = 0;
  const int read = std::fscanf(file, "%llu %llu", &size, &resident);
  std::fclose(file);
  return read == 2 ? resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

void give_memory_back() {
  ::malloc_trim(0);
}

bool MemoryWatch::due(Monotonic now, bool idle, std::uint64_t resident) {
  if (resident == 0) return false;
  small_ = std::min(small_, resident);
  if (!idle) {
    idle_since_.reset();
    return false;
  }
  if (!idle_since_) idle_since_ = now;
  return now - *idle_since_ >= limits_.quiet && resident - small_ >= limits_.growth_min;
}

}  // namespace turnpike::base
