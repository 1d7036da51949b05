#include "instance/history.h"

#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

namespace instance {

using nlohmann::json;

struct History::Events {
  std::deque<json> list;
  std::deque<std::size_t> sizes;
  std::size_t bytes = 0;
};

History::History(base::Fd file) : file_(std::move(file)), events_(std::make_unique<Events>()) {}
History::~History() = default;

const json& History::add(json event) {
  event["type"] = "event";
  event["number"] = next_++;
  event["time"] = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  auto line = event.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  write(line);
  events_->list.push_back(std::move(event));
  events_->sizes.push_back(line.size());
  events_->bytes += line.size();
  while (events_->list.size() > 1 && (events_->list.size() > kKept || events_->bytes > kKeptBytes)) {
    events_->bytes -= events_->sizes.front();
    events_->list.pop_front();
    events_->sizes.pop_front();
  }
  return events_->list.back();
}

// The file begins anew when it is full: it is for the end of the story, and a daemon that is there has read the rest.
void History::write(const std::string& line) {
  if (!file_.is_open()) return;
  if (file_bytes_ + line.size() > kKeptBytes && ::ftruncate(file_.get(), 0) == 0) file_bytes_ = 0;
  if (base::write_all(file_.get(), line)) file_bytes_ += line.size();
}

const std::deque<json>& History::events() const { return events_->list; }

}  // namespace instance
