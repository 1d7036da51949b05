#include "daemon/feed.h"

#include <nlohmann/json.hpp>

#include "base/log.h"

namespace control_plane {

void Feed::publish(const std::string& deploy, const nlohmann::json& event) {
  auto text = event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (auto added = store_.add_deploy_event(deploy, text); !added) {
    base::log(base::Level::error, "deploy.event_lost", {{"deploy", deploy}, {"error", added.error().describe()}},
              "an event of a deploy could not be kept");
  }
  std::lock_guard lock(mutex_);
  count_++;
  published_.notify_all();
}

Result<std::vector<std::string>> Feed::wait(const std::string& deploy, std::size_t from,
                                            std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  auto seen = count_;
  lock.unlock();
  auto events = store_.deploy_events(deploy, from);
  if (!events || !events->empty()) return events;
  lock.lock();
  published_.wait_for(lock, timeout, [&] { return count_ != seen; });
  lock.unlock();
  return store_.deploy_events(deploy, from);
}

}  // namespace control_plane
