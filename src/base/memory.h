// What becomes of memory that is not wanted any more.
#pragma once

#include <string>

namespace base {

// Empties the text; keeps its memory for the next use only up to `spare` bytes. An assignment of `{}` keeps it all.
inline void give_back(std::string& text, std::size_t spare) {
  text.clear();
  if (text.capacity() > spare) text.shrink_to_fit();
}

// For a server: lets malloc keep some freed megabytes instead of giving them to the kernel after each turn and asking
// for them again, zeroed page by page, in the next: with bodies of 64 KiB that took three quarters of the time. What
// the user says in MALLOC_TRIM_THRESHOLD_ or GLIBC_TUNABLES (mallopt(3)) counts more. Process-wide; call it early.
void keep_freed_memory();

}  // namespace base
