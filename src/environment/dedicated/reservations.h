// environment::Reservations: which CPUs and how much memory of this host belong to dedicated apps alone, and with that
// on which CPUs everybody else's instances run. One per root; thread-safe.
//
// Every control group of the root is made and removed here, under one lock, so that no instance is ever between two
// choices. The state is the instances' records and their control groups: a new daemon goes on with it. Apps reserve,
// not instances: while one instance of an app replaces another, both run on the app's CPUs, and the larger of their
// reservations of memory counts.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "allocation/group.h"
#include "environment/environment.h"
#include "environment/shared/record.h"

namespace environment {

class Reservations {
 public:
  // `parent` is the folder of the root's control groups (Identities::host_name).
  Reservations(Layout layout, allocation::Hierarchy hierarchy, std::string parent);

  // What a dedicated instance with these limits would get now: `cpus` and `memory_reserved` filled in.
  base::Result<allocation::Limits> plan(const Demand& demand);
  // Writes the record down, then makes its control group: of Kind::dedicated with what it reserves (the record's limits
  // say what that is), else on the CPUs that are nobody's.
  base::Result<void> make_group(Record& record);
  // Ends and removes the record's control group; what it had reserved is everybody's again.
  base::Result<void> remove_group(const Record& record);
  // While an instance stands still its CPUs are everybody's, and taken back before it goes on: an error when another
  // app has got one meanwhile. An instance without CPUs of its own has nothing to lend. What was lent a new daemon
  // takes back.
  void lend(const std::string& id);
  base::Result<void> take_back(const std::string& id);
  // Reads what is reserved from the records and sets all groups accordingly: when a daemon starts.
  void restore();

  struct Summary {
    std::vector<allocation::CpuSet> cores;  // all; empty: this host cannot keep groups to CPUs
    allocation::CpuOwners owners;
    std::uint64_t memory_host = 0, memory_most = 0, memory_taken = 0;  // bytes: there, for reservations, reserved
    bool memory_is_protected = false;  // by the kernel (memory.min), or else by admission only
  };
  Summary summary();

 private:
  struct Reserved {
    std::string app;
    allocation::CpuSet cpus;
    std::uint64_t memory = 0;
    bool is_lent = false;  // the CPUs; the memory stays reserved
  };
  base::Result<allocation::Limits> plan_locked(const Demand& demand) const;
  base::Result<void> check_tunables(const Demand& demand) const;
  base::Result<void> check_memory(const Demand& demand) const;
  base::Result<void> make_locked(Record& record);
  allocation::CpuOwners owners() const;
  std::map<std::string, std::uint64_t> memory_by_app() const;
  allocation::CpuSet nobodys() const;
  // Moves the groups of instances without CPUs of their own to those that are nobody's.
  void spread();
  void protect_memory();

  Layout layout_;
  allocation::Hierarchy hierarchy_;
  std::string parent_;
  std::mutex mutex_;
  std::map<std::string, Reserved> reserved_;  // by instance
};

}  // namespace environment
