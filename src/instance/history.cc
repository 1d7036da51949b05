#include "instance/history.h"

#include <chrono>
#include <nlohmann/json.hpp>

namespace instance {

using nlohmann::json;

struct History::Events {
  std::deque<json> list;
};

History::History(base::Fd file) : file_(std::move(file)), events_(std::make_unique<Events>()) {}
History::~History() = default;

const json& History::add(json event) {
  event["type"] = "event";
  event["number"] = next_++;
  event["time"] = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (file_.is_open())
    (void)base::write_all(file_.get(), event.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  events_->list.push_back(std::move(event));
  if (events_->list.size() > kKept) events_->list.pop_front();
  return events_->list.back();
}

const std::deque<json>& History::events() const { return events_->list; }

}  // namespace instance
