// worker::ForkGuard: tells a process that an application has forked from the one that serves.
//
// A child that comes back from the application, by an exception or by returning, has its parent's server on the stack
// without the threads that belong to it, perhaps with their locks held: it must end before it touches anything of it.
#pragma once

#include <atomic>

namespace worker {

class ForkGuard {
 public:
  // Of the calling process.
  ForkGuard();
  bool is_child() const { return forks_.load(std::memory_order_relaxed) != at_begin_; }
  // Ends the process: with the status of the pending SystemExit, or after printing what else is pending. With the GIL.
  [[noreturn]] static void leave();

 private:
  static std::atomic<unsigned> forks_;  // between this process and the first one of its line that had a guard
  unsigned at_begin_;
};

}  // namespace worker
