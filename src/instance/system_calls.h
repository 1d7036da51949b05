// What an app may ask the kernel for (security.md 1b): a list of calls that are allowed, and a filter of their
// arguments.
#pragma once

#include <linux/filter.h>

#include <vector>

#include "base/error.h"

namespace instance {

// Programs for seccomp(2), in the order in which they are installed. A call passes when both let it pass.
struct SystemCallFilter {
  std::vector<sock_filter> calls;      // the list: EPERM for what is refused by name, ENOSYS for what it does not know
  std::vector<sock_filter> arguments;  // namespaces in flags, families of sockets, device nodes, terminal requests
};
base::Result<SystemCallFilter> make_system_call_filter();

// Installs it for the caller and whatever it becomes or starts. Needs no_new_privs. Calls of the 32-bit and x32 tables
// kill the process.
base::Result<void> filter_system_calls();

}  // namespace instance
