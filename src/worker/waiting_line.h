// worker::WaitingLine: how many requests may wait for the application, and for how long (--max-queue, --queue-timeout).
// The handler keeps the requests themselves; those that are not to wait get 503. Loop's thread.
//
// A line that was not empty for as long as one may wait is a standing one: whoever waits in it for most of the time is
// answered too late by a client's measure, and keeps others waiting as long. Only a tenth of the time is allowed then,
// so that those who are served are served soon (as CoDel does for packets, RFC 8289).
#pragma once

#include <cstddef>

#include "worker/stream.h"
#include "worker/time_limit.h"

namespace worker {

class WaitingLine {
 public:
  struct Limits {
    std::size_t length = 0;   // 0: none
    net::nanoseconds time{};  // 0: none
  };

  WaitingLine(net::Loop& loop, Limits limits) : loop_(loop), limits_(limits), clock_(loop, limits.time) {}

  bool is_full() const { return limits_.length > 0 && length_ >= limits_.length; }
  void enter(TimeLimit::Subject& subject) {
    if (length_++ == 0) waits_since_ = loop_.now();
    if (has_time_limit()) clock_.watch(subject);
  }
  // Its turn has come, or it waits no longer; also after its time is over.
  void leave(TimeLimit::Subject& subject) {
    length_--;
    clock_.forget(subject);
  }
  // Whether one that came then is not worth to be started any more.
  bool is_too_late(net::Clock::time_point came) const {
    if (!has_time_limit()) return false;
    const auto now = net::Clock::now();
    const bool is_standing = length_ > 0 && now - waits_since_ > limits_.time;
    return now - came > (is_standing ? limits_.time / 10 : limits_.time);
  }
  // 503 with Retry-After. The stream is over for its exchange.
  void turn_away(Stream& stream) const;

 private:
  bool has_time_limit() const { return limits_.time > net::nanoseconds(0); }

  net::Loop& loop_;
  Limits limits_;
  TimeLimit clock_;
  std::size_t length_ = 0;
  net::Clock::time_point waits_since_;  // while it is not empty
};

}  // namespace worker
