// instance::run_init: the instance's pid 1. Puts the view together, becomes the app's user, then starts processes when
// its supervisor says so, reaps everything and tells what ended. The end of its supervisor is its own end, and with it,
// as pid 1, that of everything in the instance.
//
// Messages, on a socket pair with the supervisor (control frames):
//   ← {"type":"start","process":name,"argv":[…],"env":[…],"cwd":…}  descriptors: stdin, stdout, stderr, then for the
//   web
//     process its numbered ones ("numbers":[3,4]); "terminal":true makes one and sends its master side back
//   → {"type":"started","process":name,"pid":N} or {"type":"start_failed","process":name,"error":{…}}
//   → {"type":"terminal"} with the descriptor
//   → {"type":"exited","process":name,"code":N} or {…,"signal":N}, which a virtual machine may explain by "cause" and
//     "description"; {"type":"note","process":name,"text":…}, a line of the platform's for its log
//   ← {"type":"signal","process":name,"signal":N}   ← {"type":"kill_all"}
#pragma once

#include "base/fd.h"
#include "instance/plan.h"

namespace instance {

// `setup` gets one error line (report.h) if the set-up fails, and is closed once it is done. Never returns.
[[noreturn]] void run_init(const Plan& plan, base::Fd supervisor, base::Fd setup);
// The same as the first process of a container: an OCI runtime has made the namespaces, the view and the user.
[[noreturn]] void run_init_inside(base::Fd supervisor, base::Fd setup);

}  // namespace instance
