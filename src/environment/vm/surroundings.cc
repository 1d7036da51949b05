// What surrounds a virtual machine: QEMU's own view on the host, and what the guest is made of.
#include <nlohmann/json.hpp>

#include <cmath>

#include "base/file.h"
#include "environment/container/bundle.h"
#include "environment/vm/vm.h"
#include "instance/machine/guest_system.h"

namespace environment {
namespace {

using instance::Mount;
namespace fs = std::filesystem;

constexpr std::uint64_t kScratchBytes = 4ULL << 30;
constexpr const char* kResolver = "nameserver 10.0.2.3\n";  // QEMU's, which asks the host's
constexpr const char* kHosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

Mount show(const fs::path& from, const std::string& to, bool writable = false) {
  Mount mount{.kind = "bind", .to = to, .base = from.string()};
  mount.writable = writable;
  return mount;
}

// Where QEMU sees its files.
MachineSpec see(instance::Plan& plan, const BootParts& boot, const std::vector<fs::path>& disks,
                const fs::path& scratch) {
  MachineSpec spec{.accelerator = boot.accelerator,
                   .kernel = "/machine/kernel",
                   .initramfs = "/machine/initramfs",
                   .layers = {},
                   .scratch = "/machine/scratch",
                   .shares = {{"app", "/app"}, {"home", "/home/app"}}};
  plan.mounts.push_back(show(boot.kernel, "machine/kernel"));
  plan.mounts.push_back(show(boot.initramfs, "machine/initramfs"));
  plan.mounts.push_back(show(scratch, "machine/scratch", true));
  for (std::size_t i = 0; i < disks.size(); i++) {
    auto name = fmt::format("machine/layer{}", i);
    plan.mounts.push_back(show(disks[i], name));
    spec.layers.push_back("/" + name);
  }
  if (boot.accelerator == Accelerator::kvm) {
    Mount device{.kind = "device", .to = "dev/kvm", .base = "/dev/kvm"};
    device.writable = true;
    plan.mounts.push_back(std::move(device));
  }
  return spec;
}

instance::guest::Settings settings_of(const instance::Plan& plan, const SystemView& view,
                                      const MachineParts::Layers& layers) {
  instance::guest::Settings settings{.hostname = plan.app.substr(0, 63),
                                     .uid = plan.uid,
                                     .gid = plan.gid,
                                     .layers = static_cast<int>(layers.disks.size()),
                                     .shares = {{"app", "/app"}, {"home", "/home/app"}},
                                     .files = {},
                                     .shm_bytes = view.shm_bytes,
                                     .processes = view.limits.processes,
                                     .localhost_ports = view.localhost_ports};
  auto etc = instance_etc(view.user, layers.folders);
  etc["hosts"] = kHosts;
  etc["resolv.conf"] = kResolver;
  for (const auto& [name, text] : etc) settings.files.push_back({"/etc/" + name, text});
  return settings;
}

}  // namespace

base::Result<void> VmSurroundings::furnish(instance::Plan& plan, const SystemView& view) {
  if (auto system = HostSurroundings().furnish(plan, view); !system || view.view != View::release) return system;
  auto boot = parts_->boot.parts();
  if (!boot) return std::unexpected(boot.error());
  auto layers = parts_->layers(plan.app, view.parts);
  if (!layers) return std::unexpected(layers.error());
  auto scratch = view.tmp.parent_path() / "scratch.ext4";
  if (auto made = make_scratch_disk(scratch, kScratchBytes, view.user); !made) return made;
  auto spec = see(plan, *boot, layers->disks, scratch);
  spec.cpus = std::max(1, static_cast<int>(std::ceil(view.limits.cpu)));
  spec.memory = view.limits.memory - memory_beside_guest(boot->accelerator);
  plan.machine = {.argv = qemu_command(spec),
                  .settings = settings_of(plan, view, *layers).to_json(),
                  .accelerator = std::string(to_string(boot->accelerator)),
                  .port = view.port};
  return {};
}

}  // namespace environment
