// What a guest's first process does before and beside running programs: file systems, modules, the network. It is root
// in a machine of its own; everything here is told by the host side (`Settings`), which it trusts.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace instance::guest {

constexpr const char* kPortName = "serai";         // of the virtio-serial port
constexpr const char* kTrialWord = "serai.trial";  // in the kernel's command line: say kTrialAnswer and switch off
constexpr const char* kTrialAnswer = "serai: the guest runs";
constexpr const char* kModulesFolder = "/modules";  // in the initramfs: modules, and "order", which names them

// What the machine is to become.
struct Settings {
  std::string hostname;
  uid_t uid = 0;
  gid_t gid = 0;
  int layers = 0;  // read-only disks "layer0" (the topmost) … ; "scratch" is the writable one
  struct Share {
    std::string tag, to;  // a folder of the host's, by virtio-9p
  };
  std::vector<Share> shares;
  struct File {
    std::string to, content;  // "/etc/passwd"
  };
  std::vector<File> files;
  std::uint64_t shm_bytes = 0;
  std::uint32_t processes = 0;                 // of the app's user
  std::vector<std::uint16_t> localhost_ports;  // of the guest, where the host's services are reached

  std::string to_json() const;
  static base::Result<Settings> from_json(const std::string& text);
};

base::Result<void> mount_kernel_folders();
base::Result<void> load_modules();
// When memory runs out, something is killed, instead of everything waiting for its own program to be read again and
// again (multigen_lru.rst, "Thrashing prevention"). Kernels without that go on as they are.
void prefer_kills_to_thrashing();
bool is_trial();
// Waits until the kernel has found the port.
base::Result<base::Fd> open_port(std::chrono::milliseconds patience);
void set_clock(double seconds_since_1970);
// Mounts the disks and shares, and moves into the system that they make.
base::Result<void> enter_system(const Settings& settings);
// QEMU's user network: 10.0.2.15, its router at .2, who is the host's loopback too, and its resolver at .3.
constexpr const char* kRouter = "10.0.2.2";
base::Result<void> set_up_network();
// How many processes the guest's kernel killed for want of memory.
long out_of_memory_kills();
[[noreturn]] void power_off();

}  // namespace instance::guest
