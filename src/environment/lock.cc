#include "environment/lock.h"

#include <sys/file.h>

#include <cerrno>

namespace environment {

base::Result<Lock> Lock::take(const std::filesystem::path& file) {
  auto fd = base::open(file.string(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!fd) return std::unexpected(fd.error());
  while (::flock(fd->get(), LOCK_EX) < 0)
    if (errno != EINTR) return base::errno_error(fmt::format("lock {}", file.string()));
  return Lock(std::move(*fd));
}

base::Result<std::optional<Lock>> Lock::try_take(const std::filesystem::path& file) {
  auto fd = base::open(file.string(), O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (!fd) return std::unexpected(fd.error());
  if (::flock(fd->get(), LOCK_EX | LOCK_NB) == 0) return Lock(std::move(*fd));
  if (errno == EWOULDBLOCK) return std::nullopt;
  return base::errno_error(fmt::format("lock {}", file.string()));
}

}  // namespace environment
