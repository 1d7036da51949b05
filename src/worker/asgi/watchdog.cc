#include "worker/asgi/watchdog.h"

#include <pthread.h>

#include <algorithm>
#include <csignal>

#include "python/gil.h"

namespace worker::asgi {
namespace {

using net::nanoseconds;

// Loops that are busy for shorter are not disturbed.
constexpr nanoseconds longest_patience = std::chrono::seconds(1);
constexpr nanoseconds least_interval = std::chrono::milliseconds(10), most_interval = std::chrono::milliseconds(250);

}  // namespace

Watchdog::Watchdog(const Counters& counters, nanoseconds limit, std::function<void()> bark)
    : counters_(counters),
      patience_(std::min(limit, longest_patience)),
      interval_(std::clamp(limit / 4, least_interval, most_interval)),
      bark_(std::move(bark)) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);  // signals are for the threads that Python knows
  thread_ = std::thread([this] { watch(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Watchdog::~Watchdog() {
  python::GilRelease released;  // it may be waiting for it
  {
    std::lock_guard held(mutex_);
    ended_ = true;
  }
  ending_.notify_one();
  thread_.join();
}

bool Watchdog::is_loop_away() const {
  const std::uint64_t since = counters_.get(Counter::busy_since);
  return since != 0 && net::Clock::now().time_since_epoch() - nanoseconds(since) >= patience_;
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!ending_.wait_for(lock, interval_, [this] { return ended_; })) {
    if (!is_loop_away()) continue;
    lock.unlock();
    {
      python::GilHold held;
      if (is_loop_away()) bark_();
    }
    lock.lock();
  }
}

}  // namespace worker::asgi
