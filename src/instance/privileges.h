// Giving up rights, for good.
#pragma once

#include <sys/types.h>

#include "base/error.h"

namespace instance {

// Becomes this user with no supplementary groups, no capability (bounding set included) and no way to gain any
// (no_new_privs), and hides the process from others of the same user (not dumpable). In a user namespace of a caller
// that is not root the user stays what it is.
base::Result<void> become_user(uid_t uid, gid_t gid);
// Limits per process that hold besides the control group: descriptors, no core files, locked memory.
base::Result<void> limit_resources();

// Whether this process is what all of that, and the system call filter, make of one: no capability, no way to gain any,
// filtered calls.
bool is_confined();

}  // namespace instance
