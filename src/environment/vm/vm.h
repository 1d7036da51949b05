// environment::VmEnvironment: each instance in a virtual machine of its own, with a kernel of its own, by QEMU. Users,
// data, limits, sockets and supervisors are those of the shared environment, whose machinery it uses: QEMU runs as an
// instance there does, with the app's user, view, system call filter and control group.
//
//   daemon ─► supervisor (serai-instance) ─► first process on the host (instance/machine/host.h) ─► QEMU
//                                                    └─ frames over virtio-serial ─► guest's first process ─► processes
//
// The guest's system is that of a container: the layers of the app's image as read-only disks, with a writable disk
// over them that goes with the instance. /app (the release with its data) and /home/app are the host's folders, by
// virtio-9p: they are what they are in the other kinds, so an app moves without a copy. What 9p cannot do is let two
// machines see each other's file locks: instances of an app in virtual machines take turns (takes_turns, kind.h).
//
// Builds run in the shared environment's view.
#pragma once

#include "environment/container/images.h"
#include "environment/environment.h"
#include "environment/shared/surroundings.h"
#include "environment/vm/boot.h"
#include "environment/vm/disks.h"

namespace environment {

// What all machines of a root are made of. Thread-safe.
class MachineParts {
 public:
  // `images` outlives it.
  MachineParts(Images& images, std::filesystem::path folder, std::filesystem::path instance_program)
      : boot(folder, std::move(instance_program)), disks(folder / "disks"), images_(images) {}

  struct Layers {
    std::vector<std::filesystem::path> disks;  // the topmost first
    std::vector<std::string> folders;          // the same, as the host sees them
  };
  base::Result<Layers> layers(const std::string& app, const Parts& parts);

  Boot boot;
  Disks disks;

 private:
  Images& images_;
};

class VmSurroundings final : public Surroundings {
 public:
  explicit VmSurroundings(std::shared_ptr<MachineParts> parts) : parts_(std::move(parts)) {}
  base::Result<void> furnish(instance::Plan& plan, const SystemView& view) override;

 private:
  std::shared_ptr<MachineParts> parts_;
};

class VmEnvironment final : public Environment {
 public:
  // Both outlive it. `shared` starts instances of Kind::vm with VmSurroundings of the same parts.
  VmEnvironment(Environment& shared, Images& images, std::shared_ptr<MachineParts> parts)
      : shared_(shared), images_(images), parts_(std::move(parts)) {}

  base::Result<void> check(const Demand& demand) override;
  base::Result<Identity> prepare(const std::string& app) override { return shared_.prepare(app); }
  base::Result<std::string> furnish(const std::string& app, Kind kind, const Parts& parts) override;
  base::Result<Instance> start(const InstanceSpec& spec, Launch& launch) override;
  base::Result<Adoption> stop(const std::string& id) override { return shared_.stop(id); }
  base::Result<void> destroy(const std::string& id) override { return shared_.destroy(id); }
  // The disks of layers that nobody has any more: the container environment forgot the app's.
  base::Result<void> forget(const std::string& app) override;
  base::Result<Inspection> inspect(const std::string& id) override;
  base::Result<std::vector<std::string>> instances() override { return shared_.instances(); }
  base::Result<RunResult> run_once(const RunSpec& spec) override;
  base::Result<std::vector<std::string>> unadopted(const std::string& id) override { return shared_.unadopted(id); }
  base::Result<Kept> kept(const std::string& app) override { return shared_.kept(app); }
  Facts doctor() override;

 private:
  Environment& shared_;
  Images& images_;
  std::shared_ptr<MachineParts> parts_;
};

}  // namespace environment
