// When a package is needed: any of these ways leads to it, each under all of its markers.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace app {

class MarkerSet {
 public:
  using Way = std::set<std::string>;  // markers that must all hold; empty: always
  // Adds a way unless one that is there covers it (needs no more than it); drops ways that the new one covers. Returns
  // whether anything changed, which ends walks through circular dependencies.
  bool add(const Way& way);
  std::size_t size() const { return ways_.size(); }
  // `(a) and (b) or (c)`; empty: always.
  std::string text() const;

 private:
  std::vector<Way> ways_;
};

// Takes `extra == "…"` out of a marker, whether or not other conditions stand beside it with `and`. False when the
// marker uses extras in a way that cannot be taken apart.
bool remove_extra(std::string marker, std::string& into);

}  // namespace app
