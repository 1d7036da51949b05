// instance::run_machine: the first process of an instance that is a virtual machine, on the host's side. It speaks
// init's messages (init.h) with the supervisor, starts QEMU when the first program is wanted, and has the guest's first
// process (guest.h) start it; descriptors become streams (mux.h). When QEMU ends, so have all programs: the supervisor
// hears why and starts them again, which starts the machine again.
//
//   supervisor ◄─init.h─► this ◄─frames over virtio-serial─► guest's first process ─► programs
//        edge ─connects─►  │                                                            ▲ listener
//                          └── a stream per connection ─────────────────────────────────┘
//
// This process, and QEMU with it, has the app's user, namespaces, system call filter and control group: who gets out of
// the guest is where an app in the shared environment is.
#pragma once

#include "base/fd.h"
#include "instance/plan.h"

namespace instance {

// Called with all rights given up. Never returns.
[[noreturn]] void run_machine(const Plan& plan, base::Fd supervisor);

}  // namespace instance
