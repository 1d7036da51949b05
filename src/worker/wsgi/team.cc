#include "worker/wsgi/team.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"

namespace worker::wsgi {
namespace {

using net::Clock;
using net::nanoseconds;

constexpr nanoseconds least_interval = std::chrono::microseconds(200);
constexpr nanoseconds most_interval = std::chrono::milliseconds(5);
constexpr nanoseconds replace_anyway = std::chrono::milliseconds(5);  // CPython's switch interval
constexpr nanoseconds sleep_after = std::chrono::milliseconds(100);
constexpr nanoseconds stand_in_patience = std::chrono::milliseconds(20);
constexpr nanoseconds stand_in_sleep_after = std::chrono::seconds(1);
// So long after a leader was found asleep, the next ones are watched closely.
constexpr nanoseconds alert_time = std::chrono::seconds(1);

thread_local std::uint64_t my_reign = 0;

nanoseconds cpu_time(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + nanoseconds(time.tv_nsec);
}

// Whether a thread of this process waits for something other than a CPU (proc(5), the state in /proc/TASK/stat). True
// where that cannot be told.
bool is_asleep(pid_t thread) {
  base::Fd file(::open(("/proc/self/task/" + std::to_string(thread) + "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 64> text;
  ssize_t size = file.is_open() ? ::read(file.get(), text.data(), text.size()) : -1;
  std::string_view stat(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  std::size_t name_end = stat.rfind(") ");
  return name_end == std::string_view::npos || stat.substr(name_end + 2, 1) != "R";
}

}  // namespace

void Team::become_leader() {
  my_reign = leader_ = ++last_reign_;
  in_application_ = false;
  ::pthread_getcpuclockid(::pthread_self(), &leader_clock_);
  leader_thread_ = ::gettid();
}

Team::Role Team::wait_for_role() {
  Lock lock(mutex_);
  waiting_++;
  if (stood_in_) wake_stand_in_();
  Role role = wait(lock);
  waiting_--;
  return role;
}

Team::Role Team::wait(Lock& lock) {
  while (!dismissed_) {
    bool leads = leader_ == 0;
    if (!leads && !has_watcher_) leads = watch(lock);
    if (leads && !dismissed_) {
      become_leader();
      resting_.notify_one();  // somebody else may watch now
      return Role::leader;
    }
    if (!dismissed_ && has_watcher_) resting_.wait(lock);
  }
  return Role::dismissed;
}

// Watches until the leader is to be replaced (true) or the team is dismissed.
bool Team::watch(Lock& lock) {
  has_watcher_ = true;
  interval_ = least_interval;
  auto last_change = Clock::now();
  while (!dismissed_ && leader_ != 0 && !should_replace()) {
    std::uint64_t calls_before = calls_;
    if (Clock::now() - last_change > sleep_after) {
      watcher_sleeps_ = true;
      watching_.wait(lock, [&] { return dismissed_ || leader_ == 0 || calls_ != calls_before; });
      watcher_sleeps_ = false;
    } else {
      watching_.wait_for(lock, interval_);
    }
    if (calls_ != calls_before || in_application_) last_change = Clock::now();
  }
  has_watcher_ = false;
  return !dismissed_;
}

bool Team::should_replace() {
  if (dismissed_ || !in_application_) {
    interval_ = std::min(2 * interval_, longest_interval());
    return false;
  }
  bool same_call = seen_call_ == calls_;
  if (!same_call) {
    look_at_call(leader_clock_);
    interval_ = std::min(2 * interval_, longest_interval());
    return false;
  }
  const nanoseconds passed = Clock::now() - seen_at_;
  return is_blocked(passed) || passed > replace_anyway;
}

bool Team::is_blocked(nanoseconds passed) {
  if (passed < least_interval || cpu_time(leader_clock_) - seen_cpu_ >= passed / 2) return false;
  if (is_alert()) return true;
  if (!is_asleep(leader_thread_)) return false;
  slept_at_ = Clock::now();
  return true;
}

bool Team::is_alert() const { return Clock::now() - slept_at_ < alert_time; }

nanoseconds Team::longest_interval() const { return is_alert() ? least_interval : most_interval; }

void Team::look_at_call(clockid_t leader_clock) {
  seen_call_ = calls_;
  seen_at_ = Clock::now();
  seen_cpu_ = cpu_time(leader_clock);
}

void Team::enter() {
  std::lock_guard lock(mutex_);
  in_application_ = true;
  calls_++;
  if (is_alert()) look_at_call(CLOCK_THREAD_CPUTIME_ID);  // whoever comes back need not look twice
  if (watcher_sleeps_) watching_.notify_one();
  if (stand_in_sleeps_) standing_by_.notify_one();
}

bool Team::entrust(Stream& stream) {
  std::lock_guard lock(mutex_);
  if (leader_ != my_reign) return false;
  entrusted_ = &stream;
  return true;
}

Stream* Team::take_entrusted() {
  std::lock_guard lock(mutex_);
  return std::exchange(entrusted_, nullptr);
}

bool Team::leave() {
  std::lock_guard lock(mutex_);
  if (leader_ != my_reign) return false;
  entrusted_ = nullptr;
  in_application_ = false;
  return true;
}

void Team::dismiss() {
  std::lock_guard lock(mutex_);
  dismissed_ = true;
  resting_.notify_all();
  watching_.notify_all();
  standing_by_.notify_all();
}

// --- the stand-in ---------------------------------------------------------------------------------------------------

Team::Role Team::wait_to_stand_in() {
  Lock lock(mutex_);
  auto last_call = Clock::now();
  while (!dismissed_) {
    const std::uint64_t calls_before = calls_;
    const bool was_in_application = in_application_;
    if (!in_application_ && Clock::now() - last_call > stand_in_sleep_after) {
      stand_in_sleeps_ = true;
      standing_by_.wait(lock, [&] { return dismissed_ || calls_ != calls_before; });
      stand_in_sleeps_ = false;
    } else {
      standing_by_.wait_for(lock, stand_in_patience, [&] { return dismissed_; });
    }
    if (calls_ != calls_before || in_application_) last_call = Clock::now();
    bool same_call = was_in_application && calls_ == calls_before;
    if (!dismissed_ && same_call && in_application_ && waiting_ == 0) {
      become_leader();
      stood_in_ = true;
      return Role::leader;
    }
  }
  return Role::dismissed;
}

bool Team::is_needed_as_leader() {
  std::lock_guard lock(mutex_);
  return !dismissed_ && waiting_ == 0;
}

void Team::step_down() {
  std::lock_guard lock(mutex_);
  stood_in_ = false;
  leader_ = 0;
  resting_.notify_one();
  watching_.notify_all();
}

}  // namespace worker::wsgi
