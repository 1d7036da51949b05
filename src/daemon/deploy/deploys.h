// control_plane::Deploys: begins changes of apps and carries each out on a thread of its own, one per app at a time;
// takes up what a daemon before us left unfinished. Thread-safe.
#pragma once

#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include "daemon/deploy/app_locks.h"
#include "daemon/deploy/journal.h"
#include "daemon/deploy/request.h"
#include "daemon/services.h"

namespace control_plane {

class Deploys {
 public:
  // `on_change` is called, on the deploy's thread, whenever instances may have come or gone.
  Deploys(Services& services, std::function<void()> on_change)
      : services_(services), on_change_(std::move(on_change)) {}
  ~Deploys() { wait(); }

  // Each returns the deploy's id at once; its events are in the feed.
  Result<std::string> deploy(const DeployRequest& request);
  Result<std::string> rollback(const std::string& app, int release);  // 0: the one before the live one
  Result<std::string> restart(const std::string& app);
  Result<std::string> start(const std::string& app);
  // The live release in another kind of environment; a move that cannot work is refused before anything begins.
  Result<std::string> move(const std::string& app, environment::Kind kind);
  // Gives kinds their parts of a hundred requests: the app's own and at most one other; what is missing to a hundred is
  // the own one's. All for the own kind ends a split, all for another is a move.
  Result<std::string> split(const std::string& app, const std::map<environment::Kind, int>& percents);
  // The second place again, after its instance was lost.
  Result<std::string> restart_second(const std::string& app);
  Result<std::string> change_env(const std::string& app, const Variables& set, const std::vector<std::string>& unset);

  // These return when it is done.
  Result<void> stop(const std::string& app);
  Result<void> destroy(const std::string& app);

  // Finishes or undoes what was interrupted, ends instances that nobody placed, sweeps. Before anything else begins.
  void recover();
  // Held while a one-off command of the app runs; meanwhile the app is not destroyed.
  Result<AppLocks::Use> use(const std::string& app) { return locks_.use(app); }
  bool is_busy(const std::string& app) { return locks_.is_busy(app); }
  // No new ones from now on; returns once the running ones have ended.
  void wait();

 private:
  using Work = std::function<Result<void>(Journal&)>;
  Result<std::string> begin(Deploy record, Work work);
  void carry_out(Journal& journal, const Work& work);
  Result<void> make_and_move(Journal& journal, const DeployRequest& request);
  Result<void> launch_placed(Journal& journal);
  Result<std::string> begin_split(const std::string& app, environment::Kind kind, int percent);
  Result<void> give_share(Journal& journal);
  Result<std::string> end_split(const std::string& app);
  Result<void> end_split(Journal& journal);
  Result<Variables> changed_values(const std::string& app, const Variables& set, const std::vector<std::string>& unset);
  Result<void> release_with_env(Journal& journal, Variables values);
  Result<Placement> placement_of(const std::string& app);
  Result<void> add_app_if_new(const std::string& app);
  Result<void> remove_instances(const std::string& app);
  Result<void> finish_destroying(const std::string& app);
  void recover_destroyed_apps();
  void recover_deploy(Deploy record);
  void recover_instances();
  std::string still_serving(const Deploy& record);
  void end_unjournaled(const std::string& app);
  void reap();

  Services& services_;
  std::function<void()> on_change_;
  AppLocks locks_;
  std::mutex mutex_;
  bool closed_ = false;
  struct Running {
    std::thread thread;
    std::atomic<bool> ended = false;
  };
  std::list<Running> running_;
};

}  // namespace control_plane
