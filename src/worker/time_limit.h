// worker::TimeLimit: which requests have been with the application for too long (--request-timeout). The limit is the
// same for all of them, so they are due in the order in which they came. Loop's thread.
#pragma once

#include <list>
#include <utility>

#include "net/loop.h"

namespace worker {

class TimeLimit {
 public:
  class Subject {
   public:
    // Its time is over; it is not watched any more.
    virtual void on_overdue() = 0;

   protected:
    ~Subject() = default;

   private:
    friend class TimeLimit;
    std::list<std::pair<net::Clock::time_point, Subject*>>::iterator place_;
    bool watched_ = false;
  };

  TimeLimit(net::Loop& loop, net::nanoseconds limit) : timer_(loop, [this] { look(); }), limit_(limit) {}

  net::nanoseconds limit() const { return limit_; }
  // From now on; the subject must be forgotten before it is destroyed.
  void watch(Subject& subject) {
    subject.place_ = subjects_.emplace(subjects_.end(), net::Clock::now() + limit_, &subject);
    subject.watched_ = true;
    if (!timer_.is_set()) timer_.set(subjects_.front().first);
  }
  // Idempotent.
  void forget(Subject& subject) {
    if (std::exchange(subject.watched_, false)) subjects_.erase(subject.place_);
  }
  // Tells those whose time is over; otherwise the loop's timer does.
  void look() {
    const auto now = net::Clock::now();
    while (!subjects_.empty() && subjects_.front().first <= now) {
      Subject& subject = *subjects_.front().second;
      forget(subject);
      subject.on_overdue();
    }
    if (!subjects_.empty()) timer_.set(subjects_.front().first);
  }

 private:
  std::list<std::pair<net::Clock::time_point, Subject*>> subjects_;
  net::Timer timer_;
  net::nanoseconds limit_;
};

}  // namespace worker
