#include <unistd.h>

#include <sstream>

#include "allocation/group.h"
#include "base/file.h"

namespace allocation {
namespace fs = std::filesystem;
namespace {

struct Mount {
  fs::path root, point;
  std::string type, options;  // the file system's own options: v1 names its controllers there
};

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// proc(5): "36 35 98:0 /root /point rw,noatime shared:1 - type source options".
std::vector<Mount> parse_mounts(const std::string& text) {
  std::vector<Mount> mounts;
  for (const auto& line : split(text, '\n')) {
    auto fields = split(line, ' ');
    std::size_t dash = 6;
    while (dash < fields.size() && fields[dash] != "-") dash++;
    if (dash + 3 >= fields.size()) continue;
    mounts.push_back({fields[3], fields[4], fields[dash + 1], fields[dash + 3]});
  }
  return mounts;
}

// cgroups(7): "4:memory:/path", and "0::/path" for v2.
std::map<std::string, std::string> parse_own_groups(const std::string& text) {
  std::map<std::string, std::string> groups;
  for (const auto& line : split(text, '\n')) {
    auto first = line.find(':');
    auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    auto controllers = split(line.substr(first + 1, second - first - 1), ',');
    if (controllers.empty()) controllers.push_back("");
    for (const auto& controller : controllers) groups[controller] = line.substr(second + 1);
  }
  return groups;
}

// Where the caller's own group of a hierarchy is below its mount point.
fs::path own_folder(const Mount& mount, const std::string& own) {
  auto relative = fs::path(own).lexically_relative(mount.root);
  if (relative.empty() || *relative.begin() == "..") return mount.point;
  return relative == "." ? mount.point : mount.point / relative;
}

bool is_writable(const fs::path& folder) { return ::access(folder.c_str(), W_OK | X_OK) == 0; }

void add_v2(Hierarchy& hierarchy, const Mount& mount, const std::string& own) {
  // Below the top group as root; a group that holds processes, as the caller's own does, cannot have children with
  // controllers (cgroup-v2.rst, "No Internal Process Constraint"), so without root it must be a delegated empty one.
  fs::path parent = ::geteuid() == 0 ? mount.point : own_folder(mount, own);
  if (!is_writable(parent) || ::access((parent / "cgroup.subtree_control").c_str(), W_OK) != 0) return;
  auto controllers = base::read_file(parent / "cgroup.controllers");
  if (!controllers) return;
  std::istringstream names(*controllers);
  for (std::string name; names >> name;)
    if (name == "cpu" || name == "cpuset" || name == "io" || name == "memory" || name == "pids")
      hierarchy.controllers[name] = {Hierarchy::Version::v2, parent};
}

void add_v1(Hierarchy& hierarchy, const Mount& mount, const std::map<std::string, std::string>& own) {
  for (const auto& name : split(mount.options, ',')) {
    if (name != "cpu" && name != "cpuset" && name != "memory" && name != "pids" && name != "cpuacct" &&
        name != "freezer")
      continue;
    auto group = own.find(name);
    fs::path parent = own_folder(mount, group == own.end() ? "/" : group->second);
    if (!hierarchy.has(name) && is_writable(parent)) hierarchy.controllers[name] = {Hierarchy::Version::v1, parent};
  }
}

}  // namespace

base::Result<Hierarchy> Hierarchy::detect(const fs::path& mountinfo, const fs::path& own_groups) {
  auto mounts = base::read_file(mountinfo);
  auto own_text = base::read_file(own_groups);
  if (!mounts) return base::wrap(mounts.error(), "find the control groups");
  if (!own_text) return base::wrap(own_text.error(), "find the control groups");
  auto own = parse_own_groups(*own_text);
  Hierarchy hierarchy;
  for (const auto& mount : parse_mounts(*mounts)) {
    if (mount.type == "cgroup2") add_v2(hierarchy, mount, own.contains("") ? own[""] : "/");
    if (mount.type == "cgroup") add_v1(hierarchy, mount, own);
  }
  return hierarchy;
}

CpuSet Hierarchy::cpus() const {
  auto place = controllers.find("cpuset");
  if (place == controllers.end()) return {};
  const char* file = place->second.version == Version::v1 ? "cpuset.cpus" : "cpuset.cpus.effective";
  return parse_cpus(base::read_file(place->second.parent / file).value_or("")).value_or(CpuSet{});
}

std::string Hierarchy::describe() const {
  std::string v1, v2;
  for (const auto& [name, place] : controllers) {
    auto& list = place.version == Version::v1 ? v1 : v2;
    list += (list.empty() ? "" : ", ") + name;
  }
  if (!v1.empty()) v1 += " (v1)";
  if (!v2.empty()) v2 += " (v2)";
  if (v1.empty() && v2.empty()) return "none";
  return v2 + (v1.empty() || v2.empty() ? "" : "; ") + v1;
}

}  // namespace allocation
