#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "base/fd.h"

namespace base {
namespace fs = std::filesystem;

Result<std::string> read_file(const fs::path& path, std::size_t limit) {
  auto fd = open(path.string(), O_RDONLY);
  if (!fd) return std::unexpected(fd.error());
  auto content = read_all(fd->get(), limit);
  if (!content) return wrap(content.error(), fmt::format("read {}", path.string()));
  return content;
}

Result<void> write_file_atomically(const fs::path& path, std::string_view content, mode_t mode) {
  std::string temporary = path.string() + ".XXXXXX";
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.is_open()) return errno_error(fmt::format("create a file beside {}", path.string()));
  auto written = write_all(fd.get(), content);
  if (written &&
      (::fchmod(fd.get(), mode) < 0 || ::fsync(fd.get()) < 0 || ::rename(temporary.c_str(), path.c_str()) < 0)) {
    written = errno_error(fmt::format("write {}", path.string()));
  }
  if (!written) ::unlink(temporary.c_str());
  return written;
}

Result<void> make_folders(const fs::path& path, mode_t mode) {
  if (path.empty() || fs::is_directory(path)) return {};
  if (auto parent = make_folders(path.parent_path(), mode); !parent) return parent;
  if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST)
    return errno_error(fmt::format("create folder {}", path.string()));
  if (::chmod(path.c_str(), mode) < 0) return errno_error(fmt::format("set the mode of {}", path.string()));
  return {};
}

namespace {

// Empties a folder with a bounded number of descriptors, stack and names in memory, however deep and full it is: an app
// can nest folders beyond any limit on paths and open files, and must be removable all the same.
class Removal {
 public:
  explicit Removal(Fd top) : top_(std::move(top)) {}

  // A folder that is going to be removed. Without permissions (overlayfs's work folder has none) it would stop
  // everybody but root, even its owner.
  static Result<Fd> open_folder(int parent, const std::string& name) {
    auto folder = open_in_mount(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    if (!folder && errno == EXDEV) return std::unexpected(mounted_at(parent, name));
    if (!folder) return folder;
    // Where this fails, opening it says why.
    [[maybe_unused]] int changed = ::geteuid() == 0 ? 0 : ::fchmodat(parent, name.c_str(), 0700, AT_SYMLINK_NOFOLLOW);
    return open_at(folder->get(), ".", O_RDONLY | O_DIRECTORY);
  }

  Result<void> run() { return empty(top_.get(), 0); }

 private:
  // Whoever mounted something there still has it: what is below is not ours to remove.
  static Error mounted_at(int parent, const std::string& name) {
    std::error_code error;
    auto place = fs::read_symlink(fmt::format("/proc/self/fd/{}", parent), error) / name;
    return Error(Kind::conflict, fmt::format("something is mounted at {}", place.string()),
                 fmt::format("unmount it first: umount {}", place.string()));
  }

  static constexpr int kDeepest = 64;
  static constexpr std::size_t kBatch = 4096;

  Result<void> empty(int folder, int depth) {
    for (;;) {
      auto names = some_names(folder);
      if (!names) return std::unexpected(names.error());
      for (const auto& name : *names)
        if (auto removed = remove(folder, name, depth); !removed) return removed;
      bool may_have_more = depth == 0 || names->size() == kBatch;
      if (names->empty() || !may_have_more) return {};
    }
  }

  static Result<std::vector<std::string>> some_names(int folder) {
    auto readable = open_at(folder, ".", O_RDONLY | O_DIRECTORY);
    if (!readable) return std::unexpected(readable.error());
    std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(readable->get()), &::closedir);
    if (!stream) return errno_error("list a folder");
    readable->release();
    std::vector<std::string> names;
    while (auto* entry = names.size() < kBatch ? ::readdir(stream.get()) : nullptr) {
      std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    return names;
  }

  Result<void> remove(int folder, const std::string& name, int depth) {
    if (::unlinkat(folder, name.c_str(), 0) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR) return errno_error(fmt::format("remove {}", name));
    if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) == 0) return {};
    auto inner = open_folder(folder, name);
    if (!inner) return std::unexpected(inner.error());
    if (depth == kDeepest) return lift(folder, name);
    if (auto emptied = empty(inner->get(), depth + 1); !emptied) return emptied;
    if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) < 0)
      return errno_error(fmt::format("remove the folder {}", name));
    return {};
  }

  // Moves a folder to the top, where its turn comes again.
  Result<void> lift(int folder, const std::string& name) {
    for (;;) {
      auto lifted = fmt::format("lifted-{}", lifted_++);
      if (::renameat2(folder, name.c_str(), top_.get(), lifted.c_str(), RENAME_NOREPLACE) == 0) return {};
      if (errno != EEXIST) return errno_error(fmt::format("move the folder {}", name));
    }
  }

  Fd top_;
  std::uint64_t lifted_ = 0;
};

}  // namespace

Result<void> remove_tree(const fs::path& path) {
  auto failed = [&] { return errno_error(fmt::format("remove {}", path.string())); };
  if (::unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
  if (errno != EISDIR) return failed();
  auto above = open(path.has_parent_path() ? path.parent_path().string() : ".", O_PATH | O_DIRECTORY);
  auto top = above ? Removal::open_folder(above->get(), path.filename()) : Result<Fd>(std::unexpected(above.error()));
  auto emptied = top ? Removal(std::move(*top)).run() : Result<void>(std::unexpected(top.error()));
  if (!emptied) return wrap(emptied.error(), fmt::format("remove {}", path.string()));
  if (::rmdir(path.c_str()) < 0) return failed();
  return {};
}

Result<void> change_owner(const fs::path& path, uid_t uid, gid_t gid) {
  if (::lchown(path.c_str(), uid, gid) < 0) return errno_error(fmt::format("change the owner of {}", path.string()));
  return {};
}

fs::path executable_folder() {
  std::error_code error;
  return fs::read_symlink("/proc/self/exe", error).parent_path();
}

}  // namespace base
