// Starting an instance's first process in namespaces of its own.
#pragma once

#include <sys/types.h>

#include "base/fd.h"
#include "instance/network.h"
#include "instance/plan.h"
#include "instance/report.h"

namespace instance {

struct Init {
  pid_t pid = -1;
  base::Fd pidfd, socket;  // the socket carries init.h's messages
};
// Returns once the view stands and the process has become the app's user.
base::Result<Init> start_init(const Plan& plan, Network& network);
// Reads what run_init reports: nothing, or the error that ended it.
base::Result<void> wait_for_setup(const base::Fd& setup);

// What the caller becomes afterwards: the supervisor's user, without rights, outside the instance.
base::Result<void> become_supervisor(const Plan& plan);

}  // namespace instance
