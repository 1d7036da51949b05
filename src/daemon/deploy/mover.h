// control_plane::Mover: moves an app's placement to a release: launch a new instance, wait until it is healthy, switch
// the edge over, drain the old one. The old instance serves until the new one does. Or, for a split, makes the app's
// second place: the same, but the first place stays as it is. Of one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/deploy/alive.h"
#include "daemon/deploy/journal.h"
#include "daemon/health.h"
#include "daemon/services.h"
#include "daemon/specs.h"

namespace control_plane {

// What a release needs in order to run, from the store and the env files.
Result<Runnable> load_runnable(const Services& services, const std::string& app, int release);
// The same for what is placed, in the kind of environment where it is.
Result<Runnable> load_runnable(const Services& services, const Placement& placement);

// Where the platform reaches an instance.
net::Address address_of(const environment::Instance& instance);

class Mover {
 public:
  Mover(Services& services, Journal& journal) : services_(services), journal_(journal) {}

  // Moves to the release that the journal's record names.
  Result<void> move();
  // The part after the switch: also what a new daemon does with a deploy that was interrupted there.
  Result<void> finish();
  // Stops an instance once its requests are answered, and removes it.
  void drain(const std::string& instance);

 private:
  Result<void> launch();
  // Starts an instance of `runnable_`.
  Result<environment::Instance> start_instance(const std::string& id, int release, environment::Launch& launch);
  Result<void> find_instances_to_replace();
  std::string why_in_turn() const;
  Result<void> make_room();
  Result<void> hold_and_stop_old(const std::string& why);
  void bring_old_back();
  Result<void> start_old_again();
  Result<void> wait_for_instance(const environment::Instance& instance);
  struct Ready {
    std::string text, note;
  };
  Result<Ready> wait_until_ready(const environment::Instance& instance, LaunchWatch& watch);
  Result<void> switch_over();
  std::string change_text() const;
  void drain_old();
  void tell_done();

  Services& services_;
  Journal& journal_;
  Runnable runnable_;
  Traffic before_;
  bool holding_ = false;      // requests wait: the old instance has to stop first
  bool old_stopped_ = false;  // it was asked to
  std::optional<Placement> former_;
  std::string ended_second_;  // the instance of a split that ends
};

}  // namespace control_plane
