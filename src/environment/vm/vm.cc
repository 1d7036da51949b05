#include "environment/vm/vm.h"

#include <unistd.h>

namespace environment {
namespace {

using State = Fact::State;

base::Error no_root() {
  return base::Error(base::Kind::unsupported, "start a virtual machine: the daemon does not run as root",
                     "run the daemon as root, or choose the shared environment");
}

Fact missing(std::string name, const base::Error& error) {
  return {.name = std::move(name), .found = error.describe(), .advice = error.advice(), .state = State::missing};
}

// The kernel is a large download: nobody asked for it yet.
Fact not_tried_out() {
  return {.name = "virtual machines",
          .found = qemu_version().value_or("QEMU") +
                   "; the first deploy fetches a kernel from this host's package sources and tries out KVM",
          .advice = {},
          .state = State::good};
}

// QEMU needs memory beside what the app may have.
allocation::Limits with_room(allocation::Limits limits, const BootParts& parts) {
  limits.memory += memory_beside_guest(parts.accelerator);
  return limits;
}

}  // namespace

base::Result<MachineParts::Layers> MachineParts::layers(const std::string& app, const Parts& parts) {
  auto held = images_.hold();  // until the disks are made
  auto system = images_.system_layers(app, parts);
  if (!system) return std::unexpected(system.error());
  Layers layers{.disks = {}, .folders = images_.folders(*system)};
  for (const auto& folder : layers.folders) {
    auto disk = disks.of_layer(folder);
    if (!disk) return std::unexpected(disk.error());
    layers.disks.push_back(std::move(*disk));
  }
  return layers;
}

base::Result<void> VmEnvironment::check(const Demand& demand) {
  if (::geteuid() != 0) return std::unexpected(no_root());
  auto possible = shared_.check(demand);
  if (possible) possible = parts_->boot.can_be_made();
  if (possible) possible = check_disk_tools();
  if (possible) possible = images_.can_be_made();
  return possible;
}

base::Result<std::string> VmEnvironment::furnish(const std::string& app, Kind, const Parts& parts) {
  auto boot = parts_->boot.parts();
  if (!boot) return std::unexpected(boot.error());
  auto began = std::chrono::steady_clock::now();
  auto layers = parts_->layers(app, parts);
  if (!layers) return std::unexpected(layers.error());
  auto made = std::chrono::steady_clock::now() - began > std::chrono::seconds(1);
  return fmt::format("{} disks, {}; Linux {}, {}", layers->disks.size(), made ? "made" : "cached", boot->kernel_version,
                     to_string(boot->accelerator));
}

base::Result<Instance> VmEnvironment::start(const InstanceSpec& spec, Launch& launch) {
  launch.begin("machine");
  auto furnished = furnish(spec.app, spec.kind, spec.parts);
  auto boot = furnished ? parts_->boot.parts() : std::unexpected(furnished.error());
  if (!boot) {
    launch.failed(boot.error());
    return std::unexpected(boot.error());
  }
  launch.done(*furnished);
  auto with_qemu = spec;
  with_qemu.limits = with_room(spec.limits, *boot);
  return shared_.start(with_qemu, launch);
}

base::Result<Inspection> VmEnvironment::inspect(const std::string& id) {
  auto inspection = shared_.inspect(id);
  if (!inspection) return inspection;
  auto boot = parts_->boot.parts();  // known, since it was started
  inspection->is_emulated = boot && boot->accelerator == Accelerator::tcg;
  return inspection;
}

base::Result<RunResult> VmEnvironment::run_once(const RunSpec& spec) {
  if (spec.view != View::release) return shared_.run_once(spec);
  auto boot = parts_->boot.parts();
  if (!boot) return std::unexpected(boot.error());
  auto with_qemu = spec;
  with_qemu.limits = with_room(spec.limits, *boot);
  return shared_.run_once(with_qemu);
}

base::Result<void> VmEnvironment::forget(const std::string& /*app*/) {
  return parts_->disks.sweep(images_.folder() / "layers");
}

Facts VmEnvironment::doctor() {
  if (::geteuid() != 0) return {missing("virtual machines", no_root())};
  if (auto tools = check_disk_tools(); !tools) return {missing("virtual machines", tools.error())};
  if (auto possible = parts_->boot.can_be_made(); !possible) return {missing("virtual machines", possible.error())};
  if (!parts_->boot.is_prepared()) return {not_tried_out()};
  auto boot = parts_->boot.parts();
  if (!boot) return {missing("virtual machines", boot.error())};
  auto booted = parts_->boot.try_out();
  if (!booted) return {missing("virtual machines", booted.error())};
  Fact machines{.name = "virtual machines",
                .found = fmt::format("{} boots Linux {} in {:.1f} s", boot->qemu, boot->kernel_version,
                                     static_cast<double>(booted->count()) / 1000),
                .advice = {},
                .state = State::good};
  bool kvm = boot->accelerator == Accelerator::kvm;
  Fact acceleration{
      .name = "KVM",
      .found = kvm ? "guests run on the processor itself" : boot->why_not_kvm + "; guests are emulated",
      .advice = kvm ? "" : "choose vm for its wall, not for speed; or move to a host whose /dev/kvm works",
      .state = kvm ? State::good : State::degraded};
  return {machines, acceleration};
}

}  // namespace environment
