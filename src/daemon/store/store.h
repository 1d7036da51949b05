// control_plane::Store: the daemon's memory, ROOT/state.db (SQLite, WAL, synchronous=FULL: a step that was journaled
// happened).
//
// Thread-safe: one connection behind one mutex. Every call is one transaction. SQLite's exceptions end here and come
// out as base::Error. Secret values are not in the database: see env_file.h.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "daemon/store/records.h"

namespace SQLite {
class Database;
}

namespace control_plane {

using base::Result;

class Store {
 public:
  // Opens or creates the database and brings its schema to this version. A schema of a newer Serai is refused.
  static Result<std::unique_ptr<Store>> open(const std::filesystem::path& file);
  ~Store();

  // Apps and where they run.
  Result<void> add_app(const App& app);  // conflict when it exists
  Result<std::optional<App>> find_app(const std::string& name);
  Result<std::vector<App>> apps();
  // Journals that the app is about to be removed; from here on there is no way back.
  Result<void> begin_destroying(const std::string& name);
  // Forgets the app and everything that belongs to it, except its deploys.
  Result<void> remove_app(const std::string& name);
  Result<std::optional<Placement>> find_placement(const std::string& app);
  Result<std::vector<Placement>> placements();
  Result<void> set_placement(const Placement& placement);

  // At most one per app.
  Result<std::optional<Split>> find_split(const std::string& app);
  Result<std::vector<Split>> splits();
  Result<void> set_split(const Split& split);
  Result<void> remove_split(const std::string& app);

  // Releases; numbers count up per app and are never used twice.
  Result<int> next_release_number(const std::string& app);
  Result<void> add_release(const Release& release);
  Result<std::optional<Release>> find_release(const std::string& app, int number);
  Result<std::vector<Release>> releases(const std::string& app);  // newest first
  Result<void> remove_release(const std::string& app, int number);
  Result<std::vector<std::string>> builds_in_use();

  // Env sets: the names that were set; values are in files.
  Result<int> add_env_set(const std::string& app, const std::vector<std::string>& names);
  Result<std::vector<std::string>> env_names(const std::string& app, int version);

  // Instances.
  Result<void> add_instance(const Instance& instance);
  Result<void> set_instance_state(const std::string& id, InstanceState state);
  Result<void> set_last_event(const std::string& id, long number);
  Result<void> remove_instance(const std::string& id);
  Result<std::vector<Instance>> instances();

  // The deploy journal.
  Result<void> add_deploy(const Deploy& deploy);  // conflict when the app has a running one
  Result<void> update_deploy(const Deploy& deploy);
  Result<std::optional<Deploy>> find_deploy(const std::string& id);
  Result<std::vector<Deploy>> running_deploys();
  Result<std::vector<Deploy>> deploys(const std::string& app, int most);
  // The commit point of a deploy, in one transaction: placement, instance state and journal. A split ends with it,
  // unless the same release was only started again; or it begins with it, where that is the deploy's kind.
  Result<void> commit_switch(const Deploy& deploy);
  // What a deploy told its watchers, kept for those who come later and for the autopsy. JSON, in order.
  Result<void> add_deploy_event(const std::string& deploy, const std::string& event);
  Result<std::vector<std::string>> deploy_events(const std::string& deploy, std::size_t from = 0);

  // Hosts besides APP.localhost.
  Result<void> add_domain(const std::string& app, const std::string& host);  // conflict when another app has it
  Result<void> remove_domain(const std::string& app, const std::string& host);
  Result<std::vector<std::string>> domains(const std::string& app);

  Result<void> add_event(const AppEvent& event);
  Result<std::vector<AppEvent>> events(const std::string& app, int most);  // newest first

 private:
  explicit Store(std::unique_ptr<SQLite::Database> database);
  Result<void> migrate();
  // Runs `work` in one transaction under the mutex; an SQLite exception becomes an error with `what` as context.
  template <typename Work>
  auto transact(const char* what, Work work) -> Result<decltype(work(std::declval<SQLite::Database&>()))>;

  std::mutex mutex_;
  std::unique_ptr<SQLite::Database> database_;
};

}  // namespace control_plane
