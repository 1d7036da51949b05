#include "base/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace base {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const auto& s : strings) result.push_back(const_cast<char*>(s.c_str()));
  result.push_back(nullptr);
  return result;
}

// What the child needs, made before the fork: afterwards nothing is allocated, since another thread may have held the
// allocator's lock.
struct Preparation {
  explicit Preparation(const Command& command)
      : argv(pointers(command.argv)), env(command.env ? pointers(*command.env) : std::vector<char*>()) {
    kept.resize(command.keep.size());
  }
  std::vector<char*> argv, env;
  std::vector<int> kept;  // the kept descriptors on their way
};

// Moves the kept descriptors clear of their target numbers first, so that no dup2 overwrites one still needed.
void place_descriptors(const Command& command, std::vector<int>& kept, int& report_fd) {
  int highest = 64;
  for (auto [ours, theirs] : command.keep) highest = std::max(highest, std::max(ours, theirs) + 1);
  report_fd = ::fcntl(report_fd, F_DUPFD_CLOEXEC, highest);
  int standard[3] = {command.stdin_fd, command.stdout_fd, command.stderr_fd};
  int moved[3];
  for (int i = 0; i < 3; i++) moved[i] = standard[i] < 0 ? -1 : ::fcntl(standard[i], F_DUPFD_CLOEXEC, highest);
  for (std::size_t i = 0; i < kept.size(); i++) kept[i] = ::fcntl(command.keep[i].first, F_DUPFD_CLOEXEC, highest);
  if (moved[0] < 0) moved[0] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  for (int i = 0; i < 3; i++)
    if (moved[i] >= 0) ::dup2(moved[i], i);
  for (std::size_t i = 0; i < kept.size(); i++) ::dup2(kept[i], command.keep[i].second);
}

void mark_others_close_on_exec(const Command& command) {
  ::syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
  for (auto [ours, theirs] : command.keep) ::fcntl(theirs, F_SETFD, 0);
}

[[noreturn]] void become(const Command& command, Preparation& prepared, int report_fd) {
  place_descriptors(command, prepared.kept, report_fd);
  mark_others_close_on_exec(command);
  ::fcntl(report_fd, F_SETFD, FD_CLOEXEC);
  for (int number = 1; number < 32; number++) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (command.in_child) command.in_child();
  if (command.cwd.empty() || ::chdir(command.cwd.c_str()) == 0) {
    ::execvpe(prepared.argv[0], prepared.argv.data(), command.env ? prepared.env.data() : environ);
  }
  int error_number = errno;
  (void)!::write(report_fd, &error_number, sizeof error_number);
  ::_exit(127);
}

ExitStatus status_of(int wait_status) {
  if (WIFSIGNALED(wait_status)) return Signaled{WTERMSIG(wait_status), WCOREDUMP(wait_status) != 0};
  return Exited{WEXITSTATUS(wait_status)};
}

int remaining_ms(Clock::time_point deadline) {
  auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<long long>(left, 0, 1'000'000'000));
}

// Reads what is there; false once the stream has ended.
bool drain(int fd, std::string& into, std::size_t limit) {
  char chunk[16384];
  ssize_t n = ::read(fd, chunk, sizeof chunk);
  if (n < 0) return errno == EINTR || errno == EAGAIN;
  if (n == 0) return false;
  into.append(chunk, std::min<std::size_t>(static_cast<std::size_t>(n), limit - std::min(limit, into.size())));
  return true;
}

}  // namespace

std::string describe(const ExitStatus& status) {
  if (auto exited = std::get_if<Exited>(&status)) return fmt::format("exit status {}", exited->code);
  int number = std::get<Signaled>(status).signal;
  const char* name = ::sigabbrev_np(number);
  return fmt::format("signal {} (SIG{})", number, name ? name : "?");
}

Child::Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(pidfd_, other.pidfd_);
  return *this;
}

