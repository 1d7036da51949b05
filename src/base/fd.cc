#include "base/fd.h"

#include <linux/openat2.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace base {

void Fd::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Result<Fd> open_at(int dir, const std::string& path, int flags, mode_t mode) {
  int fd = ::openat(dir, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return errno_error(fmt::format("open {}", path));
  return Fd(fd);
}

Result<Fd> open(const std::string& path, int flags, mode_t mode) { return open_at(AT_FDCWD, path, flags, mode); }

Result<Fd> open_beneath(int dir, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  long fd = ::syscall(SYS_openat2, dir, path.c_str(), &how, sizeof how);
  if (fd < 0) return errno_error(fmt::format("open {}", path));
  return Fd(static_cast<int>(fd));
}

Result<Fd> open_in_mount(int dir, const std::string& name, int flags) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_NO_XDEV;
  long fd = ::syscall(SYS_openat2, dir, name.c_str(), &how, sizeof how);
  if (fd >= 0) return Fd(static_cast<int>(fd));
  int number = errno;
  auto error = Error::from_errno(fmt::format("open {}", name), number);
  errno = number;
  return std::unexpected(std::move(error));
}

Result<Fd> dup(int fd) {
  int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return errno_error("duplicate a descriptor");
  return Fd(copy);
}

Result<Pipe> pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) return errno_error("create a pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

Result<SocketPair> socketpair(int type) {
  int ends[2];
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) < 0) return errno_error("create a socket pair");
  return SocketPair{Fd(ends[0]), Fd(ends[1])};
}

Result<std::optional<std::size_t>> read_some(int fd, std::span<char> into) {
  for (;;) {
    ssize_t n = ::read(fd, into.data(), into.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EAGAIN) return std::nullopt;
    if (errno != EINTR) return errno_error("read");
  }
}

Result<std::optional<std::size_t>> write_some(int fd, std::string_view bytes) {
  for (;;) {
    ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n >= 0) return static_cast<std::size_t>(n);
    if (errno == EAGAIN) return std::nullopt;
    if (errno != EINTR) return errno_error("write");
  }
}

Result<std::string> read_all(int fd, std::size_t limit) {
  std::string all;
  char chunk[16384];
  for (;;) {
    auto n = read_some(fd, chunk);
    if (!n) return std::unexpected(n.error());
    if (!*n) return fail(Kind::unavailable, "read: the descriptor would block");
    if (**n == 0) return all;
    if (all.size() + **n > limit) return fail(Kind::overloaded, "read: more than {} bytes", limit);
    all.append(chunk, **n);
  }
}

Result<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    auto n = write_some(fd, bytes);
    if (!n) return std::unexpected(n.error());
    if (!*n) return fail(Kind::unavailable, "write: the descriptor would block");
    bytes.remove_prefix(**n);
  }
  return {};
}

namespace {

Result<void> change_flag(int fd, int get, int set, int flag, bool on) {
  int flags = ::fcntl(fd, get);
  if (flags < 0 || ::fcntl(fd, set, on ? flags | flag : flags & ~flag) < 0) return errno_error("set a descriptor flag");
  return {};
}

}  // namespace

Result<void> set_nonblocking(int fd, bool on) { return change_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on); }
Result<void> set_cloexec(int fd, bool on) { return change_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on); }

}  // namespace base
