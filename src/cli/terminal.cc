#include "cli/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/fd.h"

namespace cli {
namespace {

// The user's terminal in raw mode while this lives: keys such as Ctrl-C go to the command.
class RawMode {
 public:
  RawMode() {
    ::tcgetattr(0, &before_);
    termios raw = before_;
    ::cfmakeraw(&raw);
    ::tcsetattr(0, TCSADRAIN, &raw);
  }
  RawMode(const RawMode&) = delete;
  RawMode& operator=(const RawMode&) = delete;
  ~RawMode() { ::tcsetattr(0, TCSADRAIN, &before_); }

 private:
  termios before_{};
};

void copy_size(int from, int to) {
  winsize size{};
  if (::ioctl(from, TIOCGWINSZ, &size) == 0) ::ioctl(to, TIOCSWINSZ, &size);
}

// Copies what is there; false at the end.
bool copy_some(int from, int to) {
  char bytes[4096];
  auto n = ::read(from, bytes, sizeof bytes);
  if (n <= 0) return n < 0 && (errno == EINTR || errno == EAGAIN);
  return base::write_all(to, {bytes, static_cast<std::size_t>(n)}).has_value();
}

// Moves bytes between the user's terminal and the command's until `ended` and nothing is left to show.
void relay(int master, const std::atomic<bool>& ended) {
  bool input_open = true;
  for (;;) {
    pollfd fds[2] = {{master, POLLIN, 0}, {input_open ? 0 : -1, POLLIN, 0}};
    int ready = ::poll(fds, 2, 100);
    copy_size(0, master);
    if (ready == 0 && ended) return;
    if (fds[0].revents && !copy_some(master, 1)) return;
    if (fds[1].revents) input_open = copy_some(0, master);
  }
}

}  // namespace

base::Result<int> with_terminal(client::RunRequest request, const RunCommand& run) {
  if (!::isatty(0) || !::isatty(1)) return run(request);
  int master_fd = -1, slave_fd = -1;
  if (::openpty(&master_fd, &slave_fd, nullptr, nullptr, nullptr) < 0) return base::errno_error("open a pseudo-terminal");
  base::Fd master(master_fd), slave(slave_fd);
  copy_size(0, master.get());
  request.terminal = true;
  request.stdin_fd = request.stdout_fd = request.stderr_fd = slave.get();
  RawMode raw;
  std::atomic<bool> ended = false;
  std::jthread relaying([&] { relay(master.get(), ended); });
  auto code = run(request);
  ended = true;
  return code;
}

}  // namespace cli
