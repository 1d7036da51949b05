// base::Child: owns one child process by pidfd; reports how it ended; terminates and reaps it on scope exit.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace base {

struct Exited {
  int code;
};
struct Signaled {
  int signal;
  bool core_dumped;
};
using ExitStatus = std::variant<Exited, Signaled>;
// "exit status 1", "signal 9 (SIGKILL)".
std::string describe(const ExitStatus& status);
inline bool succeeded(const ExitStatus& status) {
  auto exited = std::get_if<Exited>(&status);
  return exited && exited->code == 0;
}

struct Command {
  std::vector<std::string> argv;                      // argv[0] is looked up in PATH unless it holds a slash
  std::optional<std::vector<std::string>> env;        // "KEY=value"; nullopt inherits
  std::string cwd;                                    // empty inherits
  int stdin_fd = -1, stdout_fd = -1, stderr_fd = -1;  // -1: /dev/null for stdin, inherited for the others
  std::vector<std::pair<int, int>> keep;              // {ours, number in the child}; all others are closed on exec
  std::function<void()> in_child;                     // runs after fork, before exec; async-signal-safe calls only
  int cancel_fd = -1;                                 // `run` only: kills the process once this is readable
};

class Child {
 public:
  Child() = default;
  Child(pid_t pid, Fd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  // Starts a process; an exec that fails is reported here, as an error with the child's errno.
  static Result<Child> spawn(const Command& command);

  pid_t pid() const { return pid_; }
  int pidfd() const { return pidfd_.get(); }  // readable once the process has ended
  bool is_running() const { return pid_ > 0; }
  Result<void> signal(int number);
  // Waits and reaps. With a timeout: empty optional when it is still running then.
  Result<ExitStatus> wait();
  Result<std::optional<ExitStatus>> wait_for(std::chrono::milliseconds timeout);
  // Gives up ownership: nobody is terminated or reaped by this object any more.
  pid_t detach();

 private:
  pid_t pid_ = -1;
  Fd pidfd_;
};

struct Output {
  ExitStatus status;
  std::string out, err;  // each cut at the limit given
  bool timed_out = false, cancelled = false;
};
// Runs a command to its end, capturing both outputs (each up to `limit` bytes; the rest is read and dropped).
// Past `timeout` the process is killed and `timed_out` set; `cancelled` likewise.
Result<Output> run(const Command& command, std::chrono::milliseconds timeout, std::size_t limit = 1 << 20);

}  // namespace base
