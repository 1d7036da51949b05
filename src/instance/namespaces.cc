#include "instance/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "instance/init.h"
#include "instance/privileges.h"
#include "instance/runtime.h"

namespace instance {
namespace {

base::Result<void> write_to(const std::string& file, const std::string& text) {
  auto fd = base::open(file, O_WRONLY);
  if (!fd) return std::unexpected(fd.error());
  return base::write_all(fd->get(), text);
}

// user_namespaces(7): one uid may map itself, once setgroups is given up.
base::Result<void> map_user(pid_t pid, const Plan& plan) {
  auto folder = fmt::format("/proc/{}/", pid);
  auto mapped = write_to(folder + "setgroups", "deny");
  if (mapped) mapped = write_to(folder + "uid_map", fmt::format("{} {} 1", plan.uid, ::geteuid()));
  if (mapped) mapped = write_to(folder + "gid_map", fmt::format("{} {} 1", plan.gid, ::getegid()));
  if (!mapped) return base::wrap(mapped.error(), "set up the user namespace");
  return {};
}

// fork(2) into new namespaces; the child is pid 1 of its pid namespace.
pid_t fork_into(unsigned long namespaces) {
  return static_cast<pid_t>(::syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

base::Error no_namespaces(int error_number, const Plan& plan) {
  auto error = base::Error::from_errno("create the instance's namespaces", error_number);
  if (!plan.user_namespace) return error;
  return std::move(error).with_advice(
      "run the daemon as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, "
      "user.max_user_namespaces); `serai doctor` says what is missing");
}

}  // namespace

base::Result<void> wait_for_setup(const base::Fd& setup) {
  auto line = base::read_all(setup.get(), 1 << 16);
  if (!line) return std::unexpected(line.error());
  if (line->empty()) return {};
  auto report = nlohmann::json::parse(*line, nullptr, false);
  if (report.is_discarded() || !report.contains("error"))
    return base::fail(base::Kind::internal, "set up the instance: {}", *line);
  return std::unexpected(error_from_json(report["error"]));
}

base::Result<Init> start_init(const Plan& plan, Network& network) {
  if (!plan.runtime.argv.empty()) return start_init_by_runtime(plan, network);
  auto sockets = base::socketpair(SOCK_STREAM);
  auto setup = base::pipe();
  auto go = base::pipe();
  if (!sockets || !setup || !go) return base::errno_error("create the instance's pipes");
  unsigned long namespaces =
      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (plan.user_namespace ? CLONE_NEWUSER : 0);
  pid_t pid = fork_into(namespaces);
  if (pid < 0) return std::unexpected(no_namespaces(errno, plan));
  if (pid == 0) {
    char byte;
    go->write.close();
    if (::read(go->read.get(), &byte, 1) != 1) ::_exit(1);
    sockets->ours.close();
    setup->read.close();
    if (!network.enter()) ::_exit(1);
    network = Network();  // its descriptors are not for init, which keeps what is open
    run_init(plan, std::move(sockets->theirs), std::move(setup->write));
  }
  Init init{pid, base::Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))), std::move(sockets->ours)};
  sockets->theirs.close();
  setup->write.close();
  auto done = plan.user_namespace ? map_user(pid, plan) : base::Result<void>{};
  if (done) done = base::write_all(go->write.get(), "g");
  if (done) done = wait_for_setup(setup->read);
  if (!done) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return std::unexpected(done.error());
  }
  return init;
}

base::Result<void> become_supervisor(const Plan& plan) {
  if (plan.user_namespace) return {};
  return become_user(plan.supervisor_uid, plan.supervisor_gid);
}

}  // namespace instance
