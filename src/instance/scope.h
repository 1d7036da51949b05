// Landlock (landlock(7)): what namespaces leave open between instances that share the host's network.
#pragma once

#include "base/error.h"

namespace instance {

// Whether this kernel can keep processes to themselves (Linux 6.12, ABI 6, with Landlock switched on).
bool can_keep_to_itself();

// From here on the caller and its children connect only to abstract Unix sockets that one of them opened, and signal
// only each other. Needs no_new_privs. Without effect where the kernel cannot do it.
base::Result<void> keep_to_itself();

}  // namespace instance
