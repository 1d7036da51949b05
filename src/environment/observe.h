// What can be seen of a running instance from outside, whatever its kind: the memory of its processes, and which walls
// stand around them at this moment. Read from its record, its control group and /proc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "allocation/group.h"
#include "base/error.h"
#include "environment/layout.h"

namespace environment {

// Sums over all processes of the instance and its supervisor.
struct Footprint {
  // Bytes; what several processes share is divided among them (proc(5), smaps_rollup). `anonymous` is what is on no
  // disk, so that nobody but the instance has it.
  std::uint64_t anonymous = 0, proportional = 0;
  std::uint32_t processes = 0;
};
base::Result<Footprint> footprint(const Layout& layout, const std::string& id);

struct Wall {
  std::string name;  // "own network", for people
  bool stands = false;
};
// The same walls for every kind; one stands when it stands around every process of the instance.
base::Result<std::vector<Wall>> walls(const Layout& layout, const std::string& id);

// The control group that the instance's record names.
base::Result<allocation::Group> group_of(const Layout& layout, const std::string& id);

}  // namespace environment
