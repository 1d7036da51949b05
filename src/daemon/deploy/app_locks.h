// control_plane::AppLocks: one change per app at a time. Thread-safe.
#pragma once

#include <mutex>
#include <set>
#include <string>

#include "base/error.h"

namespace control_plane {

class AppLocks {
 public:
  // While it lives, the app is this holder's.
  class Claim {
   public:
    Claim(AppLocks& locks, std::string app) : locks_(&locks), app_(std::move(app)) {}
    Claim(Claim&& other) noexcept : locks_(std::exchange(other.locks_, nullptr)), app_(std::move(other.app_)) {}
    Claim& operator=(Claim&&) = delete;
    ~Claim() {
      if (locks_) locks_->release(app_);
    }
    void disown() { locks_ = nullptr; }

   private:
    AppLocks* locks_;
    std::string app_;
  };

  // A one-off command of the app runs: the app may be changed meanwhile, but not destroyed.
  class Use {
   public:
    Use(AppLocks& locks, std::string app) : locks_(&locks), app_(std::move(app)) {}
    Use(Use&& other) noexcept : locks_(std::exchange(other.locks_, nullptr)), app_(std::move(other.app_)) {}
    Use& operator=(Use&&) = delete;
    ~Use() {
      if (locks_) locks_->end_use(app_);
    }

   private:
    AppLocks* locks_;
    std::string app_;
  };

  base::Result<Claim> claim(const std::string& app) {
    std::lock_guard lock(mutex_);
    if (busy_.insert(app).second) return Claim(*this, app);
    return std::unexpected(base::Error(base::Kind::conflict, fmt::format("{} is being changed already", app),
                                       fmt::format("wait until that is done (serai status {}), then try again", app)));
  }
  // For the app's end: nobody may be using it.
  base::Result<Claim> claim_alone(const std::string& app) {
    auto claimed = claim(app);
    std::lock_guard lock(mutex_);
    if (!claimed) return claimed;
    if (!used_.contains(app)) return ending_.insert(app), std::move(claimed);
    busy_.erase(app);
    claimed->disown();
    return std::unexpected(base::Error(base::Kind::conflict,
                                       fmt::format("a command or a comparison of {} is running", app),
                                       "end it first (serai run, serai compare)"));
  }
  base::Result<Use> use(const std::string& app) {
    std::lock_guard lock(mutex_);
    if (ending_.contains(app)) return base::fail(base::Kind::conflict, "{} is being destroyed", app);
    used_.insert(app);
    return Use(*this, app);
  }
  bool is_busy(const std::string& app) {
    std::lock_guard lock(mutex_);
    return busy_.contains(app);
  }

 private:
  void release(const std::string& app) {
    std::lock_guard lock(mutex_);
    busy_.erase(app);
    ending_.erase(app);
  }
  void end_use(const std::string& app) {
    std::lock_guard lock(mutex_);
    used_.erase(used_.find(app));
  }

  std::mutex mutex_;
  std::set<std::string> busy_, ending_;
  std::multiset<std::string> used_;
};

}  // namespace control_plane
