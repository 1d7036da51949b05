// Becoming an unprivileged user between fork and exec: system calls only, safe in the child of a threaded process.
#pragma once

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "environment/identity.h"

namespace control_plane {

// For good: no capability can be gained again, not even by a set-uid program. Does nothing when we are not root; ends
// the child when it fails.
inline void become_user(environment::Identity identity) {
  if (::geteuid() != 0) return;
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++)
    ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0);  // fails for a root without rights, which has none to lose
  // The library's setuid() would signal other threads, which the child does not have.
  bool done = ::syscall(SYS_setgroups, 0, nullptr) == 0 &&
              ::syscall(SYS_setresgid, identity.gid, identity.gid, identity.gid) == 0 &&
              ::syscall(SYS_setresuid, identity.uid, identity.uid, identity.uid) == 0 &&
              ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  if (!done) ::_exit(126);
}

}  // namespace control_plane
