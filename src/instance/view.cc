#include "instance/view.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>

#include "base/fd.h"

// <sys/mount.h> and <linux/mount.h> of this glibc clash; these two are all that is needed of the former.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;
extern "C" int umount2(const char*, int) noexcept;

namespace instance {
namespace {

constexpr unsigned long kRecursivePrivate = 0x44000;             // MS_REC | MS_PRIVATE
constexpr unsigned long kRecursiveSlave = 0x84000;               // MS_REC | MS_SLAVE
constexpr unsigned long kNoSuidNoDev = 0x6;                      // MS_NOSUID | MS_NODEV
constexpr unsigned long kRemountReadOnly = 0x21 | kNoSuidNoDev;  // MS_REMOUNT | MS_RDONLY
constexpr int kDetach = 2;                                       // MNT_DETACH

base::Result<base::Fd> open_in(int dir, const std::string& path, std::uint64_t flags, std::uint64_t resolve) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve | RESOLVE_NO_MAGICLINKS;
  long fd = ::syscall(SYS_openat2, dir, path.empty() ? "." : path.c_str(), &how, sizeof how);
  if (fd < 0) return base::errno_error(fmt::format("open {}", path));
  return base::Fd(static_cast<int>(fd));
}

class View {
 public:
  View(const Plan& plan, base::Fd root) : plan_(plan), root_(std::move(root)) {}
  base::Result<void> apply(const Mount& mount);
  base::Result<void> enter();
  base::Result<void> seal();

 private:
  base::Result<base::Fd> folder(const std::string& path, unsigned mode = 0755);
  base::Result<base::Fd> target(const Mount& mount, bool is_folder);
  base::Result<void> attach(const base::Fd& tree, const base::Fd& at);
  base::Result<void> bind(const Mount& mount);
  base::Result<void> new_file_system(const Mount& mount, const char* type, unsigned attributes,
                                     const std::vector<std::pair<std::string, std::string>>& options);
  base::Result<void> overlay(const Mount& mount);
  base::Result<void> device(const Mount& mount);
  base::Result<void> file(const Mount& mount);
  base::Result<void> link(const Mount& mount);
  base::Result<void> tmpfs(const Mount& mount);
  base::Result<void> made_folder(const Mount& mount);
  base::Result<void> detach(const Mount& mount);
  base::Result<void> absent(const Mount& mount);

