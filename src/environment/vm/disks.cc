#include "environment/vm/disks.h"

#include <unistd.h>

#include "base/child.h"
#include "base/file.h"

namespace environment {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMakeSquash = "/usr/bin/mksquashfs";
constexpr const char* kMakeExt = "/usr/sbin/mke2fs";
constexpr std::chrono::minutes kPatience{15};

base::Result<void> run_tool(const std::string& what, std::vector<std::string> argv) {
  base::Command command;
  command.argv = std::move(argv);
  command.env = std::vector<std::string>{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"};
  auto output = base::run(command, kPatience);
  if (!output) return base::wrap(output.error(), what);
  if (base::succeeded(output->status)) return {};
  return base::fail(base::Kind::internal, "{}: {} ended with {}: {}", what, command.argv.front(),
                    base::describe(output->status), output->err.substr(0, output->err.find('\n')));
}

}  // namespace

// LZ4: a guest without hardware support unpacks what it reads on an emulated CPU.
base::Result<fs::path> Disks::of_layer(const fs::path& unpacked) {
  auto file = file_of(unpacked);
  std::lock_guard lock(mutex_);
  if (fs::exists(file)) return file;
  auto partial = fs::path(file.string() + ".partial");
  auto done = base::make_folders(folder_, 0755);
  if (done)
    done = run_tool("make a disk of " + unpacked.filename().string(),
                    {kMakeSquash, unpacked.string(), partial.string(), "-noappend", "-quiet", "-no-progress", "-comp",
                     "lz4", "-no-exports", "-mkfs-time", "0", "-processors", "1"});
  if (!done) return std::unexpected(done.error());
  std::error_code error;
  fs::rename(partial, file, error);
  if (error) return std::unexpected(base::Error::from_errno("put a disk in place", error.value()));
  return file;
}

base::Result<void> Disks::sweep(const fs::path& layers) {
  std::lock_guard lock(mutex_);
  std::error_code error;
  for (fs::directory_iterator at(folder_, error), end; !error && at != end; at.increment(error))
    if (!fs::exists(layers / at->path().stem())) ::unlink(at->path().c_str());
  return {};
}

base::Result<void> make_scratch_disk(const fs::path& file, std::uint64_t bytes, Identity owner) {
  auto made = base::open(file, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (!made) return std::unexpected(made.error());
  if (::ftruncate(made->get(), static_cast<off_t>(bytes)) < 0) return base::errno_error("make a scratch disk");
  auto done = run_tool("make a scratch disk",
                       {kMakeExt, "-q", "-F", "-t", "ext4", "-m", "0", "-O", "^has_journal,^metadata_csum", "-E",
                        "lazy_itable_init=1,nodiscard", file.string()});
  return done ? base::change_owner(file, owner.uid, owner.gid) : done;
}

base::Result<void> check_disk_tools() {
  for (auto [program, package] : {std::pair(kMakeSquash, "squashfs-tools"), {kMakeExt, "e2fsprogs"}}) {
    if (::access(program, X_OK) == 0) continue;
    return std::unexpected(base::Error(base::Kind::unsupported,
                                       fmt::format("make a disk for a virtual machine: there is no {}", program),
                                       fmt::format("install it: apt-get install {}", package)));
  }
  return {};
}

}  // namespace environment
