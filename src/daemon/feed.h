// control_plane::Feed: what deploys tell their watchers. Kept in the store, so that a watcher who comes late, or after
// a restart of the daemon, gets everything from the beginning. Thread-safe.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "daemon/store/store.h"

namespace control_plane {

class Feed {
 public:
  explicit Feed(Store& store) : store_(store) {}
  void publish(const std::string& deploy, const nlohmann::json& event);
  // The events after the first `from`, as JSON texts; waits up to `timeout` for one.
  Result<std::vector<std::string>> wait(const std::string& deploy, std::size_t from, std::chrono::milliseconds timeout);

 private:
  Store& store_;
  std::mutex mutex_;
  std::condition_variable published_;
  std::uint64_t count_ = 0;
};

}  // namespace control_plane
