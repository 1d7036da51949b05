// Becoming an unprivileged user between fork and exec: system calls only, safe in the child of a threaded process.
#pragma once

#include <sys/syscall.h>
#include <unistd.h>

#include "environment/identity.h"

namespace control_plane {

// Does nothing when we are not root; ends the child when it fails.
inline void become_user(environment::Identity identity) {
  if (::geteuid() != 0) return;
  // The library's setuid() would signal other threads, which the child does not have.
  bool done = ::syscall(SYS_setgroups, 0, nullptr) == 0 &&
              ::syscall(SYS_setresgid, identity.gid, identity.gid, identity.gid) == 0 &&
              ::syscall(SYS_setresuid, identity.uid, identity.uid, identity.uid) == 0;
  if (!done) ::_exit(126);
}

}  // namespace control_plane
