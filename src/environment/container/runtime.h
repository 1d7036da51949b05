// The OCI runtimes that can start our containers, and how each is called.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "instance/plan.h"

namespace environment {

struct OciRuntime {
  std::string program;  // "/usr/bin/crun"
  std::string version;  // "crun 1.8.1"
  // crun makes no control group when it is told so: it starts in the instance's. runc cannot be told; it makes one in
  // every hierarchy, at the place of ours where there is one (`clear_groups`).
  bool makes_groups = false;
};

// crun, then runc, as far as they are installed; each is asked for its version.
std::vector<OciRuntime> find_runtimes();

// Where one container's runtime keeps its things: all in folders of the instance.
struct RuntimePlaces {
  std::filesystem::path bundle, state;
};
// `create` and `start` in one; returns as soon as the container's first process runs.
instance::Runtime runtime_call(const OciRuntime& runtime, const RuntimePlaces& places, const std::string& id);

// How a configuration names one of our control groups ("serai-70000/shop-1") to a runtime that makes it (runtime-spec,
// config-linux.md: "Cgroups Path"). runc takes a relative path from its own group on: there our groups are on cgroup
// v1. On v2 alone (`unified`), where it takes its group's parent, ours are at the top of the tree.
std::string cgroups_path(const std::string& group, bool unified);
// Whether this host has cgroup v2 and nothing else.
bool is_cgroup_unified();

// Removes the control groups of this name, and their empty parent, in every hierarchy of cgroup v1 below our own group.
void clear_groups(const std::string& name);

// The runtime that was chosen by trying it out, remembered in a file until the program changes.
std::optional<OciRuntime> remembered_runtime(const std::filesystem::path& file);
base::Result<void> remember_runtime(const std::filesystem::path& file, const OciRuntime& runtime);

}  // namespace environment
