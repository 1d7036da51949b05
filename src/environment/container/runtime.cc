#include "environment/container/runtime.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/child.h"
#include "base/file.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kFolders[] = {"/usr/local/bin", "/usr/bin", "/usr/local/sbin", "/usr/sbin"};

std::string find_program(const std::string& name) {
  for (const char* folder : kFolders) {
    auto path = std::string(folder) + "/" + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

// "crun version 1.8.1\n…", "runc version 1.1.5+ds1\n…".
std::string version_of(const std::string& program) {
  auto output = base::run({.argv = {program, "--version"}}, std::chrono::seconds(10));
  if (!output || !base::succeeded(output->status)) return {};
  std::istringstream words(output->out);
  std::string name, version, number;
  words >> name >> version >> number;
  return name + " " + number;
}

// A program that is the same file has the same stamp.
std::string stamp(const std::string& program) {
  struct stat facts;
  if (::stat(program.c_str(), &facts) < 0) return {};
  return fmt::format("{} {}.{}", facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec);
}

// cgroups(7), /proc/self/cgroup: "4:memory:/system.slice/serai.service", by the controllers' names as mounts have them.
std::map<std::string, std::string> own_groups() {
  std::map<std::string, std::string> own;
  std::istringstream lines(base::read_file("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    auto first = line.find(':'), second = line.find(':', first + 1);
    if (second != std::string::npos) own[line.substr(first + 1, second - first - 1)] = line.substr(second + 1);
  }
  return own;
}

// proc(5), /proc/self/mounts: device, mount point, type, options.
std::vector<std::pair<fs::path, std::string>> v1_hierarchies() {
  std::vector<std::pair<fs::path, std::string>> found;
  std::istringstream lines(base::read_file("/proc/self/mounts").value_or(""));
  for (std::string device, place, type, options, rest; lines >> device >> place >> type >> options;) {
    std::getline(lines, rest);
    if (type == "cgroup") found.push_back({place, "," + options + ","});
  }
  return found;
}

}  // namespace

std::vector<OciRuntime> find_runtimes() {
  std::vector<OciRuntime> found;
  for (const char* name : {"crun", "runc"}) {
    OciRuntime runtime{.program = find_program(name), .version = {}, .makes_groups = std::string(name) == "runc"};
    if (runtime.program.empty()) continue;
    runtime.version = version_of(runtime.program);
    if (!runtime.version.empty()) found.push_back(std::move(runtime));
  }
  return found;
}

instance::Runtime runtime_call(const OciRuntime& runtime, const RuntimePlaces& places, const std::string& id) {
  instance::Runtime call{.argv = {runtime.program},
                         .log = places.state / "log",
                         .pid_file = places.state / "pid",
                         .enter_groups = !runtime.makes_groups};
  auto add = [&](std::initializer_list<std::string> words) { call.argv.insert(call.argv.end(), words); };
  add({"--root", places.state / "runtime", "--log", call.log, "--log-format", "json"});
  if (!runtime.makes_groups) add({"--cgroup-manager", "disabled"});
  // init's socket and set-up pipe.
  add({"run", "--detach", "--preserve-fds", "2", "--pid-file", call.pid_file, "--bundle", places.bundle, id});
  return call;
}

std::string cgroups_path(const std::string& group, bool unified) { return (unified ? "/" : "") + group; }

// As runc and crun tell it.
bool is_cgroup_unified() {
  struct statfs facts;
  return ::statfs("/sys/fs/cgroup", &facts) == 0 && facts.f_type == CGROUP2_SUPER_MAGIC;
}

void clear_groups(const std::string& name) {
  auto own = own_groups();
  for (const auto& [place, options] : v1_hierarchies()) {
    for (const auto& [controllers, group] : own) {
      if (controllers.empty() || options.find("," + controllers + ",") == std::string::npos) continue;
      auto folder = place / fs::path(group).relative_path() / name;
      if (::rmdir(folder.c_str()) == 0 || errno == ENOENT) ::rmdir(folder.parent_path().c_str());
    }
  }
}

std::optional<OciRuntime> remembered_runtime(const fs::path& file) {
  auto text = base::read_file(file);
  auto value = text ? json::parse(*text, nullptr, false) : json();
  if (!value.is_object()) return std::nullopt;
  OciRuntime runtime{.program = value.value("program", ""),
                     .version = value.value("version", ""),
                     .makes_groups = value.value("makes_groups", false)};
  auto now = stamp(runtime.program);
  if (now.empty() || now != value.value("stamp", "")) return std::nullopt;
  return runtime;
}

base::Result<void> remember_runtime(const fs::path& file, const OciRuntime& runtime) {
  json value = {{"program", runtime.program},
                {"version", runtime.version},
                {"makes_groups", runtime.makes_groups},
                {"stamp", stamp(runtime.program)}};
  return base::write_file_atomically(file, value.dump(1) + "\n", 0600);
}

}  // namespace environment
