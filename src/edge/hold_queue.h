// edge::HoldQueue: requests of one app that wait while it starts, swaps or cannot be reached; oldest first, bounded.
//
// Whoever is released tries again and may come back. Between two tables the queue releases by itself, in growing
// intervals, those that wait because the app refused a connection.
#pragma once

#include <list>

#include "edge/route_table.h"
#include "net/loop.h"

namespace edge {

class HoldQueue;

// A waiting request. Destroying it leaves the queue.
class Held {
 public:
  enum class Why { app_on_hold, app_unreachable };
  virtual void on_released() = 0;
  virtual void on_hold_expired(Why why) = 0;
  bool is_held() const { return queue_ != nullptr; }
  void leave_queue();

 protected:
  Held() = default;
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;
  ~Held();

 private:
  friend class HoldQueue;
  HoldQueue* queue_ = nullptr;
  std::list<Held*>::iterator place_;
  std::size_t bytes_ = 0;
  net::Clock::time_point until_;
  Why why_ = Why::app_on_hold;
};

class HoldQueue {
 public:
  explicit HoldQueue(net::Loop& loop);
  ~HoldQueue();

  // False when the queue is full: by count or by the bytes that the requests keep in memory.
  bool add(Held& held, std::size_t bytes, const HoldLimits& limits, net::Clock::time_point until, Held::Why why);
  void remove(Held& held);
  // All that wait now, oldest first.
  void release_all();
  // Tells those whose time is over.
  void expire(net::Clock::time_point now);
  std::size_t size() const { return waiting_.size(); }
  // An app that could be reached: the next interval starts small again.
  void note_reached() { interval_ = kShortest; }

 private:
  static constexpr std::chrono::milliseconds kShortest{5}, kLongest{250};
  void retry();

  std::list<Held*> waiting_;
  std::size_t bytes_ = 0;
  std::chrono::milliseconds interval_ = kShortest;
  net::Timer timer_;
};

}  // namespace edge
