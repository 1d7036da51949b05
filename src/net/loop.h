// net::Loop: one event loop per thread, over epoll.
//
// A turn is: wait once, call each ready Pollable, run what was deferred to the end of the turn, fire due timers, run
// what other threads posted. All members are for the loop's own thread, except `post`, `wake` and
// `stop`.
// The worker runs turns from inside asyncio's event loop, so a turn never blocks longer than asked. As the guest of
// another loop, which watches `fd` and turns it when there is something to do, it also tells that by `set_nudge`.
#pragma once

#include <sys/epoll.h>
#include <time.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace net {

using Clock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

// Clock::now() of the kernel's last tick, some milliseconds ago: for deadlines, at a fraction of the cost.
inline Clock::time_point coarse_now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return Clock::time_point(std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec));
}

// What a descriptor's readiness is told to. Owned by others; must outlive its registration.
class Pollable {
 public:
  virtual void on_ready(std::uint32_t epoll_events) = 0;

 protected:
  ~Pollable() = default;
};

// Something to do once at the end of the turn, for example to write the answers of the turn together.
// Deferring twice is the same as once; destroying it takes it back.
class Deferred {
 public:
  virtual void at_end_of_turn() = 0;

 protected:
  Deferred() = default;
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  ~Deferred();

 private:
  friend class Loop;
  class Loop* loop_ = nullptr;  // where it is queued
  std::size_t position_ = 0;
};

// A one-shot timer; may be set again from its own callback. Destroying it cancels it.
class Timer {
 public:
  explicit Timer(class Loop& loop, std::function<void()> fire) : loop_(loop), fire_(std::move(fire)) {}
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { cancel(); }
  void set(Clock::time_point when);
  void set_after(nanoseconds delay);
  void cancel();
  bool is_set() const { return set_; }

 private:
  friend class Loop;
  class Loop& loop_;
  std::function<void()> fire_;
  std::multimap<Clock::time_point, Timer*>::iterator place_;
  bool set_ = false;
};

class Loop {
 public:
  static base::Result<std::unique_ptr<Loop>> create();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  base::Result<void> add(int fd, std::uint32_t epoll_events, Pollable& pollable);
  base::Result<void> modify(int fd, std::uint32_t epoll_events, Pollable& pollable);
  // Safe during a turn: events of this turn that are still pending for it are dropped.
  void remove(int fd, Pollable& pollable);

  // From on_ready: the descriptors that are ready beside this one have to wait for the next turn, which begins with
  // them. For when enough was read to work on.
  void end_dispatch() { dispatch_ends_ = true; }

  void defer(Deferred& deferred);
  // Does now what was deferred: for an owner that does work of its own between turns.
  void run_deferred();
  // For a guest: called on the loop's thread whenever a turn becomes due, though the descriptor is not readable: when
  // something is deferred, or a timer is set, outside of a turn.
  void set_nudge(std::function<void()> nudge) { nudge_ = std::move(nudge); }
  // How long a turn may wait for descriptors, since something else is due then; negative: no limit.
  nanoseconds until_due() const;
  // Thread-safe: runs `job` on the loop's thread in its next turn.
  void post(std::function<void()> job);
  // Thread-safe: the turn that waits now, or else the next one, does not go on waiting.
  void wake();

  // One turn; waits at most `most` (negative: until something happens). Returns how many descriptors were ready.
  int turn(nanoseconds most);
  // Turns until `stop`. Thread-safe stop.
  void run();
  void stop();

  // The time at which this turn's waiting ended: cheap, and the same for all that happens in the turn.
  Clock::time_point now() const { return now_; }
  int fd() const { return epoll_.get(); }

 private:
  friend class Timer;
  friend class Deferred;
  Loop(base::Fd epoll, base::Fd wake);
  void dispatch();
  void nudge() const;
  void fire_timers();
  void run_posted();
  int timeout_ms(nanoseconds most) const;

  base::Fd epoll_, wake_;
  std::array<epoll_event, 256> ready_;
  int ready_count_ = 0, next_ready_ = 0;
  bool dispatch_ends_ = false;
  std::vector<Deferred*> deferred_, running_;
  std::multimap<Clock::time_point, Timer*> timers_;
  Clock::time_point now_;
  std::function<void()> nudge_;
  bool turning_ = false;
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
  std::atomic<bool> has_posted_ = false, stopped_ = false;
};

}  // namespace net
