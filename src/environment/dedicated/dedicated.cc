#include "environment/dedicated/dedicated.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/child.h"

namespace environment {
namespace {

using allocation::CpuSet;
using allocation::Group;
using State = Fact::State;

constexpr std::chrono::seconds kPatience{10};

std::string count(std::size_t number, const char* noun) {
  return fmt::format("{} {}{}", number, noun, number == 1 ? "" : "s");
}

// What /proc says a process may run on, that entered the group: proc(5), Cpus_allowed_list.
base::Result<CpuSet> cpus_inside(const Group& group) {
  std::vector<std::string> entrances;
  for (const auto& file : group.entrances()) entrances.push_back(file.string());
  base::Command command{.argv = {"/bin/grep", "-h", "^Cpus_allowed_list:", "/proc/self/status"}};
  command.in_child = [&entrances] {  // system calls only: the daemon has threads
    for (const auto& entrance : entrances) {
      int fd = ::open(entrance.c_str(), O_WRONLY | O_CLOEXEC);
      if (fd < 0 || ::write(fd, "0", 1) != 1) ::_exit(126);
      ::close(fd);
    }
  };
  auto output = base::run(command, kPatience);
  if (!output) return std::unexpected(output.error());
  auto tab = output->out.find('\t');
  if (tab == std::string::npos) return base::fail(base::Kind::internal, "a process could not enter a control group");
  return allocation::parse_cpus(std::string_view(output->out).substr(tab + 1));
}

// Puts a process into a group that has one core, and asks where it may run.
base::Result<void> try_out(const allocation::Hierarchy& hierarchy, const std::string& name, const CpuSet& core) {
  auto group = Group::create(hierarchy, name, {});
  if (!group) return std::unexpected(group.error());
  auto kept = group->set_cpus(core);
  auto inside = kept ? cpus_inside(*group) : base::Result<CpuSet>(std::unexpected(kept.error()));
  auto removed = group->remove();
  if (!inside) return std::unexpected(inside.error());
  if (*inside != core) {
    return base::fail(base::Kind::internal, "a process that was given CPU {} may run on {}",
                      allocation::format_cpus(core), allocation::format_cpus(*inside));
  }
  return removed;
}

// One that is nobody's now; there always is one.
CpuSet free_core(const Reservations::Summary& summary) {
  for (const auto& core : summary.cores) {
    bool taken =
        std::ranges::any_of(summary.owners, [&](const auto& owner) { return owner.second.contains(*core.begin()); });
    if (!taken) return core;
  }
  return summary.cores.front();
}

std::string taken_text(const allocation::CpuOwners& owners) {
  std::string text;
  for (const auto& [app, cpus] : owners)
    text += fmt::format("{}{} has {}", text.empty() ? "" : ", ", app, allocation::format_cpus(cpus));
  return text.empty() ? "none is taken" : text;
}

Fact memory_fact(const Reservations::Summary& summary) {
  Fact fact{.name = "reserved memory",
            .found = fmt::format("{} of {} MiB are reserved, of at most {}", summary.memory_taken >> 20,
                                 summary.memory_host >> 20, summary.memory_most >> 20),
            .advice = {},
            .state = State::good};
  if (summary.memory_is_protected) {
    fact.found += "; the kernel keeps them (memory.min)";
    return fact;
  }
  fact.found +=
      "; by admission only: dedicated apps together never get more than there is, but what a busy host takes "
      "meanwhile is not kept for them";
  fact.advice = "start the host with cgroup v2 (systemd.unified_cgroup_hierarchy=1) for memory.min";
  fact.state = State::degraded;
  return fact;
}

}  // namespace

DedicatedEnvironment::DedicatedEnvironment(Environment& shared, std::shared_ptr<Reservations> reservations,
                                           allocation::Hierarchy hierarchy, std::string group_parent)
    : shared_(shared),
      reservations_(std::move(reservations)),
      hierarchy_(std::move(hierarchy)),
      group_parent_(std::move(group_parent)) {}

base::Result<void> DedicatedEnvironment::check(const Demand& demand) {
  auto planned = reservations_->plan(demand);
  if (!planned) return std::unexpected(planned.error());
  return {};
}

Fact DedicatedEnvironment::cpus_fact(const Reservations::Summary& summary) {
  static std::atomic<int> examinations = 0;
  Fact fact{.name = "exclusive CPUs", .found = {}, .advice = {}, .state = State::missing};
  if (summary.cores.empty()) {
    fact.found = "no cpuset control groups can be made here";
    fact.advice = "run the daemon as root on a kernel with cpusets, or let systemd delegate them (Delegate=yes)";
    return fact;
  }
  std::size_t cpus = 0;
  for (const auto& core : summary.cores) cpus += core.size();
  fact.found = count(cpus, "CPU") + " in " + count(summary.cores.size(), "core");
  if (summary.cores.size() < 2) {
    fact.advice = "the last core is never given away: dedicated apps need a host with two";
    return fact;
  }
  auto name = fmt::format("{}/doctor_cpus_{}_{}", group_parent_, ::getpid(), ++examinations);
  if (auto works = try_out(hierarchy_, name, free_core(summary)); !works) {
    fact.found += ": " + works.error().describe();
    fact.advice = works.error().advice();
    return fact;
  }
  fact.found +=
      fmt::format(", {} can be given away, {}", count(summary.cores.size() - 1, "core"), taken_text(summary.owners));
  fact.state = State::good;
  return fact;
}

Facts DedicatedEnvironment::doctor() {
  auto summary = reservations_->summary();
  return {cpus_fact(summary), memory_fact(summary)};
}

}  // namespace environment
