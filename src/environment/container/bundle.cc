#include "environment/container/bundle.h"

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "environment/container/root_folder.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kRunBytes = 16 << 20;

json mount(const char* to, const char* type, std::vector<std::string> options) {
  return {{"destination", to}, {"type", type}, {"source", type}, {"options", std::move(options)}};
}

// /dev and /proc are made by the runtime; everything else is in the root already (Plan::mounts).
json mounts(const SystemView& view) {
  return json::array(
      {mount("/proc", "proc", {"nosuid", "noexec", "nodev"}),
       mount("/dev", "tmpfs", {"nosuid", "noexec", "strictatime", "mode=755", "size=65536"}),
       mount("/dev/pts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "max=64"}),
       mount("/dev/shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", fmt::format("size={}", view.shm_bytes)}),
       mount("/run", "tmpfs", {"nosuid", "nodev", "mode=1777", fmt::format("size={}", kRunBytes)})});
}

json process(const instance::Plan& plan) {
  json none = json::array();
  // init limits its resources and filters its system calls itself, by the same code as in the shared environment.
  return {{"terminal", false},
          {"user", {{"uid", plan.uid}, {"gid", plan.gid}, {"additionalGids", none}}},
          {"args", json::array({instance::kInitInside, "init"})},
          {"env", json::array({"PATH=/usr/bin:/bin"})},
          {"cwd", "/"},
          {"noNewPrivileges", true},
          {"capabilities",
           {{"bounding", none}, {"effective", none}, {"inheritable", none}, {"permitted", none}, {"ambient", none}}}};
}

json namespaces() {
  json list = json::array();
  for (const char* type : {"pid", "ipc", "uts", "mount", "cgroup"}) list.push_back({{"type", type}});
  return list;
}

// devices.rst of cgroup v1: only what the runtime puts into /dev.
json resources() {
  json devices = json::array({{{"allow", false}, {"access", "rwm"}}});
  for (int minor : {3, 5, 7, 8, 9})
    devices.push_back({{"allow", true}, {"type", "c"}, {"major", 1}, {"minor", minor}, {"access", "rw"}});
  for (int minor : {0, 2})
    devices.push_back({{"allow", true}, {"type", "c"}, {"major", 5}, {"minor", minor}, {"access", "rw"}});
  devices.push_back({{"allow", true}, {"type", "c"}, {"major", 136}, {"access", "rw"}});
  return {{"devices", devices}};
}

json config(const instance::Plan& plan, const SystemView& view, const std::string& group) {
  json linux_part = {{"namespaces", namespaces()},
                     {"maskedPaths",
                      {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                       "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi"}},
                     {"readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}}};
  if (!group.empty()) {
    linux_part["cgroupsPath"] = group;
    linux_part["resources"] = resources();
  }
  return {{"ociVersion", "1.0.2"},
          {"process", process(plan)},
          {"root", {{"path", plan.view_folder}, {"readonly", true}}},
          {"hostname", plan.app.substr(0, 63)},
          {"mounts", mounts(view)},
          {"linux", linux_part}};
}

// The text of a file as the image has it.
std::string in_image(const std::vector<std::string>& layers, const std::string& file) {
  for (const auto& layer : layers) {
    auto root = RootFolder::open(layer);
    if (auto text = root ? root->read(file) : std::unexpected(root.error())) return *text;
  }
  return {};
}

base::Result<void> write_etc(const fs::path& etc, Identity user, const std::vector<std::string>& layers) {
  base::Result<void> written;
  for (const auto& [name, text] : instance_etc(user, layers))
    if (written) written = base::write_file_atomically(etc / name, text);
  return written;
}

}  // namespace

std::map<std::string, std::string> instance_etc(Identity user, const std::vector<std::string>& layers) {
  std::map<std::string, std::string> files;
  files["passwd"] =
      in_image(layers, "etc/passwd") + fmt::format("app:x:{}:{}:app:/home/app:/bin/sh\n", user.uid, user.gid);
  files["group"] = in_image(layers, "etc/group") + fmt::format("app:x:{}:\n", user.gid);
  // As the host says it, wherever its links lead.
  for (const char* name : {"hosts", "resolv.conf", "localtime", "timezone"})
    if (auto text = base::read_file(fs::path("/etc") / name)) files[name] = *text;
  return files;
}

base::Result<void> write_bundle(const BundlePlaces& places, const instance::Plan& plan, const SystemView& view,
                                const std::vector<std::string>& layers, const std::string& group) {
  base::Result<void> done;
  for (const auto& folder : {places.bundle, places.state, places.work})
    if (done) done = base::make_folders(folder, 0700);
  for (const char* folder : {"etc", "proc", "dev", "sys", "run", "tmp", "var/tmp", "app", "home/app", "serai"})
    if (done) done = base::make_folders(places.upper / folder, 0755);
  if (done) done = write_etc(places.upper / "etc", view.user, layers);
  auto text = config(plan, view, group).dump(1, ' ', false, json::error_handler_t::replace);
  if (done) done = base::write_file_atomically(places.bundle / "config.json", text + "\n", 0600);
  std::string names;
  for (const auto& layer : layers) names += fs::path(layer).filename().string() + "\n";
  if (done) done = base::write_file_atomically(places.layers(), names, 0600);
  return done;
}

}  // namespace environment
