// asgi::Watchdog: looks after a loop's thread that stays in the application, where requests have a time limit. While it
// does, the loop's own timer cannot tell their clients that their time is over.
//
// Its thread sleeps, and sees by the worker's counters how long the loop's thread has not come back. Only then it takes
// the GIL, with which it has the loop's objects to itself: the loop's thread runs our code with the GIL, except where
// Handler::is_waiting says. A thread that blocks inside a C function which keeps the GIL cannot be answered for.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "net/loop.h"
#include "worker/counters.h"

namespace worker::asgi {

class Watchdog {
 public:
  // `bark` is called now and then while the thread stays away, with the GIL. With the GIL.
  Watchdog(const Counters& counters, net::nanoseconds limit, std::function<void()> bark);
  ~Watchdog();

 private:
  void watch();
  bool is_loop_away() const;

  const Counters& counters_;
  const net::nanoseconds patience_, interval_;
  std::function<void()> bark_;
  std::mutex mutex_;
  std::condition_variable ending_;
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace worker::asgi
