#include "base/memory.h"

#include <malloc.h>

#include <cstdlib>

namespace base {
namespace {

// At the top of the heap: the bodies of some dozen requests that are read in one turn.
constexpr int most_kept = 8 * 1024 * 1024;
// Setting the one ends glibc's own adjusting of the other: larger blocks are mapped, and unmapped when they are freed.
constexpr int least_mapped = 4 * 1024 * 1024;

bool is_set_by_user() { return std::getenv("MALLOC_TRIM_THRESHOLD_") || std::getenv("GLIBC_TUNABLES"); }

}  // namespace

void keep_freed_memory() {
  if (is_set_by_user()) return;
  ::mallopt(M_TRIM_THRESHOLD, most_kept);
  ::mallopt(M_MMAP_THRESHOLD, least_mapped);
}

}  // namespace base
