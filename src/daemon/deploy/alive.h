// What an instance's supervisor tells during its start: whether it is still worth waiting for.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "environment/supervisor.h"

namespace control_plane {

// Follows one instance's events from its start. Of one thread.
class LaunchWatch {
 public:
  LaunchWatch(const environment::Layout& layout, std::string instance)
      : layout_(layout), instance_(std::move(instance)) {}

  // Reads what happened; an error once the web process failed or ended, or the instance is gone.
  base::Result<void> check();
  // Waits for the engine's "ready" (or a failure) at most `timeout`; for programs that bring their own server there is
  // none and this is just a short wait.
  bool is_ready() const { return ready_; }
  int workers() const { return workers_; }
  // What the ended process printed last and the traceback that the engine reported.
  const std::string& output() const { return output_; }

 private:
  base::Result<void> take(const nlohmann::json& event);

  const environment::Layout& layout_;
  std::string instance_;
  std::optional<environment::Supervisor> supervisor_;
  bool ready_ = false;
  int workers_ = 0;
  std::string output_;
};

}  // namespace control_plane
