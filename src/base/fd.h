// base::Fd: owns one descriptor. Move-only, empty by default, no conversion to bool or int.
// Makers are named after the system call and set close-on-exec; would-block is an empty optional.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace base {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { close(); }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  // Closes now. A failed close is logged by the kernel's rules: the descriptor is gone either way.
  void close();

 private:
  int fd_ = -1;
};

// openat(2) with O_CLOEXEC added. `dir` may be AT_FDCWD.
Result<Fd> open_at(int dir, const std::string& path, int flags, mode_t mode = 0);
Result<Fd> open(const std::string& path, int flags, mode_t mode = 0);
// openat2(2) with RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS: the path cannot leave `dir`, whatever links say.
Result<Fd> open_beneath(int dir, const std::string& path, int flags, mode_t mode = 0);
// openat2(2) with RESOLVE_NO_XDEV: one name of `dir`, never the root of what is mounted there. A mount is an error of
// errno EXDEV, which is still set then.
Result<Fd> open_in_mount(int dir, const std::string& name, int flags);
Result<Fd> dup(int fd);
struct Pipe {
  Fd read, write;
};
Result<Pipe> pipe();
struct SocketPair {
  Fd ours, theirs;
};
Result<SocketPair> socketpair(int type);  // AF_UNIX; type for example SOCK_STREAM

// One read(2): empty optional when it would block, 0 at the end of the file.
Result<std::optional<std::size_t>> read_some(int fd, std::span<char> into);
Result<std::optional<std::size_t>> write_some(int fd, std::string_view bytes);
// Until the end, or until `limit` bytes (then Kind::overloaded).
Result<std::string> read_all(int fd, std::size_t limit);
Result<void> write_all(int fd, std::string_view bytes);
Result<void> set_nonblocking(int fd, bool on);
Result<void> set_cloexec(int fd, bool on);

}  // namespace base
