#include "environment/container/root_folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace environment {

base::Result<RootFolder> RootFolder::open(const std::filesystem::path& folder) {
  auto fd = base::open(folder.string(), O_PATH | O_DIRECTORY);
  if (!fd) return std::unexpected(fd.error());
  return RootFolder(std::move(*fd));
}

base::Result<base::Fd> RootFolder::open_inside(const std::string& path, int flags) const {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  base::Fd fd(static_cast<int>(::syscall(SYS_openat2, folder_.get(), path.c_str(), &how, sizeof how)));
  if (!fd.is_open()) return base::errno_error("open " + path);
  return fd;
}

// A pipe would wait for its other end, were it opened for reading at once.
base::Result<std::string> RootFolder::read(const std::string& path, std::size_t limit) const {
  auto file = open_inside(path, O_RDONLY | O_NONBLOCK);
  struct stat facts;
  if (!file) return std::unexpected(file.error());
  if (::fstat(file->get(), &facts) < 0 || !S_ISREG(facts.st_mode)) return base::not_found("{} is no file", path);
  return base::read_all(file->get(), limit);
}

bool RootFolder::has(const std::string& path) const { return open_inside(path, O_PATH).has_value(); }

}  // namespace environment
