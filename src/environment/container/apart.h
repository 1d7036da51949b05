// Programs of the host that mount things and start others, as an installer of packages does: run in mount and pid
// namespaces of their own, so that what they mount the host never sees, and nothing of them outlives the caller.
#pragma once

#include <chrono>

#include "base/child.h"

namespace environment {

// `base::run` for such a command. However it ends (by itself, past the patience, cancelled, with the calling thread or
// by kill -9 of this process), all its processes are killed and its mounts gone with them. Needs root. `in_child` is
// not called.
base::Result<base::Output> run_apart(base::Command command, std::chrono::milliseconds patience);

}  // namespace environment
