// instance::build_view: puts the instance's root together and moves into it. For the instance's first process, in
// mount, pid, ipc and uts namespaces of its own, still with the right to mount.
//
// Mounts are made by descriptor (open_tree, fsmount, move_mount): a source beneath an app's folder and a target in one
// are resolved by openat2 without links, so that nothing the app puts there leads a mount elsewhere (security.md 1b).
#pragma once

#include "instance/plan.h"

namespace instance {

base::Result<void> build_view(const Plan& plan);

// The same for a runtime, which moves into it by itself: the root is put together at the plan's view folder, read-only,
// in a mount namespace of the caller's own.
base::Result<void> build_root(const Plan& plan);

}  // namespace instance
