#include "edge/hold_queue.h"

#include <algorithm>

namespace edge {

Held::~Held() { leave_queue(); }

void Held::leave_queue() {
  if (queue_) queue_->remove(*this);
}

HoldQueue::HoldQueue(net::Loop& loop) : timer_(loop, [this] { retry(); }) {}

HoldQueue::~HoldQueue() {
  for (auto* held : waiting_) held->queue_ = nullptr;
}

bool HoldQueue::add(Held& held, std::size_t bytes, const HoldLimits& limits, net::Clock::time_point until,
                    Held::Why why) {
  if (waiting_.size() >= limits.max_requests || bytes_ + bytes > limits.max_bytes) return false;
  held.queue_ = this;
  held.place_ = waiting_.insert(waiting_.end(), &held);
  held.bytes_ = bytes;
  held.until_ = until;
  held.why_ = why;
  bytes_ += bytes;
  if (why == Held::Why::app_unreachable && !timer_.is_set()) {
    timer_.set_after(interval_);
    interval_ = std::min(interval_ * 2, kLongest);
  }
  return true;
}

void HoldQueue::remove(Held& held) {
  waiting_.erase(held.place_);
  bytes_ -= held.bytes_;
  held.queue_ = nullptr;
}

// Each may add itself again or end others, so the queue is asked anew each time; newcomers wait for the next round.
void HoldQueue::release_all() {
  for (auto left = waiting_.size(); left > 0 && !waiting_.empty(); left--) {
    auto& held = *waiting_.front();
    remove(held);
    held.on_released();
  }
}

void HoldQueue::retry() {
  release_all();
  if (waiting_.empty()) interval_ = kShortest;
}

void HoldQueue::expire(net::Clock::time_point now) {
  for (auto left = waiting_.size(); left > 0 && !waiting_.empty(); left--) {
    auto& held = *waiting_.front();
    if (held.until_ > now) {  // behind the others: when all have been looked at, the order is the same again
      waiting_.splice(waiting_.end(), waiting_, waiting_.begin());
      continue;
    }
    remove(held);
    held.on_hold_expired(held.why_);
  }
}

}  // namespace edge
