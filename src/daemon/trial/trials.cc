#include "daemon/trial/trials.h"

namespace control_plane {

Result<std::shared_ptr<Trial>> Trials::open(const std::string& app, const TrialOptions& options) {
  {
    std::lock_guard lock(mutex_);
    if (beginning_ || trial_)
      return std::unexpected(base::Error(base::Kind::conflict, "another comparison goes on on this host",
                                         "wait until it is done: two would measure each other"));
    beginning_ = true;
  }
  auto begun = Trial::begin(services_, app, options);  // copies files, which takes its time
  std::lock_guard lock(mutex_);
  beginning_ = false;
  if (!begun) return std::unexpected(begun.error());
  return trial_ = std::move(*begun);
}

Result<std::shared_ptr<Trial>> Trials::find(const std::string& id) {
  std::lock_guard lock(mutex_);
  if (trial_ && trial_->id() == id) return trial_;
  return base::not_found("there is no trial {}", id);
}

// It is known until all of it is gone, so that nobody begins another one beside what is being removed.
void Trials::close(const std::string& id) {
  auto trial = find(id);
  if (!trial) return;
  (*trial)->end();
  std::lock_guard lock(mutex_);
  if (trial_ == *trial) trial_.reset();
}

}  // namespace control_plane
