// CPUs as the kernel numbers them: lists, the cores that they make up, and the choice of those that one app gets for
// itself. Pure, but for `cores_of`, which reads sysfs.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace allocation {

using CpuSet = std::set<int>;

// cpuset(7), "List format": "0-3,8". The empty text is the empty set.
base::Result<CpuSet> parse_cpus(std::string_view text);
std::string format_cpus(const CpuSet& cpus);

// The usable CPUs, those that share a core (SMT) together; cores in the order of their first CPU.
std::vector<CpuSet> cores_of(const CpuSet& usable, const std::filesystem::path& sysfs = "/sys/devices/system/cpu");

// Which CPUs belong to which app alone.
using CpuOwners = std::map<std::string, CpuSet>;

// Chooses whole cores of at least `wanted` CPUs for `app`: first those that it has already, then free ones from the
// last, since the first CPUs serve most interrupts. What the app has already stays its own until its other instances
// are gone; at least one core stays nobody's. The error shows the arithmetic.
base::Result<CpuSet> choose_exclusive(const std::vector<CpuSet>& cores, const CpuOwners& owners, const std::string& app,
                                      int wanted);

}  // namespace allocation
