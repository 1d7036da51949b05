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
  bool is_busy(const std::string& app) {
    std::lock_guard lock(mutex_);
    return busy_.contains(app);
  }

 private:
  void release(const std::string& app) {
    std::lock_guard lock(mutex_);
    busy_.erase(app);
  }

  std::mutex mutex_;
  std::set<std::string> busy_;
};

}  // namespace control_plane
