// wsgi::Team: which of several threads leads. One thread waits for events and runs the requests it finds, one after the
// other, itself: no hand-over, no wake-up. Only when it stays in an application does another take over.
//
//   resting ──► watching ──(the leader is stuck in the application)──► leading ──(replaced while in the application)──►
//   resting
//
// A *stand-in* is a thread that cannot run requests, only turn the loop. It leads while all others have been in the
// application for a while, and gives way as soon as one of them is back.
//
// The watcher looks at the leader every now and then: each 200 µs while leaders block, seldom where they have not for a
// second. A leader that computes holds the GIL, so replacing it would win nothing; one that is blocked is replaced at
// the second look, any after 5 ms. A busy machine lets threads wait that want to compute: they use no CPU time either,
// so the first one in a second that seems to be blocked must really sleep.
#pragma once

#include <ctime>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>

#include "net/loop.h"

namespace worker {
class Stream;
}

namespace worker::wsgi {

class Team {
 public:
  enum class Role { leader, dismissed };

  // --- for each thread, without the GIL

  // Returns when this thread is to lead, or when the team was dismissed.
  Role wait_for_role();
  // The leader enters the application. Thread-safe against `leave` of former leaders.
  void enter();
  // The answer on this stream is whole, but the leader stays in the application: whoever replaces it gets the stream to
  // send it. False: this thread does not lead any more, and sends for itself.
  bool entrust(Stream& stream);
  // For a new leader: what the one before entrusted, or null.
  Stream* take_entrusted();
  // Back from the application: whether this thread is still the leader. Others call wait_for_role next.
  bool leave();
  // Nobody leads from now on.
  void dismiss();

  // --- for the stand-in
  // `wake` interrupts its turn; called by any thread, under the team's lock. Before the first thread asks for a role.
  void expect_stand_in(std::function<void()> wake) { wake_stand_in_ = std::move(wake); }
  // Returns leader when everybody else is busy.
  Role wait_to_stand_in();
  bool is_needed_as_leader();
  // Gives way to whoever comes.
  void step_down();

 private:
  using Lock = std::unique_lock<std::mutex>;
  Role wait(Lock& lock);
  bool watch(Lock& lock);
  bool should_replace();
  bool is_blocked(net::nanoseconds passed);
  void look_at_call(clockid_t leader_clock);
  bool is_alert() const;
  net::nanoseconds longest_interval() const;
  void become_leader();

  std::mutex mutex_;
  std::condition_variable resting_, watching_, standing_by_;
  std::function<void()> wake_stand_in_;
  std::size_t waiting_ = 0;   // for a role
  std::uint64_t leader_ = 0;  // number of the reign; 0: none
  std::uint64_t last_reign_ = 0;
  std::uint64_t calls_ = 0;      // entries into the application
  std::uint64_t seen_call_ = 0;  // when the watcher looked last
  net::Clock::time_point seen_at_;
  net::nanoseconds seen_cpu_{};  // CPU time of the leader then
  clockid_t leader_clock_{};
  pid_t leader_thread_{};
  bool in_application_ = false, has_watcher_ = false, watcher_sleeps_ = false, dismissed_ = false;
  bool stood_in_ = false, stand_in_sleeps_ = false;
  net::nanoseconds interval_{};
  net::Clock::time_point slept_at_{};  // when a leader was found asleep, the last time
  Stream* entrusted_ = nullptr;
};

}  // namespace worker::wsgi
