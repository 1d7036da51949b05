#include "worker/wsgi/courier.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <system_error>
#include <utility>

#include "python/gil.h"

namespace worker::wsgi {
namespace {

using net::Clock;

constexpr auto never = Clock::time_point::max();

}  // namespace

void Courier::end() {
  {
    std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool Courier::enlist(Sender& sender, Clock::time_point due) {
  auto lock = python::lock_with_gil(mutex_);
  if (ended_ || (!thread_.joinable() && !start())) return false;
  if (sender.position_ == Sender::nowhere) {
    sender.position_ = senders_.size();
    senders_.push_back(&sender);
  }
  is_busy_ = true;
  if (wakes_at_ > due + interval) {
    wakes_at_ = due;
    changed_.notify_one();
  }
  return true;
}

void Courier::forget(Sender& sender) {
  auto lock = python::lock_with_gil(mutex_);
  if (sender.position_ != Sender::nowhere) remove(sender);
}

void Courier::remove(Sender& sender) {
  std::size_t place = std::exchange(sender.position_, Sender::nowhere);
  senders_[place] = senders_.back();
  senders_.pop_back();
  if (place < senders_.size()) senders_[place]->position_ = place;
}

bool Courier::start() {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the threads that Python knows
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error&) {  // a limit of processes or memory; the next answer tries again
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread_.joinable();
}

void Courier::work() {
  std::unique_lock lock(mutex_);
  while (!ended_) {
    if (wakes_at_ == never)
      changed_.wait(lock);
    else
      changed_.wait_until(lock, wakes_at_);
    if (Clock::now() >= wakes_at_) look();
  }
}

// After a look at which somebody had come it stays on its feet for one more: the next answer need not wake it.
void Courier::look() {
  const auto now = Clock::now();
  wakes_at_ = std::exchange(is_busy_, false) ? now + interval : never;
  for (std::size_t i = senders_.size(); i-- > 0;) {
    auto again = senders_[i]->send_due(now);
    if (again)
      wakes_at_ = std::min(wakes_at_, std::max(*again, now + interval));
    else
      remove(*senders_[i]);
  }
}

}  // namespace worker::wsgi