  const Plan& plan_;
  base::Fd root_;
};

// Opens a folder of the view, making what is missing, one component at a time and never through a link.
base::Result<base::Fd> View::folder(const std::string& path, unsigned mode) {
  auto at = base::dup(root_.get());
  for (const auto& part : std::filesystem::path(path)) {
    if (!at || part.empty() || part == ".") continue;
    if (::mkdirat(at->get(), part.c_str(), mode) < 0 && errno != EEXIST && errno != EROFS) {
      return base::errno_error(fmt::format("make folder /{} of the instance", path));
    }
    at = open_in(at->get(), part, O_PATH | O_DIRECTORY | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  }
  return at;
}

base::Result<base::Fd> View::target(const Mount& mount, bool is_folder) {
  if (is_folder) return folder(mount.to);
  std::filesystem::path to(mount.to);
  auto parent = folder(to.parent_path());
  if (!parent) return parent;
  base::Fd made(
      ::openat(parent->get(), to.filename().c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY, 0444));
  return open_in(parent->get(), to.filename(), O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

base::Result<void> View::attach(const base::Fd& tree, const base::Fd& at) {
  if (::syscall(SYS_move_mount, tree.get(), "", at.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
    return base::errno_error("attach a mount");
  }
  return {};
}

base::Result<void> View::bind(const Mount& mount) {
  auto source = base::open(mount.base, O_PATH);
  if (source && !mount.path.empty()) {
    source = open_in(source->get(), mount.path, O_PATH, RESOLVE_BENEATH | (mount.links ? 0 : RESOLVE_NO_SYMLINKS));
  }
  if (!source) return mount.optional ? base::Result<void>{} : std::unexpected(source.error());
  struct stat facts;
  if (::fstat(source->get(), &facts) < 0) return base::errno_error("look at a mount's source");
  if (!S_ISDIR(facts.st_mode) && !S_ISREG(facts.st_mode) && mount.kind != "device") {
    return base::invalid("neither a file nor a folder: {}/{}", mount.base, mount.path);
  }
  // In a user namespace the host's mounts are locked together and can only be taken with what is below them.
  unsigned recursive = mount.recursive || plan_.user_namespace ? AT_RECURSIVE : 0;
  base::Fd tree(static_cast<int>(
      ::syscall(SYS_open_tree, source->get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive)));
  if (!tree.is_open()) return base::errno_error(fmt::format("take {}/{}", mount.base, mount.path));
  mount_attr attributes{};
  attributes.attr_set =
      MOUNT_ATTR_NOSUID | (mount.kind == "device" ? 0 : MOUNT_ATTR_NODEV) | (mount.writable ? 0 : MOUNT_ATTR_RDONLY);
  if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) < 0) {
    return base::errno_error("set a mount's attributes");
  }
  auto at = target(mount, S_ISDIR(facts.st_mode));
  if (!at) return std::unexpected(at.error());
  return attach(tree, *at);
}

base::Result<void> View::new_file_system(const Mount& mount, const char* type, unsigned attributes,
                                         const std::vector<std::pair<std::string, std::string>>& options) {
  auto failed = [&](const char* what) { return base::errno_error(fmt::format("{} a {} file system", what, type)); };
  base::Fd context(static_cast<int>(::syscall(SYS_fsopen, type, FSOPEN_CLOEXEC)));
  if (!context.is_open()) return failed("open");
  for (const auto& [key, value] : options) {
    long done = value.empty()
                    ? ::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_FLAG, key.c_str(), nullptr, 0)
                    : ::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, key.c_str(), value.c_str(), 0);
    if (done < 0) return failed(fmt::format("set {} of", key).c_str());
  }
  if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) return failed("create");
  base::Fd tree(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, attributes)));
  if (!tree.is_open()) return failed("mount");
  auto at = target(mount, true);
  if (!at) return std::unexpected(at.error());
  return attach(tree, *at);
}

