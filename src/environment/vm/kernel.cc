#include "environment/vm/kernel.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "base/child.h"
#include "base/file.h"
#include "environment/vm/bzimage.h"
#include "environment/vm/modules.h"

namespace environment {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPackage = "linux-image-amd64";
constexpr std::chrono::minutes kPatience{10};
constexpr std::size_t kMostBytes = 64 << 20;  // of a packed kernel or a module
constexpr std::size_t kMostUnpacked = 256 << 20;
// crc32c_generic: ext4 asks for it without saying so in its file.
constexpr std::array kWanted = {"virtio_pci",  "virtio_console", "virtio_blk", "virtio_net",     "virtio_rng",
                                "squashfs",    "overlay",        "ext4",       "crc32c_generic", "9p",
                                "9pnet_virtio"};

base::Error no_kernel(const std::string& why) {
  return base::Error(base::Kind::unsupported, "get a kernel for virtual machines: " + why,
                     fmt::format("does `apt-get update` work here? Or install it: apt-get install {}", kPackage));
}

base::Result<std::string> run_tool(std::vector<std::string> argv, const fs::path& folder) {
  base::Command command;
  command.argv = std::move(argv);
  command.env = std::vector<std::string>{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/root"};
  for (const char* name : {"http_proxy", "https_proxy", "no_proxy"})
    if (const char* value = std::getenv(name)) command.env->push_back(fmt::format("{}={}", name, value));
  command.cwd = folder.string();
  auto output = base::run(command, kPatience);
  if (!output) return std::unexpected(output.error());
  if (base::succeeded(output->status)) return output->out;
  auto end = output->err.find_last_not_of('\n');
  auto last = output->err.substr(0, end == std::string::npos ? 0 : end + 1);
  return std::unexpected(no_kernel(fmt::format("{}: {}", command.argv.front(), last.substr(last.rfind('\n') + 1))));
}

// "linux-image-amd64\n  Depends: linux-image-6.1.0-41-amd64\n".
base::Result<std::string> package_of_host() {
  auto said = run_tool({"apt-cache", "depends", "--important", kPackage}, "/");
  if (!said) return said;
  std::istringstream words(*said);
  for (std::string word; words >> word;)
    if (word == "Depends:" && words >> word && word.starts_with("linux-image-")) return word;
  return std::unexpected(no_kernel(fmt::format("apt knows no package {}", kPackage)));
}

KernelModules read_modules(const fs::path& folder) {
  KernelModules modules;
  std::error_code error;
  for (fs::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    if (at->path().extension() == ".ko") modules[module_name(at->path())] = {.file = at->path(), .needs = {}};
  return modules;
}

// modules.builtin: "kernel/fs/ext4/ext4.ko" a line.
std::vector<std::string> built_in(const fs::path& folder) {
  std::vector<std::string> names;
  std::istringstream lines(base::read_file(folder / "modules.builtin").value_or(""));
  for (std::string line; std::getline(lines, line);) names.push_back(module_name(line));
  return names;
}

// All modules are listed, but only those are read that may be needed: there are thousands.
base::Result<std::vector<fs::path>> needed_modules(const fs::path& folder) {
  auto modules = read_modules(folder);
  std::vector<std::string> unread(kWanted.begin(), kWanted.end());
  while (!unread.empty()) {
    auto name = std::move(unread.back());
    unread.pop_back();
    auto found = modules.find(name);
    if (found == modules.end() || !found->second.needs.empty()) continue;
    auto text = base::read_file(found->second.file, kMostBytes);
    if (!text) return std::unexpected(text.error());
    found->second.needs = needs_of_module(*text);
    unread.insert(unread.end(), found->second.needs.begin(), found->second.needs.end());
  }
  auto names = modules_in_order(modules, built_in(folder), {kWanted.begin(), kWanted.end()});
  if (!names) return std::unexpected(names.error());
  std::vector<fs::path> files;
  for (const auto& name : *names) files.push_back(modules.at(name).file);
  return files;
}

base::Result<void> keep_copy(const fs::path& from, const fs::path& to) {
  auto text = base::read_file(from, kMostBytes);
  return text ? base::write_file_atomically(to, *text) : std::unexpected(text.error());
}

// QEMU can start an unpacked kernel by its PVH entry. An emulated guest needs half its time to unpack itself; here it
// takes a moment, once. A kernel packed otherwise than Debian's is booted as it is.
base::Result<void> unpack_kernel(const fs::path& image, const fs::path& to) {
  auto text = base::read_file(image, kMostBytes);
  if (!text) return std::unexpected(text.error());
  auto packed = compressed_kernel(*text);
  if (!packed || !packed->starts_with("\xFD"
                                      "7zXZ"))
    return base::write_file_atomically(to, *text);
  auto scratch = to.string() + ".xz";
  auto written = base::write_file_atomically(scratch, *packed);
  if (!written) return written;
  // What follows the one stream is the size, which is no stream.
  auto unpacked =
      base::run({.argv = {"xz", "--decompress", "--stdout", "--single-stream", scratch}}, kPatience, kMostUnpacked);
  ::unlink(scratch.c_str());
  if (!unpacked || !base::succeeded(unpacked->status) ||
      !unpacked->out.starts_with("\x7F"
                                 "ELF"))
    return base::write_file_atomically(to, *text);
  return base::write_file_atomically(to, unpacked->out);
}

}  // namespace

base::Result<GuestKernel> GuestKernels::find() const {
  std::vector<std::string> versions;
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error))
    if (fs::exists(at->path() / "order")) versions.push_back(at->path().filename());
  if (versions.empty()) return base::not_found("find a kernel for virtual machines in {}", folder_.string());
  std::ranges::sort(versions);
  GuestKernel kernel{.version = versions.back(), .image = folder_ / versions.back() / "kernel", .modules = {}};
  std::istringstream names(base::read_file(folder_ / kernel.version / "order").value_or(""));
  for (std::string name; names >> name;) kernel.modules.push_back(folder_ / kernel.version / name);
  return kernel;
}

