#include "environment/dedicated/reservations.h"

#include <unistd.h>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/file.h"
#include "base/log.h"

namespace environment {
namespace fs = std::filesystem;
using allocation::CpuSet;
using allocation::Group;
using allocation::Limits;

namespace {

constexpr std::uint64_t kLeastForOthers = 256ULL << 20;  // bytes that no dedicated app gets; at least a tenth of all

std::uint64_t host_memory() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t most_reserved(std::uint64_t host) {
  auto others = std::max(kLeastForOthers, host / 10);
  return host > others ? host - others : 0;
}

std::uint64_t sum(const std::map<std::string, std::uint64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0},
                         [](std::uint64_t total, const auto& item) { return total + item.second; });
}

base::Result<int> whole_cpus(const Demand& demand) {
  double cpus = demand.limits.cpu;
  if (cpus >= 1 && cpus == std::floor(cpus) && cpus < 8192) return static_cast<int>(cpus);
  return std::unexpected(
      base::Error(base::Kind::invalid,
                  fmt::format("give {} {:g} CPUs of its own: a dedicated app has whole CPUs", demand.app, cpus),
                  "write a whole number: [allocation] cpu = 1"));
}

void warn(const char* what, const base::Result<void>& result) {
  if (!result) base::log(base::Level::warning, "environment.reserve", {{"error", result.error().describe()}}, what);
}

}  // namespace

Reservations::Reservations(Layout layout, allocation::Hierarchy hierarchy, std::string parent)
    : layout_(std::move(layout)), hierarchy_(std::move(hierarchy)), parent_(std::move(parent)) {}

base::Result<Limits> Reservations::plan(const Demand& demand) {
  std::lock_guard lock(mutex_);
  return plan_locked(demand);
}

base::Result<Limits> Reservations::plan_locked(const Demand& demand) const {
  auto cpus = whole_cpus(demand);
  if (!cpus) return std::unexpected(cpus.error());
  auto usable = hierarchy_.cpus();
  if (usable.empty() || !hierarchy_.has("cpu")) {
    return std::unexpected(
        base::Error(base::Kind::unsupported,
                    fmt::format("give {} CPUs of its own: no cpuset control groups can be made here", demand.app),
                    "run the daemon as root on a kernel with cpusets, or let systemd delegate them (Delegate=yes)"));
  }
  auto chosen = allocation::choose_exclusive(allocation::cores_of(usable), owners(), demand.app, *cpus);
  if (!chosen) return std::unexpected(chosen.error());
  if (auto can = check_tunables(demand); !can) return std::unexpected(can.error());
  if (auto fits = check_memory(demand); !fits) return std::unexpected(fits.error());
  auto limits = demand.limits;
  limits.cpus = allocation::format_cpus(*chosen);
  limits.cpu = static_cast<double>(chosen->size());
  limits.memory_reserved = limits.memory;
  return limits;
}

base::Result<void> Reservations::check_tunables(const Demand& demand) const {
  if (demand.limits.nice < 0 && ::geteuid() != 0)
    return base::fail(base::Kind::denied, "give {} the priority {}: only root can go below 0", demand.app,
                      demand.limits.nice);
  if (demand.limits.io_weight == 0 || hierarchy_.has("io")) return {};
  return std::unexpected(base::Error(
      base::Kind::unsupported,
      fmt::format("give {} the I/O weight {}: this host has no io controller", demand.app, demand.limits.io_weight),
      "take [allocation] io_weight out, or start the host with cgroup v2 (systemd.unified_cgroup_hierarchy=1)"));
}

base::Result<void> Reservations::check_memory(const Demand& demand) const {
  auto taken = memory_by_app();
  auto others = sum(taken) - (taken.contains(demand.app) ? taken.at(demand.app) : 0);
  auto host = host_memory(), most = most_reserved(host);
  if (others + demand.limits.memory <= most) return {};
  return std::unexpected(base::Error(
      base::Kind::overloaded,
      fmt::format(
          "reserve {} MiB of memory for {}: of this host's {} MiB {} can be reserved, other dedicated apps have "
          "{}",
          demand.limits.memory >> 20, demand.app, host >> 20, most >> 20, others >> 20),
      "use less with [allocation] memory, or move a dedicated app away (serai move APP --to shared)"));
}

base::Result<void> Reservations::make_group(Record& record) {
  std::lock_guard lock(mutex_);
  if (record.kind == Kind::dedicated) {
    auto planned = plan_locked({record.app, record.kind, record.limits});
    if (!planned) return std::unexpected(planned.error());
    record.limits = *planned;
  }
  auto made = make_locked(record);
  if (!made && reserved_.erase(record.id) > 0) spread();
  return made;
}

