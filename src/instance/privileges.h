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

// What an app may not ask the kernel for (security.md 1b): new user namespaces, mounts, other namespaces, kernel keys,
// bpf, perf, userfaultfd, io_uring, modules, clocks, the 32-bit and x32 call tables, and sockets of families other than
// Unix, IPv4, IPv6 and route netlink. Refused calls fail with EPERM (clone3 with ENOSYS, so that libc falls back to
// clone, whose flags can be checked). Needs no_new_privs; inherited by every child.
base::Result<void> filter_system_calls();

}  // namespace instance
