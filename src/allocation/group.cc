#include "allocation/group.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <thread>

#include "base/fd.h"
#include "base/file.h"

namespace allocation {
namespace fs = std::filesystem;
namespace {

using Version = Hierarchy::Version;
constexpr int kPeriod = 100'000;  // µs, the kernel's default
constexpr std::chrono::seconds kFreezing{5};

base::Result<void> write(const fs::path& file, const std::string& value) {
  auto fd = base::open(file.string(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (!fd) return std::unexpected(fd.error());
  auto written = base::write_all(fd->get(), value);
  if (!written) return base::wrap(written.error(), fmt::format("set {} to {}", file.string(), value));
  return {};
}

// cpuset(7): a new v1 group has neither CPUs nor memory nodes, and no process can enter it before it has.
base::Result<void> inherit_cpus(const fs::path& folder) {
  for (const char* file : {"cpuset.mems", "cpuset.cpus"}) {
    if (base::read_file(folder / file).value_or("").find_first_not_of('\n') != std::string::npos) continue;
    auto above = base::read_file(folder.parent_path() / file);
    if (!above) return std::unexpected(above.error());
    if (auto written = write(folder / file, *above); !written) return written;
  }
  return {};
}

// Makes the group's folders one below the other; on v2 each parent passes its controllers on.
base::Result<void> make_folders(const Hierarchy::Place& place, const fs::path& name, const std::string& controller) {
  fs::path folder = place.parent;
  for (const auto& part : name) {
    if (place.version == Version::v2) {
      auto passed = write(folder / "cgroup.subtree_control", "+" + controller);
      if (!passed)
        return base::wrap(passed.error(), fmt::format("give the {} controller to {}", controller, name.string()));
    }
    folder /= part;
    if (::mkdir(folder.c_str(), 0755) < 0 && errno != EEXIST) {
      return base::errno_error(fmt::format("create control group {}", folder.string()));
    }
    if (place.version == Version::v1 && controller == "cpuset") {
      if (auto taken = inherit_cpus(folder); !taken) return taken;
    }
  }
  return {};
}

struct Setting {
  const char* controller;
  const char* v1_file;
  const char* v2_file;
  std::string v1_value, v2_value;
  bool optional = false;  // the file depends on how the kernel was built or booted
};

std::vector<Setting> settings(const Limits& limits) {
  auto quota = std::to_string(std::max(1000L, std::lround(limits.cpu * kPeriod)));
  bool unlimited = !limits.cpus.empty();  // whoever has whole CPUs is never throttled
  auto memory = std::to_string(limits.memory);
  auto processes = std::to_string(limits.processes);
  std::vector<Setting> all = {
      {"cpu", "cpu.cfs_period_us", nullptr, std::to_string(kPeriod), ""},
      {"cpu", "cpu.cfs_quota_us", "cpu.max", unlimited ? "-1" : quota,
       (unlimited ? "max" : quota) + " " + std::to_string(kPeriod)},
      {"memory", "memory.limit_in_bytes", "memory.max", memory, memory},
      {"memory", nullptr, "memory.swap.max", "", "0", true},
      {"memory", "memory.swappiness", nullptr, "0", "", true},
      {"pids", "pids.max", "pids.max", processes, processes},
  };
  if (limits.io_weight > 0) all.push_back({"io", nullptr, "io.weight", "", std::to_string(limits.io_weight)});
  return all;
}

std::vector<pid_t> read_pids(const fs::path& folder) {
  std::vector<pid_t> pids;
  std::istringstream numbers(base::read_file(folder / "cgroup.procs").value_or(""));
  for (pid_t pid; numbers >> pid;)
    if (pid > 0) pids.push_back(pid);  // 0: a process that our pid namespace cannot see
  return pids;
}

}  // namespace

base::Result<Group> Group::create(const Hierarchy& hierarchy, const std::string& name, const Limits& limits) {
  Group group = at(hierarchy, name);
  for (const auto& [controller, place] : hierarchy.controllers) {
    auto made = make_folders(place, name, controller);
    // Whoever needs these looks for them.
    bool is_needed = controller != "cpuset" && controller != "io" && controller != "freezer";
    if (!made && !is_needed) {
      group.folders_.erase(controller);
      continue;
    }
    if (!made) {
      (void)group.remove();
      return std::unexpected(made.error());
    }
  }
  if (auto applied = group.apply(limits); !applied) {
    (void)group.remove();
    return std::unexpected(applied.error());
  }
  return group;
}

Group Group::at(const Hierarchy& hierarchy, const std::string& name) {
  Group group;
  for (const auto& [controller, place] : hierarchy.controllers)
    group.folders_[controller] = {place.version, place.parent / name};
  return group;
}

Group Group::restore(const std::map<std::string, std::string>& saved) {
  Group group;
  for (const auto& [controller, text] : saved) {
    if (text.size() < 4) continue;  // "v1:/path"
    group.folders_[controller] = {text.starts_with("v1") ? Version::v1 : Version::v2, text.substr(3)};
  }
  return group;
}

std::map<std::string, std::string> Group::save() const {
  std::map<std::string, std::string> saved;
  for (const auto& [controller, folder] : folders_) {
    saved[controller] = (folder.version == Version::v1 ? "v1:" : "v2:") + folder.path.string();
  }
  return saved;
}

std::vector<fs::path> Group::entrances() const {
  std::set<fs::path> files;
  for (const auto& [controller, folder] : folders_) files.insert(folder.path / "cgroup.procs");
  return {files.begin(), files.end()};
}

fs::path Group::out_of_memory_file() const {
  auto memory = find("memory");
  if (!memory) return {};
  return memory->path / (memory->version == Version::v1 ? "memory.oom_control" : "memory.events");
}

base::Result<void> Group::add(pid_t pid) const {
  for (const auto& file : entrances())
    if (auto added = write(file, std::to_string(pid)); !added) return added;
  return {};
}

base::Result<void> Group::apply(const Limits& limits) const {
  for (const auto& setting : settings(limits)) {
    auto folder = find(setting.controller);
    if (!folder) continue;
    bool v1 = folder->version == Version::v1;
    const char* file = v1 ? setting.v1_file : setting.v2_file;
    if (!file || (setting.optional && ::access((folder->path / file).c_str(), W_OK) != 0)) continue;
    auto written = write(folder->path / file, v1 ? setting.v1_value : setting.v2_value);
    if (!written && !setting.optional) return written;
  }
  return {};
}

base::Result<void> Group::set_cpus(const CpuSet& cpus) const {
  auto folder = find("cpuset");
  if (!folder)
    return base::fail(base::Kind::unsupported, "set the CPUs of a control group: it has no cpuset controller");
  return write(folder->path / "cpuset.cpus", format_cpus(cpus));
}

base::Result<void> Group::reserve_memory(std::uint64_t bytes) const {
  auto memory = find("memory");
  if (!memory || memory->version == Version::v1) return {};
  return write(memory->path / "memory.min", std::to_string(bytes));
}

std::vector<std::string> Group::with_cpus(const Hierarchy& hierarchy, const std::string& parent) {
  std::vector<std::string> names;
  auto place = hierarchy.controllers.find("cpuset");
  if (place == hierarchy.controllers.end()) return names;
  std::error_code error;
  for (fs::directory_iterator at(place->second.parent / parent, error), end; !error && at != end; at.increment(error))
    if (at->is_directory(error)) names.push_back(at->path().filename());
  return names;
}

const Group::Folder* Group::find(const std::string& controller) const {
  auto found = folders_.find(controller);
  return found == folders_.end() ? nullptr : &found->second;
}

std::uint64_t Group::read(const std::string& controller, const char* v1_file, const char* v2_file,
                          std::string_view key) const {
  auto folder = find(controller);
  const char* file = !folder ? nullptr : folder->version == Version::v1 ? v1_file : v2_file;
  if (!file) return 0;
  auto text = base::read_file(folder->path / file);
  if (!text) return 0;
  std::istringstream words(*text);
  std::uint64_t value = 0;
  if (key.empty()) return words >> value ? value : 0;
  for (std::string word; words >> word;)
    if (word == key) return words >> value ? value : 0;
  return 0;
}

base::Result<Usage> Group::usage() const {
  Usage usage;
  usage.cpu = std::chrono::nanoseconds(read("cpuacct", "cpuacct.usage", nullptr, ""));
  if (auto cpu = find("cpu"); cpu && cpu->version == Version::v2) {
    usage.cpu = std::chrono::microseconds(read("cpu", nullptr, "cpu.stat", "usage_usec"));
  }
  usage.memory = read("memory", "memory.usage_in_bytes", "memory.current", "");
  usage.memory_peak = read("memory", "memory.max_usage_in_bytes", "memory.peak", "");
  usage.processes = static_cast<std::uint32_t>(read("pids", "pids.current", "pids.current", ""));
  return usage;
}

base::Result<LimitHits> Group::hits() const {
  LimitHits hits;
  hits.cpu_throttled = read("cpu", "cpu.stat", "cpu.stat", "nr_throttled");
  hits.cpu_waited = std::chrono::nanoseconds(read("cpu", "cpu.stat", nullptr, "throttled_time")) +
                    std::chrono::microseconds(read("cpu", nullptr, "cpu.stat", "throttled_usec"));
  hits.memory_reached = read("memory", "memory.failcnt", nullptr, "") + read("memory", nullptr, "memory.events", "max");
  hits.out_of_memory_kills = read("memory", "memory.oom_control", "memory.events", "oom_kill");
  hits.processes_refused = read("pids", "pids.events", "pids.events", "max");
  return hits;
}

std::vector<pid_t> Group::processes() const {
  std::set<pid_t> all;
  for (const auto& [controller, folder] : folders_) {
    auto pids = read_pids(folder.path);
    all.insert(pids.begin(), pids.end());
  }
  return {all.begin(), all.end()};
}

base::Result<void> Group::freeze() const {
  auto frozen = set_frozen(true, kFreezing);
  if (!frozen) (void)thaw();
  return frozen;
}

base::Result<void> Group::thaw() const { return set_frozen(false, kFreezing); }

bool Group::is_frozen() const {
  for (const auto& [controller, folder] : folders_)
    if (folder.version == Version::v2) return read(controller, nullptr, "cgroup.freeze", "") == 1;
  auto freezer = find("freezer");
  return freezer && !base::read_file(freezer->path / "freezer.state").value_or("").starts_with("THAWED");
}

// cgroup-v2.rst, "cgroup.freeze"; v1/freezer-subsystem.rst. Both freeze in the background and tell when it is done.
base::Result<void> Group::set_frozen(bool frozen, std::chrono::milliseconds patience) const {
  auto v2 = std::ranges::find_if(folders_, [](const auto& item) { return item.second.version == Version::v2; });
  auto v1 = find("freezer");
  bool is_v2 = v2 != folders_.end();
  if (!is_v2 && !v1)
    return base::fail(base::Kind::unsupported, "pause the processes of a control group: it has no freezer");
  const auto& folder = is_v2 ? v2->second.path : v1->path;
  auto value = is_v2 ? (frozen ? "1" : "0") : (frozen ? "FROZEN" : "THAWED");
  auto written = write(folder / (is_v2 ? "cgroup.freeze" : "freezer.state"), value);
  if (!written) return written;
  auto is_done = [&] {
    auto text = base::read_file(folder / (is_v2 ? "cgroup.events" : "freezer.state")).value_or("");
    return text.find(is_v2 ? (frozen ? "frozen 1" : "frozen 0") : value) != std::string::npos;
  };
  for (auto deadline = std::chrono::steady_clock::now() + patience; !is_done();) {
    if (std::chrono::steady_clock::now() > deadline)
      return base::fail(base::Kind::unavailable, "{} a control group: its processes do not follow",
                        frozen ? "pause" : "continue");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return {};
}

base::Result<void> Group::kill_all(std::chrono::milliseconds patience) const {
  // No forks any more, so that killing one by one ends.
  if (auto pids = find("pids")) (void)write(pids->path / "pids.max", "0");
  auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    auto left = processes();
    if (left.empty()) return {};
    for (const auto& [controller, folder] : folders_)
      if (::access((folder.path / "cgroup.kill").c_str(), W_OK) == 0) (void)write(folder.path / "cgroup.kill", "1");
    for (pid_t pid : left) ::kill(pid, SIGKILL);
    if (has("freezer")) (void)set_frozen(false, std::chrono::milliseconds(0));  // v1: a frozen process does not die
    if (std::chrono::steady_clock::now() > deadline) {
      return base::fail(base::Kind::unavailable, "end the processes of a control group: {} of them do not die",
                        left.size());
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

base::Result<void> Group::remove() const {
  if (auto killed = kill_all(); !killed) return killed;
  for (const auto& [controller, folder] : folders_) {
    // The kernel lets go of a group a moment after its last process was reaped.
    for (int attempt = 0; ::rmdir(folder.path.c_str()) < 0 && errno == EBUSY && attempt < 200; attempt++) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (fs::exists(folder.path)) return base::errno_error(fmt::format("remove control group {}", folder.path.string()));
    ::rmdir(folder.path.parent_path().c_str());  // stays while it holds other groups
  }
  return {};
}

void Group::sweep(const Hierarchy& hierarchy, const std::string& parent, const std::set<std::string>& keep) {
  for (const auto& [controller, place] : hierarchy.controllers) {
    std::error_code error;
    std::vector<fs::path> orphans;
    for (fs::directory_iterator at(place.parent / parent, error), end; !error && at != end; at.increment(error))
      if (at->is_directory(error) && !keep.contains(at->path().filename())) orphans.push_back(at->path());
    for (const auto& orphan : orphans) ::rmdir(orphan.c_str());  // refused by the kernel while a process is in it
    ::rmdir((place.parent / parent).c_str());
  }
}

}  // namespace allocation