Child::~Child() {
  if (pid_ <= 0) return;
  (void)signal(SIGTERM);
  auto ended = wait_for(milliseconds(2000));
  if (ended && *ended) return;
  (void)signal(SIGKILL);
  (void)wait();
}

Result<Child> Child::spawn(const Command& command) {
  if (command.argv.empty()) return invalid("start a process: the argument vector is empty");
  auto report = pipe();
  if (!report) return std::unexpected(report.error());
  Preparation prepared(command);
  pid_t pid = ::fork();
  if (pid < 0) return errno_error("fork");
  if (pid == 0) become(command, prepared, report->write.get());
  Child child(pid, Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))));
  report->write.close();
  int error_number = 0;
  ssize_t n;
  do n = ::read(report->read.get(), &error_number, sizeof error_number);
  while (n < 0 && errno == EINTR);
  if (n == sizeof error_number) {
    (void)child.wait();
    return std::unexpected(Error::from_errno(fmt::format("start {}", command.argv[0]), error_number));
  }
  return child;
}

Result<void> Child::signal(int number) {
  if (pid_ <= 0) return not_found("signal a process: it has ended already");
  if (::syscall(SYS_pidfd_send_signal, pidfd_.get(), number, nullptr, 0) < 0) return errno_error("signal a process");
  return {};
}

Result<ExitStatus> Child::wait() {
  int status = 0;
  pid_t pid;
  do pid = ::waitpid(pid_, &status, 0);
  while (pid < 0 && errno == EINTR);
  if (pid < 0) return errno_error("wait for a process");
  pid_ = -1;
  pidfd_.close();
  return status_of(status);
}

Result<std::optional<ExitStatus>> Child::wait_for(milliseconds timeout) {
  auto deadline = Clock::now() + timeout;
  pollfd ended{pidfd_.get(), POLLIN, 0};
  int n;
  do n = ::poll(&ended, 1, remaining_ms(deadline));
  while (n < 0 && errno == EINTR);
  if (n < 0) return errno_error("wait for a process");
  if (n == 0) return std::nullopt;
  auto status = wait();
  if (!status) return std::unexpected(status.error());
  return *status;
}

pid_t Child::detach() {
  pidfd_.close();
  return std::exchange(pid_, -1);
}

Result<Output> run(const Command& command, milliseconds timeout, std::size_t limit) {
  auto out = pipe();
  auto err = pipe();
  if (!out || !err) return errno_error("create a pipe");
  Command with_pipes = command;
  with_pipes.stdout_fd = out->write.get();
  with_pipes.stderr_fd = err->write.get();
  auto child = Child::spawn(with_pipes);
  if (!child) return std::unexpected(child.error());
  out->write.close();
  err->write.close();
  Output output{Exited{0}, {}, {}};
  auto deadline = Clock::now() + timeout;
  bool out_open = true, err_open = true;
  while (out_open || err_open) {
    pollfd fds[] = {{out_open ? out->read.get() : -1, POLLIN, 0},
                    {err_open ? err->read.get() : -1, POLLIN, 0},
                    {command.cancel_fd, POLLIN, 0}};
    int left = remaining_ms(deadline);
    int n = ::poll(fds, 3, left);
    if (n < 0 && errno != EINTR) return errno_error("read a process's output");
    output.cancelled = n > 0 && fds[2].revents;
    output.timed_out = n == 0 || left == 0;
    if (output.cancelled || output.timed_out) {
      (void)child->signal(SIGKILL);
      break;
    }
    if (fds[0].revents) out_open = drain(out->read.get(), output.out, limit);
    if (fds[1].revents) err_open = drain(err->read.get(), output.err, limit);
  }
  auto status = child->wait_for(milliseconds(remaining_ms(deadline)));
  if (status && !*status) {
    output.timed_out = true;
    (void)child->signal(SIGKILL);
    status = child->wait();
  }
  if (!status) return std::unexpected(status.error());
  output.status = **status;
  return output;
}

}  // namespace base
