#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

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

// Folders without permissions, such as overlayfs's work folder, stop everybody but root, even their owner.
static void make_accessible(const fs::path& folder) {
  std::error_code error;
  if (fs::symlink_status(folder, error).type() != fs::file_type::directory) return;
  fs::permissions(folder, fs::perms::owner_all, fs::perm_options::add, error);
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
    make_accessible(at->path());
}

Result<void> remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error == std::errc::permission_denied && ::geteuid() != 0) {
    make_accessible(path);
    fs::remove_all(path, error);
  }
  if (error) return std::unexpected(Error::from_errno(fmt::format("remove {}", path.string()), error.value()));
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
