#include "net/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace net {

Deferred::~Deferred() {
  if (!loop_) return;
  auto& queue = loop_->deferred_;
  if (position_ < queue.size() && queue[position_] == this) queue[position_] = nullptr;
  auto& running = loop_->running_;
  if (position_ < running.size() && running[position_] == this) running[position_] = nullptr;
}

void Timer::set(Clock::time_point when) {
  cancel();
  place_ = loop_.timers_.emplace(when, this);
  set_ = true;
  loop_.nudge();
}

void Timer::set_after(nanoseconds delay) { set(Clock::now() + delay); }

void Timer::cancel() {
  if (!set_) return;
  loop_.timers_.erase(place_);
  set_ = false;
}

base::Result<std::unique_ptr<Loop>> Loop::create() {
  base::Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_open()) return base::errno_error("create an epoll descriptor");
  base::Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.is_open()) return base::errno_error("create an event descriptor");
  // A null pointer marks the wake-up; edge-triggered, so that nobody has to read it.
  epoll_event event{EPOLLIN | EPOLLET, {.ptr = nullptr}};
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) < 0) return base::errno_error("watch a descriptor");
  return std::unique_ptr<Loop>(new Loop(std::move(epoll), std::move(wake)));
}

Loop::Loop(base::Fd epoll, base::Fd wake) : epoll_(std::move(epoll)), wake_(std::move(wake)), now_(Clock::now()) {}

Loop::~Loop() {
  for (auto* deferred : deferred_)
    if (deferred) deferred->loop_ = nullptr;
  for (auto& [when, timer] : timers_) timer->set_ = false;
}

base::Result<void> Loop::add(int fd, std::uint32_t epoll_events, Pollable& pollable) {
  epoll_event event{epoll_events, {.ptr = &pollable}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) < 0) return base::errno_error("watch a descriptor");
  return {};
}

base::Result<void> Loop::modify(int fd, std::uint32_t epoll_events, Pollable& pollable) {
  epoll_event event{epoll_events, {.ptr = &pollable}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0) return base::errno_error("watch a descriptor");
  return {};
}

void Loop::remove(int fd, Pollable& pollable) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  for (int i = 0; i < ready_count_; i++)
    if (ready_[static_cast<std::size_t>(i)].data.ptr == &pollable) ready_[static_cast<std::size_t>(i)].events = 0;
}

void Loop::defer(Deferred& deferred) {
  if (deferred.loop_) return;
  deferred.loop_ = this;
  deferred.position_ = deferred_.size();
  deferred_.push_back(&deferred);
  nudge();
}

void Loop::nudge() const {
  if (nudge_ && !turning_) nudge_();
}

void Loop::post(std::function<void()> job) {
  {
    std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(job));
    if (has_posted_.exchange(true)) return;  // the loop was woken for the one before
  }
  wake();
}

void Loop::wake() {
  std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

void Loop::stop() {
  stopped_ = true;
  post([] {});
}

void Loop::run() {
  while (!stopped_) turn(nanoseconds(-1));
  stopped_ = false;
}

nanoseconds Loop::until_due() const {
  if (!deferred_.empty() || has_posted_ || next_ready_ < ready_count_) return nanoseconds(0);
  if (timers_.empty()) return nanoseconds(-1);
  return std::max(nanoseconds(0), nanoseconds(timers_.begin()->first - Clock::now()));
}

int Loop::timeout_ms(nanoseconds most) const {
  using std::chrono::milliseconds;
  nanoseconds left = until_due();
  if (left >= nanoseconds(0) && (most < nanoseconds(0) || left < most)) most = left;
  if (most < nanoseconds(0)) return -1;
  return static_cast<int>(std::min<long long>(std::chrono::ceil<milliseconds>(most).count(), 1 << 30));
}

int Loop::turn(nanoseconds most) {
  if (next_ready_ == ready_count_) {
    int count = ::epoll_wait(epoll_.get(), ready_.data(), static_cast<int>(ready_.size()), timeout_ms(most));
    ready_count_ = std::max(count, 0);
    next_ready_ = 0;
  }
  now_ = Clock::now();
  turning_ = true;
  int first = next_ready_;
  dispatch();
  int count = next_ready_ - first;
  run_deferred();
  fire_timers();
  if (has_posted_.load(std::memory_order_relaxed)) run_posted();
  turning_ = false;
  return count;
}

void Loop::dispatch() {
  dispatch_ends_ = false;
  while (next_ready_ < ready_count_ && !dispatch_ends_) {
    auto& event = ready_[static_cast<std::size_t>(next_ready_++)];
    if (event.data.ptr && event.events != 0) static_cast<Pollable*>(event.data.ptr)->on_ready(event.events);
  }
}

void Loop::run_deferred() {
  if (deferred_.empty()) return;
  bool outer = std::exchange(turning_, true);
  running_.swap(deferred_);
  for (std::size_t i = 0; i < running_.size(); i++) {
    auto* deferred = running_[i];
    if (!deferred) continue;
    running_[i] = nullptr;
    deferred->loop_ = nullptr;
    deferred->at_end_of_turn();
  }
  running_.clear();
  turning_ = outer;
}

void Loop::fire_timers() {
  while (!timers_.empty() && timers_.begin()->first <= now_) {
    auto* timer = timers_.begin()->second;
    timer->cancel();
    timer->fire_();
  }
}

void Loop::run_posted() {
  std::vector<std::function<void()>> jobs;
  {
    std::lock_guard lock(posted_mutex_);
    jobs.swap(posted_);
    has_posted_ = false;
  }
  for (auto& job : jobs) job();
}

}  // namespace net
