#include "daemon/deploy/alive.h"

#include <nlohmann/json.hpp>

namespace control_plane {

base::Result<void> LaunchWatch::check() {
  if (!supervisor_) {
    auto connected = environment::Supervisor::connect(layout_, instance_);
    if (!connected) return base::wrap(connected.error(), "reach the instance's supervisor");
    supervisor_.emplace(std::move(*connected));
    if (auto subscribed = supervisor_->subscribe(0); !subscribed) return subscribed;
  }
  for (;;) {
    auto event = supervisor_->next_event(std::chrono::milliseconds(1));
    if (!event && event.error().kind() == base::Kind::unavailable) return {};
    if (!event) return base::wrap(event.error(), "the instance ended");
    if (auto taken = take(*event); !taken) return taken;
  }
}

base::Result<void> LaunchWatch::take(const nlohmann::json& event) {
  auto kind = event.value("event", "");
  if (kind == "server") {
    const auto message = event.value("message", nlohmann::json::object());
    auto type = message.value("type", "");
    if (type == "ready") {
      ready_ = true;
      workers_ = message.value("workers", 0);
    }
    if (type == "failed") {
      output_ = message.value("traceback", "") + "\n" + message.value("error", "");
      return base::fail(base::Kind::conflict, "the server failed at {}: {}", message.value("step", ""),
                        message.value("error", ""));
    }
  }
  if (kind == "process_exited") {
    auto process = event.value("process", "");
    auto out_of_memory = event.value("cause", "") == "out_of_memory";
    if (process == "web" || out_of_memory) {
      if (output_.empty()) output_ = event.value("output", "");
      return base::fail(out_of_memory ? base::Kind::overloaded : base::Kind::conflict,
                        "the process {} ended while it was starting: {}", process, event.value("description", ""));
    }
  }
  if (kind == "ended") return base::fail(base::Kind::conflict, "the instance ended while it was starting");
  return {};
}

}  // namespace control_plane