// overlayfs.rst: ":" separates lower folders and is escaped by "\".
std::string escaped(const std::string& path) {
  std::string result;
  for (char c : path) {
    if (c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string without_commas(const std::string& path) {
  std::string result;
  for (char c : path) {
    if (c == ',') result += '\\';
    result += c;
  }
  return result;
}

base::Result<void> View::overlay(const Mount& mount) {
  std::vector<std::pair<std::string, std::string>> options = {
      {"lowerdir", escaped(mount.lower)}, {"upperdir", mount.upper}, {"workdir", mount.work}};
  // What an app renames or chmods must be whole in the upper folder, because it is adopted from there.
  if (plan_.user_namespace)
    options.push_back({"userxattr", ""});
  else
    options.insert(options.end(), {{"redirect_dir", "off"}, {"metacopy", "off"}, {"index", "off"}});
  return new_file_system(mount, "overlay", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, options);
}

base::Result<void> View::tmpfs(const Mount& mount) {
  std::vector<std::pair<std::string, std::string>> options = {{"mode", fmt::format("{:o}", mount.mode)}};
  if (mount.size) options.push_back({"size", std::to_string(mount.size)});
  if (mount.app_owned) {
    options.push_back({"uid", std::to_string(plan_.uid)});
    options.push_back({"gid", std::to_string(plan_.gid)});
  }
  unsigned no_devices = mount.to == "dev" ? MOUNT_ATTR_NOEXEC : MOUNT_ATTR_NODEV;
  return new_file_system(mount, "tmpfs", MOUNT_ATTR_NOSUID | no_devices, options);
}

base::Result<void> View::device(const Mount& mount) {
  if (plan_.user_namespace) return bind(mount);
  struct stat facts;
  std::string source = mount.base;
  if (::lstat(source.c_str(), &facts) < 0) return base::errno_error(fmt::format("look at {}", source));
  if (!S_ISCHR(facts.st_mode)) return base::invalid("{} is no character device", source);
  auto parent = folder("dev");
  if (!parent) return std::unexpected(parent.error());
  auto name = std::filesystem::path(mount.to).filename();
  if (::mknodat(parent->get(), name.c_str(), S_IFCHR | 0666, facts.st_rdev) < 0) {
    return base::errno_error(fmt::format("make device {}", mount.to));
  }
  return {};
}

base::Result<void> View::file(const Mount& mount) {
  std::filesystem::path to(mount.to);
  auto parent = folder(to.parent_path());
  if (!parent) return std::unexpected(parent.error());
  auto fd = base::open_at(parent->get(), to.filename(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mount.mode);
  if (!fd) return std::unexpected(fd.error());
  return base::write_all(fd->get(), mount.content);
}

base::Result<void> View::link(const Mount& mount) {
  std::filesystem::path to(mount.to);
  auto parent = folder(to.parent_path());
  if (!parent) return std::unexpected(parent.error());
  if (::symlinkat(mount.content.c_str(), parent->get(), to.filename().c_str()) < 0) {
    return base::errno_error(fmt::format("make link {}", mount.to));
  }
  return {};
}

base::Result<void> View::made_folder(const Mount& mount) {
  auto made = folder(mount.to, mount.mode);
  if (!made) return std::unexpected(made.error());
  if (mount.app_owned && ::fchownat(made->get(), "", plan_.uid, plan_.gid, AT_EMPTY_PATH) < 0) {
    return base::errno_error(fmt::format("change the owner of {}", mount.to));
  }
  return {};
}

base::Result<void> View::detach(const Mount& mount) {
  auto at = folder(mount.to);
  if (!at) return std::unexpected(at.error());
  auto path = fmt::format("/proc/self/fd/{}", at->get());
  if (::umount2(path.c_str(), kDetach) < 0) return base::errno_error(fmt::format("detach {}", mount.to));
  at->close();
  ::unlinkat(root_.get(), mount.to.c_str(), AT_REMOVEDIR);
  return {};
}

// Covers a file by a link that leads nowhere: a path lookup follows it after it crossed the mount, so the file cannot
// be opened or looked at, though its folder lists it. Whoever removes the file takes the cover away with it. Where the
// file has gone meanwhile, or the kernel mounts no links, all stays as it is.
base::Result<void> View::absent(const Mount& mount) {
  constexpr const char* kLink = ".nowhere";
  if (::symlinkat("/.nowhere/file", root_.get(), kLink) < 0 && errno != EEXIST)
    return base::errno_error("make a link that leads nowhere");
  auto link = open_in(root_.get(), kLink, O_PATH | O_NOFOLLOW, RESOLVE_BENEATH);
  if (!link) return std::unexpected(link.error());
  base::Fd tree(
      static_cast<int>(::syscall(SYS_open_tree, link->get(), "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
  std::filesystem::path to(mount.to);
  auto parent = folder(to.parent_path());
  if (!parent) return std::unexpected(parent.error());
  auto at = open_in(parent->get(), to.filename(), O_PATH | O_NOFOLLOW, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  if (tree.is_open() && at) (void)attach(tree, *at);
  // The mount holds it. But a file system that has a removed file which is held cannot become read-only (`seal`).
  if (plan_.root.lower.empty()) ::unlinkat(root_.get(), kLink, 0);
  return {};
}

base::Result<void> View::apply(const Mount& mount) {
  if (mount.kind == "bind") return bind(mount);
  if (mount.kind == "overlay") return overlay(mount);
  if (mount.kind == "tmpfs") return tmpfs(mount);
  if (mount.kind == "proc") {
    return new_file_system(mount, "proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, {});
  }
  if (mount.kind == "devpts") {
    // The host has so many terminals for all (kernel.pty.max): an app gets some of them.
    return new_file_system(mount, "devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                           {{"ptmxmode", "0666"}, {"mode", "0620"}, {"max", "64"}});
  }
  if (mount.kind == "device") return device(mount);
  if (mount.kind == "folder") return made_folder(mount);
  if (mount.kind == "file") return file(mount);
  if (mount.kind == "link") return link(mount);
  if (mount.kind == "detach") return detach(mount);
  if (mount.kind == "absent") return absent(mount);
  return base::invalid("unknown kind of mount: {}", mount.kind);
}

// For build_root: the file system itself becomes read-only, whatever the runtime makes of the mount's attributes. What
// is mounted below are others.
base::Result<void> View::seal() {
  if (::mount(nullptr, plan_.view_folder.c_str(), nullptr, kRemountReadOnly, nullptr) < 0) {
    return base::errno_error("make the instance's root read-only");
  }
  return {};
}

base::Result<void> View::enter() {
  // pivot_root(2): with the same folder twice the old root ends up below the new one and is detached at once.
  if (::fchdir(root_.get()) < 0 || ::syscall(SYS_pivot_root, ".", ".") < 0 || ::umount2(".", kDetach) < 0 ||
      ::chdir("/") < 0) {
    return base::errno_error("enter the instance's root");
  }
  mount_attr read_only{};
  read_only.attr_set = MOUNT_ATTR_RDONLY;
  if (::syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &read_only, sizeof read_only) < 0) {
    return base::errno_error("make the instance's root read-only");
  }
  return {};
}

// overlayfs.rst: "," ends an option, so it is escaped too when they come as one string. By mount(2): fsconfig(2) takes
// at most 255 bytes for all lower folders together.
base::Result<void> mount_root(const Plan& plan) {
  const char* folder = plan.view_folder.c_str();
  if (plan.root.lower.empty()) {
    if (::mount("tmpfs", folder, "tmpfs", kNoSuidNoDev, "mode=0755,size=4M") == 0) return {};
    return base::errno_error("mount the instance's root");
  }
  std::string lower;
  for (const auto& layer : plan.root.lower) lower += (lower.empty() ? "" : ":") + without_commas(escaped(layer));
  auto options = fmt::format("lowerdir={},upperdir={},workdir={}", lower, without_commas(plan.root.upper),
                             without_commas(plan.root.work));
  if (::mount("overlay", folder, "overlay", kNoSuidNoDev, options.c_str()) == 0) return {};
  return base::errno_error("mount the instance's root from its layers");
}

base::Result<View> assemble(const Plan& plan, unsigned long propagation) {
  ::umask(0);
  if (::mount("", "/", nullptr, propagation, nullptr) < 0) return base::errno_error("part from the host's mounts");
  if (auto mounted = mount_root(plan); !mounted) return std::unexpected(mounted.error());
  auto root = base::open(plan.view_folder, O_PATH | O_DIRECTORY);
  if (!root) return std::unexpected(root.error());
  View view(plan, std::move(*root));
  for (const auto& mount : plan.mounts) {
    if (auto applied = view.apply(mount); !applied) {
      return base::wrap(applied.error(), fmt::format("put /{} of the instance together", mount.to));
    }
  }
  ::umask(022);
  return view;
}

}  // namespace

base::Result<void> build_view(const Plan& plan) {
  auto view = assemble(plan, kRecursivePrivate);
  return view ? view->enter() : std::unexpected(view.error());
}

base::Result<void> build_root(const Plan& plan) {
  if (::unshare(CLONE_NEWNS) < 0) return base::errno_error("create a mount namespace");
  // Who calls stays in this namespace: what the host unmounts must not stay mounted, and busy, here.
  auto view = assemble(plan, kRecursiveSlave);
  return view ? view->seal() : std::unexpected(view.error());
}

}  // namespace instance
