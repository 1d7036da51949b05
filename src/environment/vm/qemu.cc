#include "environment/vm/qemu.h"

#include <unistd.h>

#include <sstream>

#include "base/child.h"
#include "instance/machine/emulator.h"
#include "instance/machine/guest_system.h"

namespace environment {
namespace {

using Words = std::vector<std::string>;

void add(Words& words, std::initializer_list<std::string> more) { words.insert(words.end(), more); }

// QEMU's own system call filter lies over that of the instance. A trial is started by root, which QEMU gives up itself
// once it has opened /dev/kvm.
void add_machine(Words& words, const MachineSpec& spec) {
  bool kvm = spec.accelerator == Accelerator::kvm;
  add(words,
      {"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-sandbox",
       fmt::format("on,obsolete=deny,spawn=deny,resourcecontrol=deny{}", spec.trial ? "" : ",elevateprivileges=deny"),
       "-machine", "pc,usb=off,vmport=off,hpet=off", "-accel",
       kvm ? "kvm" : fmt::format("tcg,thread=multi,tb-size={}", kTranslationBytes >> 20), "-cpu", kvm ? "host" : "max",
       "-smp", std::to_string(spec.cpus), "-m", fmt::format("{}M", spec.memory >> 20), "-rtc", "base=utc"});
}

// printk's own output goes nowhere in the end, but a panic's is the only word of a guest that does not come up.
void add_kernel(Words& words, const MachineSpec& spec) {
  add(words, {"-kernel", spec.kernel, "-initrd", spec.initramfs, "-append",
              fmt::format("console=ttyS0 loglevel=3 panic=-1 reboot=t random.trust_cpu=on{}",
                          spec.trial ? std::string(" ") + instance::guest::kTrialWord : ""),
              "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"});
}

void add_sockets(Words& words) {
  using instance::Emulator;
  add(words, {"-chardev", fmt::format("socket,id=qmp,fd={}", Emulator::kQmpNumber), "-mon", "chardev=qmp,mode=control",
              "-chardev", fmt::format("socket,id=port,fd={}", Emulator::kPortNumber), "-device",
              "virtio-serial-pci,max_ports=2", "-device",
              fmt::format("virtserialport,chardev=port,name={}", instance::guest::kPortName)});
}

// QEMU's user network: its connections are made by this very process, so what is closed to the app's user on the host
// (cloud metadata, other apps' ports) is closed to the guest.
void add_network(Words& words) {
  add(words, {"-netdev", "user,id=net,ipv6=off", "-device", "virtio-net-pci,netdev=net,romfile=", "-object",
              "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"});
}

// qemu(1): a comma in a value is written twice.
std::string escaped(const std::string& value) {
  std::string result;
  for (char c : value) {
    if (c == ',') result += ',';
    result += c;
  }
  return result;
}

void add_disk(Words& words, const std::string& name, const std::string& path, const char* options) {
  add(words, {"-drive", fmt::format("if=none,id={},format=raw,file={},{}", name, escaped(path), options), "-device",
              fmt::format("virtio-blk-pci,drive={0},serial={0}", name)});
}

void add_disks(Words& words, const MachineSpec& spec) {
  for (std::size_t i = 0; i < spec.layers.size(); i++)
    add_disk(words, fmt::format("layer{}", i), spec.layers[i], "readonly=on");
  if (!spec.scratch.empty()) add_disk(words, "scratch", spec.scratch, "cache=unsafe,discard=unmap");
  for (const auto& share : spec.shares)
    add(words, {"-fsdev",
                fmt::format("local,id={},path={},security_model=none,multidevs=remap", share.tag, escaped(share.path)),
                "-device", fmt::format("virtio-9p-pci,fsdev={0},mount_tag={0}", share.tag)});
}

}  // namespace

std::string_view to_string(Accelerator accelerator) { return accelerator == Accelerator::kvm ? "KVM" : "TCG"; }

std::uint64_t memory_beside_guest(Accelerator accelerator) {
  constexpr std::uint64_t kQemuItself = 96ULL << 20;
  return kQemuItself + (accelerator == Accelerator::tcg ? kTranslationBytes : 0);
}

Words qemu_command(const MachineSpec& spec) {
  Words words = {kQemu};
  add_machine(words, spec);
  add_kernel(words, spec);
  if (spec.trial) {
    add(words, {"-runas", "nobody"});
    return words;
  }
  add_sockets(words);
  add_network(words);
  add_disks(words, spec);
  return words;
}

// "QEMU emulator version 7.2.22 (Debian …)".
base::Result<std::string> qemu_version() {
  if (::access(kQemu, X_OK) != 0) {
    return std::unexpected(base::Error(base::Kind::unsupported,
                                       fmt::format("start a virtual machine: there is no {}", kQemu),
                                       "install it: apt-get install --no-install-recommends qemu-system-x86"));
  }
  auto output = base::run({.argv = {kQemu, "--version"}}, std::chrono::seconds(10));
  if (!output) return std::unexpected(output.error());
  std::istringstream words(output->out);
  std::string name, emulator, version, number;
  words >> name >> emulator >> version >> number;
  if (base::succeeded(output->status) && !number.empty()) return name + " " + number;
  return base::fail(base::Kind::unsupported, "start a virtual machine: {} does not say its version", kQemu);
}

}  // namespace environment
