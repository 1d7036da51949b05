// environment::SharedEnvironment: many apps on one system. Each has a user, a view, a network and a control group of
// its own; the kernel is everybody's. Also the machinery of dedicated instances, which differ in what their control
// group is given (dedicated/reservations.h), and of containers, which differ in what surrounds /app (surroundings.h).
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "allocation/group.h"
#include "environment/data/kept.h"
#include "environment/dedicated/reservations.h"
#include "environment/environment.h"
#include "environment/network/networks.h"
#include "environment/shared/firewall.h"
#include "environment/shared/record.h"
#include "environment/shared/surroundings.h"
#include "instance/plan.h"

namespace environment {

// Ids of one-off commands begin with it. The underscore keeps them apart from an app "run": apps' names have none.
constexpr const char* kRunPrefix = "run_";

class SharedEnvironment final : public Environment {
 public:
  SharedEnvironment(SharedOptions options, Identities identities, allocation::Hierarchy hierarchy,
                    std::shared_ptr<Reservations> reservations);
  static base::Result<std::unique_ptr<SharedEnvironment>> make(SharedOptions options);

  // Limits are ceilings, of which nothing runs out; tunables at others' expense are not to be had here.
  base::Result<void> check(const Demand& demand) override;
  base::Result<Identity> prepare(const std::string& app) override;
  base::Result<Instance> start(const InstanceSpec& spec, Launch& launch) override;
  base::Result<Adoption> stop(const std::string& id) override;
  base::Result<void> destroy(const std::string& id) override;
  base::Result<void> forget(const std::string& app) override;
  base::Result<Inspection> inspect(const std::string& id) override;
  base::Result<void> freeze(const std::string& id) override;
  base::Result<void> thaw(const std::string& id) override;
  base::Result<std::vector<std::string>> instances() override;
  base::Result<RunResult> run_once(const RunSpec& spec) override;
  base::Result<std::vector<std::string>> unadopted(const std::string& id) override;
  base::Result<Kept> kept(const std::string& app) override;
  Facts doctor() override;

  // Undoes what a daemon left that was killed: one-off commands, and control groups and firewall rules without an
  // instance, also those of an earlier root that had the same range of users and was deleted without being stopped.
  void sweep();

  // From now on instances of this kind have these surroundings instead of the host's system. Before any is started.
  void surround(Kind kind, std::shared_ptr<Surroundings> surroundings) {
    surroundings_[kind] = std::move(surroundings);
  }

  const std::shared_ptr<Reservations>& reservations() const { return reservations_; }
  const allocation::Hierarchy& hierarchy() const { return hierarchy_; }
  // The folder of the control groups of this root.
  std::string group_parent() const { return identities_.host_name(); }

 private:
  Layer layer(const std::string& id, const std::filesystem::path& code) const;
  base::Result<void> make_instance_folder(const std::string& id, Identity user);
  base::Result<AppView> app_view(const Record& record, const std::vector<std::string>& folders,
                                 const std::vector<std::string>& files);
  base::Result<void> own_release(const std::filesystem::path& code, Identity user);
  base::Result<instance::Plan> plan(const Record& record, const InstanceSpec& spec, AppView view);
  Surroundings& surroundings(Kind kind) const;
  std::string group_of(const std::string& id) const { return group_parent() + "/" + id; }
  void set_common(instance::Plan& plan, const Record& record) const;
  base::Result<base::Fd> listen(const std::string& id);
  base::Result<void> open_port(Record& record);
  base::Result<Instance> start_steps(const InstanceSpec& spec, Record& record, Launch& launch);
  base::Result<Instance> start_processes(const InstanceSpec& spec, Record& record, AppView view, int listener,
                                         Launch& launch);
  Instance instance_of(const Record& record) const;
  // Ends what runs, adopts, releases group and port. The record stays.
  base::Result<Adoption> end(const Record& record);
  base::Result<Adoption> keep_data(const Record& record);
  void sweep_runs();
  // The firewall stands while anybody runs: from the first record that is written until the last one's end.
  void close_metadata();
  // Makes the host ready for the record's network, and decides which one it is.
  void open_network(Record& record, const NetworkSpec& wish);
  instance::NetworkPlan network_plan(const Record& record, const NetworkSpec& wish) const;
  base::Result<void> try_networks();
  void lower_firewall();
  void leave_firewall(const Record& record);
  bool is_anybody_left(bool with_own_network = false);
  void ask_to_stop(const Record& record, std::chrono::milliseconds graceful_timeout);
  base::Result<void> remove(const std::string& id);
  base::Result<RunResult> run_in(const RunSpec& spec, Record& record);

  SharedOptions options_;
  Layout layout_;
  Identities identities_;
  allocation::Hierarchy hierarchy_;
  std::shared_ptr<Reservations> reservations_;
  std::map<Kind, std::shared_ptr<Surroundings>> surroundings_{{Kind::shared, std::make_shared<HostSurroundings>()}};
  Firewall firewall_;
  Networks networks_;
  std::mutex
      ports_;  // from writing a port down until it is guarded, and from the last one's end until the table is gone
  std::set<std::string> ended_;  // their records are still there
  bool metadata_closed_ = false;
};

}  // namespace environment
