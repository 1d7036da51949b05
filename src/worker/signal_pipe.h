// worker::SignalPipe: wakes the loop when CPython's C signal handler has written to signal.set_wakeup_fd, so that a
// signal that comes just before the loop begins to wait is not slept through. The descriptor stays the caller's.
#pragma once

#include <unistd.h>

#include <array>

#include "net/loop.h"

namespace worker {

class SignalPipe final : public net::Pollable {
 public:
  // `read_end` must be non-blocking. Watching may fail only for want of memory; signals then interrupt the wait alone.
  SignalPipe(net::Loop& loop, int read_end) : loop_(loop), fd_(read_end) { (void)loop_.add(fd_, EPOLLIN, *this); }
  ~SignalPipe() { loop_.remove(fd_, *this); }
  SignalPipe(const SignalPipe&) = delete;
  SignalPipe& operator=(const SignalPipe&) = delete;

  void on_ready(std::uint32_t) override {
    std::array<char, 64> ignored;
    while (::read(fd_, ignored.data(), ignored.size()) > 0) {
    }
  }

 private:
  net::Loop& loop_;
  int fd_;
};

}  // namespace worker
