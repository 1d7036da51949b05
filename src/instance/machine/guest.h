// instance::run_guest: the first process of a virtual machine, from the initramfs on: loads modules, waits for the host
// side's settings, makes the system and moves into it, then starts programs as init does (init.h), with streams in the
// place of descriptors.
//
// Messages (frame.h), beside those of guest_system.h:
//   → {"type":"hello"}
//   ← {"type":"configure","settings":text of guest::Settings,"time":seconds since 1970}
//   → {"type":"ready","stages":{"kernel":1.2,"modules":0.1,"system":0.2}}     seconds
//   → {"type":"failed","error":{…}}                                          it switches off
//   ← {"type":"start","process":name,"argv":[…],"env":[…],"cwd":…,"streams":[in,out,err],"server":stream,
//      "listens":true,"terminal":stream}      a web process listens on descriptor 3 and talks to its supervisor on 4
//   → {"type":"started","process":name,"pid":N}, {"type":"start_failed","process":name,"error":{…}}
//   → {"type":"exited","process":name,"code":N} or {…,"signal":N,"out_of_memory":true}
//   ← {"type":"signal","process":name,"signal":N}, {"type":"window","process":name,"rows":N,"columns":N},
//     {"type":"kill_all"}
#pragma once

namespace instance {

[[noreturn]] void run_guest();

// What an `open` frame names: the socket that the web process listens on, or a port of the guest's own loopback.
constexpr const char* kWebService = "web";
constexpr const char* kPortService = "port ";  // followed by the number

}  // namespace instance
