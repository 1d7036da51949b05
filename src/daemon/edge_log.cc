#include "daemon/edge_log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace control_plane {
namespace {

constexpr std::uintmax_t kMostLogBytes = 64 << 20;
constexpr int kKeptLogs = 5;
constexpr mode_t kMode = 0640;

// O_NONBLOCK: a FIFO must not make us wait for its reader. It means nothing for files.
constexpr int kFlags = O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK;

bool is_plain_file(int fd) {
  struct stat facts{};
  return ::fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_nlink == 1;
}

}  // namespace

base::Result<base::Fd> open_edge_log(const std::filesystem::path& folder) {
  auto path = (folder / "edge.log").string();
  auto log = base::open(path, kFlags);
  if (log && is_plain_file(log->get())) return log;
  if (::unlink(path.c_str()) < 0 && errno != ENOENT) return base::errno_error(fmt::format("remove {}", path));
  return base::open(path, kFlags | O_CREAT | O_EXCL, kMode);
}

bool rotate_if_large(const std::filesystem::path& log) {
  struct stat facts{};
  if (::lstat(log.c_str(), &facts) < 0 || static_cast<std::uintmax_t>(facts.st_size) < kMostLogBytes) return false;
  auto name = [&](int number) { return number ? fmt::format("{}.{}", log.string(), number) : log.string(); };
  for (int number = kKeptLogs; number > 0; number--) ::rename(name(number - 1).c_str(), name(number).c_str());
  return true;
}

}  // namespace control_plane
