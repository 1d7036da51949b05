// allocation::Group: one control group per instance, on cgroup v2, v1 or a hybrid of both.
//
// Each controller (cpu, memory, pids, cpuset; io on v2, cpuacct and freezer on v1) is used where this host has it: v2
// below `GROUP` at the top of the tree (or below the caller's own group when that is delegated to it), v1 below the
// caller's own group of that hierarchy. Only groups of our own are made, and removed with `remove`. Thread-compatible;
// no state besides paths, so that a new daemon opens what an old one made.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "allocation/cpus.h"
#include "allocation/limits.h"
#include "base/error.h"

namespace allocation {

// Where each controller is on this host.
struct Hierarchy {
  enum class Version { v1, v2 };
  struct Place {
    Version version = Version::v2;
    std::filesystem::path parent;  // the folder below which our groups are made
  };
  std::map<std::string, Place> controllers;  // "cpu", "cpuset", "memory", "pids", "io" (v2), "cpuacct", "freezer" (v1)

  // Looks at `mounts` and the caller's own groups; only writable places count. The paths are parameters for tests.
  static base::Result<Hierarchy> detect(const std::filesystem::path& mountinfo = "/proc/self/mountinfo",
                                        const std::filesystem::path& own = "/proc/self/cgroup");
  bool has(const std::string& controller) const { return controllers.contains(controller); }
  // "cpu, cpuset, memory, pids (v1)".
  std::string describe() const;
  // The CPUs that groups of ours can run on; empty without a cpuset controller.
  CpuSet cpus() const;
};

class Group {
 public:
  Group() = default;
  // Makes `name` ("serai-1a2b/shop-7f"; intermediate groups included) with these limits. A controller that the host
  // does not give is left out, and so is a cpuset or io controller that refuses (`has`).
  static base::Result<Group> create(const Hierarchy& hierarchy, const std::string& name, const Limits& limits);
  // The same group without making it, so that its place can be written down first.
  static Group at(const Hierarchy& hierarchy, const std::string& name);
  // What `save` gave earlier.
  static Group restore(const std::map<std::string, std::string>& saved);
  std::map<std::string, std::string> save() const;

  // The files to which a process writes "0" to enter the group; one per hierarchy.
  std::vector<std::filesystem::path> entrances() const;
  // A file with a line "oom_kill N"; empty without a memory controller. Readable by everybody.
  std::filesystem::path out_of_memory_file() const;
  base::Result<void> add(pid_t pid) const;
  base::Result<void> apply(const Limits& limits) const;
  // Moves its processes to these CPUs, and keeps them there.
  base::Result<void> set_cpus(const CpuSet& cpus) const;
  // Bytes that the kernel leaves it (and the groups in it) when memory is short. Cgroup v2 only; else nothing is done.
  base::Result<void> reserve_memory(std::uint64_t bytes) const;
  base::Result<Usage> usage() const;
  base::Result<LimitHits> hits() const;
  std::vector<pid_t> processes() const;
  // Stops its processes in their tracks, without their noticing, and returns once all stand still; `thaw` lets them go
  // on. Kind::unsupported without a freezer (v1 only; v2 always has one).
  base::Result<void> freeze() const;
  base::Result<void> thaw() const;
  bool is_frozen() const;
  // Kills whatever is in the group, forks and frozen processes included, and waits for it to be empty, at most
  // `patience`.
  base::Result<void> kill_all(std::chrono::milliseconds patience = std::chrono::seconds(5)) const;
  // Kills stragglers and removes the group, and its parent when that is empty. A group that is gone is no error.
  base::Result<void> remove() const;
  bool is_empty() const { return folders_.empty(); }
  bool has(const std::string& controller) const { return folders_.contains(controller); }
  // The names of the groups right below `parent` that have CPUs of their own to set.
  static std::vector<std::string> with_cpus(const Hierarchy& hierarchy, const std::string& parent);
  // Removes the groups right below `parent` ("serai-1a2b") in which no process is, but for those named in `keep`; then
  // `parent` too, when nothing is left in it.
  static void sweep(const Hierarchy& hierarchy, const std::string& parent, const std::set<std::string>& keep);

 private:
  struct Folder {
    Hierarchy::Version version;
    std::filesystem::path path;
  };
  const Folder* find(const std::string& controller) const;
  base::Result<void> set_frozen(bool frozen, std::chrono::milliseconds patience) const;
  // The number after `key` in a controller's file ("" as key: the whole file); 0 when it is not there.
  std::uint64_t read(const std::string& controller, const char* v1_file, const char* v2_file,
                     std::string_view key) const;

  std::map<std::string, Folder> folders_;  // by controller
};

}  // namespace allocation
