#include "environment/vm/boot.h"

#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/child.h"
#include "base/file.h"
#include "environment/vm/cpio.h"
#include "instance/machine/guest_system.h"

namespace environment {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using std::chrono::milliseconds;

constexpr milliseconds kKvmPatience{8'000};   // a guest under KVM is up within one second
constexpr milliseconds kTcgPatience{90'000};  // an emulated one within five, on a host that has other work, too
constexpr std::uint64_t kTrialMemory = 256ULL << 20;
constexpr const char* kKvm = "/dev/kvm";

// A file that is the same has the same stamp.
std::string stamp(const fs::path& file) {
  struct stat facts;
  if (::stat(file.c_str(), &facts) < 0) return "missing";
  return fmt::format("{}.{}.{}", facts.st_size, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec);
}

// What the memory of a trial is good for.
std::string circumstances(const BootParts& parts) {
  return fmt::format("{} {} {} {}", parts.qemu, stamp(kQemu), parts.kernel_version, stamp(kKvm).substr(0, 1));
}

}  // namespace

Boot::Boot(fs::path folder, fs::path instance_program)
    : folder_(std::move(folder)), instance_program_(std::move(instance_program)), kernels_(folder_ / "kernels") {}

base::Result<void> Boot::can_be_made() const {
  if (auto version = qemu_version(); !version) return std::unexpected(version.error());
  return kernels_.can_be_had();
}

base::Result<BootParts> Boot::parts() {
  std::lock_guard lock(mutex_);
  if (known_) return *known_;
  auto version = qemu_version();
  if (!version) return std::unexpected(version.error());
  auto kernel = kernels_.get();
  if (!kernel) return std::unexpected(kernel.error());
  auto initramfs = make_initramfs(*kernel);
  if (!initramfs) return std::unexpected(initramfs.error());
  BootParts parts{
      .kernel_version = kernel->version, .qemu = *version, .kernel = kernel->image, .initramfs = *initramfs};
  if (auto chosen = choose_accelerator(parts); !chosen) return std::unexpected(chosen.error());
  known_ = parts;
  return parts;
}

base::Result<milliseconds> Boot::try_out() {
  auto known = parts();
  if (!known) return std::unexpected(known.error());
  return boot(*known, known->accelerator == Accelerator::kvm ? kKvmPatience : kTcgPatience);
}

// Modules in their order, our program as the first process, and a console for what it says before it has /dev. Made
// anew by each daemon, since it may be of another version; machines that run keep theirs.
base::Result<fs::path> Boot::make_initramfs(const GuestKernel& kernel) const {
  auto file = folder_ / "initramfs";
  auto program = base::read_file(instance_program_, 256 << 20);
  if (!program) return std::unexpected(program.error());
  CpioArchive archive;
  for (const char* folder : {"dev", "proc", "sys", "modules", "layers", "scratch", "new"}) archive.add_folder(folder);
  archive.add_character_device("dev/console", 5, 1);
  archive.add_file("init", *program, 0755);
  std::string order;
  for (const auto& module : kernel.modules) {
    auto text = base::read_file(module, 64 << 20);
    if (!text) return std::unexpected(text.error());
    archive.add_file("modules/" + module.filename().string(), *text, 0644);
    order += module.filename().string() + "\n";
  }
  archive.add_file("modules/order", order, 0644);
  auto written = base::write_file_atomically(file, archive.finish());
  if (!written) return std::unexpected(written.error());
  return file;
}

base::Result<void> Boot::choose_accelerator(BootParts& parts) const {
  auto text = base::read_file(memory());
  auto value = text ? json::parse(*text, nullptr, false) : json();
  if (value.is_object() && value.value("circumstances", "") == circumstances(parts)) {
    parts.why_not_kvm = value.value("why_not_kvm", "");
    parts.accelerator = parts.why_not_kvm.empty() ? Accelerator::kvm : Accelerator::tcg;
    return {};
  }
  if (::access(kKvm, R_OK | W_OK) == 0) {
    parts.accelerator = Accelerator::kvm;
    auto booted = boot(parts, kKvmPatience);
    if (!booted) parts.why_not_kvm = booted.error().describe();
  } else {
    parts.why_not_kvm = fmt::format("there is no {}", kKvm);
  }
  if (!parts.why_not_kvm.empty()) {
    parts.accelerator = Accelerator::tcg;
    if (auto booted = boot(parts, kTcgPatience); !booted) return std::unexpected(booted.error());
  }
  return base::write_file_atomically(
      memory(), json{{"circumstances", circumstances(parts)}, {"why_not_kvm", parts.why_not_kvm}}.dump(1) + "\n");
}

base::Result<milliseconds> Boot::boot(const BootParts& parts, milliseconds patience) const {
  base::Command command;
  command.argv = qemu_command({.accelerator = parts.accelerator,
                               .memory = kTrialMemory,
                               .kernel = parts.kernel,
                               .initramfs = parts.initramfs,
                               .layers = {},
                               .scratch = {},
                               .shares = {},
                               .trial = true});
  command.env = std::vector<std::string>{"PATH=/usr/bin:/bin"};
  command.cwd = "/";
  auto began = std::chrono::steady_clock::now();
  auto output = base::run(command, patience);
  if (!output) return base::wrap(output.error(), "try out a virtual machine");
  auto took = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - began);
  if (output->out.find(instance::guest::kTrialAnswer) != std::string::npos) return took;
  auto name = to_string(parts.accelerator);
  if (output->timed_out)
    return base::fail(base::Kind::unsupported, "a guest does not come up under {} within {} s", name,
                      patience.count() / 1000);
  return base::fail(base::Kind::unsupported, "a guest does not come up under {}: {}", name,
                    output->err.substr(0, output->err.find('\n')));
}

}  // namespace environment
