// control_plane::Trials: the trial that goes on, if any: two at a time would measure each other. Thread-safe.
#pragma once

#include <memory>
#include <mutex>

#include "daemon/trial/trial.h"

namespace control_plane {

class Trials {
 public:
  explicit Trials(Services& services) : services_(services) {}

  // Kind::conflict while another one goes on. Whoever opens it closes it.
  Result<std::shared_ptr<Trial>> open(const std::string& app, const TrialOptions& options);
  Result<std::shared_ptr<Trial>> find(const std::string& id);
  // Ends it and forgets it; one that is not there is no error.
  void close(const std::string& id);

 private:
  Services& services_;
  std::mutex mutex_;
  bool beginning_ = false;
  std::shared_ptr<Trial> trial_;
};

}  // namespace control_plane