// The others leave before the new instance can come: its processes are started when this has returned.
base::Result<void> Reservations::make_locked(Record& record) {
  auto name = parent_ + "/" + record.id;
  record.group = Group::at(hierarchy_, name).save();
  if (auto written = record.write(layout_); !written) return written;
  auto group = Group::create(hierarchy_, name, record.limits);
  if (!group) return std::unexpected(group.error());
  if (auto made = group->save(); made != record.group) {
    record.group = std::move(made);
    if (auto written = record.write(layout_); !written) return written;
  }
  if (record.kind != Kind::dedicated)
    return reserved_.empty() || !group->has("cpuset") ? base::Result<void>{} : group->set_cpus(nobodys());
  auto cpus = allocation::parse_cpus(record.limits.cpus);
  if (!cpus) return std::unexpected(cpus.error());
  if (auto set = group->set_cpus(*cpus); !set) return set;
  reserved_[record.id] = {record.app, *cpus, record.limits.memory_reserved};
  spread();
  protect_memory();
  return group->reserve_memory(record.limits.memory_reserved);
}

base::Result<void> Reservations::remove_group(const Record& record) {
  std::lock_guard lock(mutex_);
  if (auto removed = Group::restore(record.group).remove(); !removed) return removed;
  if (reserved_.erase(record.id) == 0) return {};
  spread();
  protect_memory();
  return {};
}

void Reservations::lend(const std::string& id) {
  std::lock_guard lock(mutex_);
  auto found = reserved_.find(id);
  if (found == reserved_.end() || found->second.is_lent) return;
  found->second.is_lent = true;
  spread();
}

base::Result<void> Reservations::take_back(const std::string& id) {
  std::lock_guard lock(mutex_);
  auto found = reserved_.find(id);
  if (found == reserved_.end() || !found->second.is_lent) return {};
  auto& [app, cpus, memory, is_lent] = found->second;
  for (const auto& [owner, owned] : owners())
    for (int cpu : owned)
      if (owner != app && cpus.contains(cpu))
        return base::fail(base::Kind::conflict, "give {} its CPUs {} back: {} has {} now", app,
                          allocation::format_cpus(cpus), owner, allocation::format_cpus(owned));
  is_lent = false;
  spread();
  return {};
}

// A group that is gone (the host was started anew) reserves nothing any more.
void Reservations::restore() {
  std::lock_guard lock(mutex_);
  reserved_.clear();
  for (const auto& id : Group::with_cpus(hierarchy_, parent_)) {
    auto record = Record::read(layout_, id);
    if (!record || record->kind != Kind::dedicated) continue;
    if (auto cpus = allocation::parse_cpus(record->limits.cpus))
      reserved_[id] = {record->app, *cpus, record->limits.memory_reserved};
  }
  spread();
  protect_memory();
}

allocation::CpuOwners Reservations::owners() const {
  allocation::CpuOwners owners;
  for (const auto& [id, reserved] : reserved_)
    if (!reserved.is_lent) owners[reserved.app].insert(reserved.cpus.begin(), reserved.cpus.end());
  return owners;
}

std::map<std::string, std::uint64_t> Reservations::memory_by_app() const {
  std::map<std::string, std::uint64_t> memory;
  for (const auto& [id, reserved] : reserved_) memory[reserved.app] = std::max(memory[reserved.app], reserved.memory);
  return memory;
}

CpuSet Reservations::nobodys() const {
  auto cpus = hierarchy_.cpus();
  for (const auto& [app, own] : owners())
    for (int cpu : own) cpus.erase(cpu);
  return cpus;
}

void Reservations::spread() {
  auto cpus = nobodys();
  if (cpus.empty()) return;
  for (const auto& id : Group::with_cpus(hierarchy_, parent_)) {
    bool is_instance = fs::exists(layout_.instance(id));  // doctor's trials are none
    if (!is_instance || reserved_.contains(id)) continue;
    auto group = Group::at(hierarchy_, parent_ + "/" + id);
    warn("an instance keeps CPUs that are another's, or does not get back those that are free", group.set_cpus(cpus));
  }
}

// cgroup-v2.rst, "memory.min": what a group is left is bounded by what the groups above it are.
void Reservations::protect_memory() {
  if (Group::with_cpus(hierarchy_, parent_).empty()) return;
  std::uint64_t total = 0;  // of instances, not of apps: both of a swap hold theirs
  for (const auto& [id, reserved] : reserved_) total += reserved.memory;
  warn("memory is reserved by admission only", Group::at(hierarchy_, parent_).reserve_memory(total));
}

Reservations::Summary Reservations::summary() {
  std::lock_guard lock(mutex_);
  Summary summary;
  summary.cores = allocation::cores_of(hierarchy_.cpus());
  summary.owners = owners();
  summary.memory_host = host_memory();
  summary.memory_most = most_reserved(summary.memory_host);
  summary.memory_taken = sum(memory_by_app());
  auto memory = hierarchy_.controllers.find("memory");
  summary.memory_is_protected =
      memory != hierarchy_.controllers.end() && memory->second.version == allocation::Hierarchy::Version::v2;
  return summary;
}

}  // namespace environment
