// environment::Boot: what a virtual machine of this host is started with: kernel, initramfs and accelerator, found or
// made once and kept in ROOT/vm. Whether KVM works is tried out by booting with it, and remembered until QEMU or the
// kernel changes: some hosts have /dev/kvm, and guests hang under it.
#pragma once

#include <mutex>
#include <optional>

#include "environment/vm/kernel.h"
#include "environment/vm/qemu.h"

namespace environment {

struct BootParts {
  std::string kernel_version, qemu;
  std::filesystem::path kernel, initramfs;
  Accelerator accelerator = Accelerator::tcg;
  std::string why_not_kvm;  // empty with KVM
};

// Thread-safe.
class Boot {
 public:
  Boot(std::filesystem::path folder, std::filesystem::path instance_program);

  // May take a minute the first time: the kernel is downloaded, and a machine booted.
  base::Result<BootParts> parts();
  // Boots with the accelerator that is remembered, if only to see; the time it took.
  base::Result<std::chrono::milliseconds> try_out();
  // Whether `parts` needs neither a download nor a trial.
  bool is_prepared() const { return kernels_.find().has_value(); }
  // Whether `parts` could work; the error says what is missing and which package has it.
  base::Result<void> can_be_made() const;

 private:
  base::Result<std::filesystem::path> make_initramfs(const GuestKernel& kernel) const;
  base::Result<std::chrono::milliseconds> boot(const BootParts& parts, std::chrono::milliseconds patience) const;
  base::Result<void> choose_accelerator(BootParts& parts) const;
  std::filesystem::path memory() const { return folder_ / "accelerator.json"; }

  std::filesystem::path folder_, instance_program_;
  GuestKernels kernels_;
  std::mutex mutex_;
  std::optional<BootParts> known_;
};

}  // namespace environment
