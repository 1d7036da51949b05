// How QEMU is called: a machine without anything that it is not given.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"

namespace environment {

enum class Accelerator { kvm, tcg };
// "KVM", "TCG".
std::string_view to_string(Accelerator accelerator);

// Bytes of translated code that TCG keeps.
constexpr std::uint64_t kTranslationBytes = 128ULL << 20;
// What QEMU takes beside the guest's memory.
std::uint64_t memory_beside_guest(Accelerator accelerator);

// Paths are as QEMU sees them.
struct MachineSpec {
  Accelerator accelerator = Accelerator::tcg;
  int cpus = 1;
  std::uint64_t memory = 0;  // bytes
  std::string kernel, initramfs;
  std::vector<std::string> layers;  // read-only disks, "layer0" …
  std::string scratch;              // the writable disk; empty: none
  struct Share {
    std::string tag, path;
  };
  std::vector<Share> shares;
  bool trial = false;  // boots, says so on its console, and ends
};
std::vector<std::string> qemu_command(const MachineSpec& spec);

constexpr const char* kQemu = "/usr/bin/qemu-system-x86_64";
// "QEMU 7.2.22"; the error names the package.
base::Result<std::string> qemu_version();

}  // namespace environment
