// environment::Supervisor: a conversation with one instance's supervisor over ROOT/instances/<id>/control.sock.
// Blocking, one thread. To be driven by a net::Loop instead, open a control::Channel on the same path and use the same
// messages: after the hellos the daemon sends {"type":"subscribe","after":N} and gets every event after N, then new
// ones as they happen:
//
//   {"type":"event","number":12,"time":1763884800.25,"event":"process_started","process":"web","pid":4711}
//   {… "event":"process_exited","process":"mailer","cause":"exit"|"signal"|"out_of_memory","code":1,"signal":9,
//      "description":"exit status 1","restart_in_ms":250,"output":"last lines of its log"}
//   {… "event":"server","process":"web","message":{…what the master said: "worker_started", "ready", "failed" …}}
//   {… "event":"stopping"} , {… "event":"ended"}
//
// Requests: {"type":"status"} → {"type":"status","processes":[{name,pid,state,restarts}],"hits":{…},"last_event":N};
// {"type":"signal","process":"web","signal":1} ; {"type":"drain"} (SIGTERM to the processes, no restarts) ;
// {"type":"stop","graceful_timeout_ms":30000} ; {"type":"server","process":"web","message":{…}} (to the master).
#pragma once

#include <chrono>
#include <deque>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "control/blocking_channel.h"
#include "environment/layout.h"

namespace environment {

class Supervisor {
 public:
  using milliseconds = std::chrono::milliseconds;
  static base::Result<Supervisor> connect(const Layout& layout, const std::string& id,
                                          milliseconds timeout = milliseconds(5000));

  Supervisor(Supervisor&&) noexcept;
  Supervisor& operator=(Supervisor&&) noexcept;
  ~Supervisor();

  base::Result<nlohmann::json> status();
  base::Result<void> signal(const std::string& process, int number);
  base::Result<void> drain();
  // Returns at once; `next_event` tells how it goes.
  base::Result<void> stop(milliseconds graceful_timeout);
  base::Result<void> tell_server(const std::string& process, nlohmann::json message);
  // Every event after `number`, then new ones: call `next_event`.
  base::Result<void> subscribe(long after = 0);
  // Kind::unavailable past the timeout; Kind::disconnected once the instance has ended.
  base::Result<nlohmann::json> next_event(milliseconds timeout);
  int fd() const { return channel_.fd(); }

 private:
  explicit Supervisor(control::BlockingChannel channel);
  base::Result<nlohmann::json> ask(nlohmann::json request);

  control::BlockingChannel channel_;
  std::deque<nlohmann::json> pending_;  // events that came while an answer was awaited
};

}  // namespace environment