base::Result<GuestKernel> GuestKernels::get() const {
  if (auto kernel = find()) return kernel;
  if (auto made = base::make_folders(folder_, 0755); !made) return std::unexpected(made.error());
  if (!take_installed()) {
    if (auto downloaded = download(); !downloaded) return std::unexpected(downloaded.error());
  }
  return find();
}

base::Result<void> GuestKernels::can_be_had() const {
  if (find()) return {};
  auto package = package_of_host();
  return package ? base::Result<void>{} : std::unexpected(package.error());
}

base::Result<void> GuestKernels::take_installed() const {
  std::error_code error;
  for (fs::directory_iterator at("/boot", error), end; !error && at != end; at.increment(error)) {
    auto name = at->path().filename().string();
    constexpr std::string_view kPrefix = "vmlinuz-";
    if (!name.starts_with(kPrefix) || !name.ends_with("-amd64")) continue;
    if (keep(at->path(), fs::path("/lib/modules") / name.substr(kPrefix.size()))) return {};
  }
  return base::not_found("find an installed kernel");
}

base::Result<void> GuestKernels::download() const {
  auto package = package_of_host();
  if (!package) return std::unexpected(package.error());
  auto scratch = folder_ / "scratch";
  auto done = base::remove_tree(scratch);
  if (done) done = base::make_folders(scratch / "unpacked", 0700);
  if (!done) return done;
  auto fetched = run_tool({"apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", *package}, scratch);
  if (!fetched) return std::unexpected(fetched.error());
  for (const auto& file : fs::directory_iterator(scratch)) {
    if (file.path().extension() != ".deb") continue;
    auto unpacked = run_tool({"dpkg-deb", "-x", file.path().string(), (scratch / "unpacked").string()}, scratch);
    if (!unpacked) return std::unexpected(unpacked.error());
  }
  auto version = package->substr(std::string_view("linux-image-").size());
  done = keep(scratch / "unpacked/boot" / ("vmlinuz-" + version), scratch / "unpacked/lib/modules" / version);
  (void)base::remove_tree(scratch);
  return done;
}

// "order" last: it says that all of it is there.
base::Result<void> GuestKernels::keep(const fs::path& image, const fs::path& modules) const {
  auto files = needed_modules(modules);
  if (!files) return std::unexpected(files.error());
  auto folder = folder_ / modules.filename();
  auto done = base::make_folders(folder, 0755);
  if (done) done = unpack_kernel(image, folder / "kernel");
  std::string order;
  for (const auto& file : *files) {
    if (done) done = keep_copy(file, folder / file.filename());
    order += file.filename().string() + "\n";
  }
  if (done) done = base::write_file_atomically(folder / "order", order);
  return done;
}

}  // namespace environment
