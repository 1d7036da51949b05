// Starting an instance's first process through an OCI runtime (Plan::runtime) instead of by ourselves.
#pragma once

#include "instance/namespaces.h"

namespace instance {

// As start_init; the runtime begins in that network and leaves it as it is. The caller gets a mount namespace of its
// own, in which the instance's root stands, and becomes the parent of the instance's first process
// (PR_SET_CHILD_SUBREAPER), so that it can wait for it.
base::Result<Init> start_init_by_runtime(const Plan& plan, const Network& network);

}  // namespace instance
