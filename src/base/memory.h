// base::give_back: the memory of a string that is empty or not wanted any more.
#pragma once

#include <string>

namespace base {

// Empties the text; keeps its memory for the next use only up to `spare` bytes. An assignment of `{}` keeps it all.
inline void give_back(std::string& text, std::size_t spare) {
  text.clear();
  if (text.capacity() > spare) text.shrink_to_fit();
}

}  // namespace base
